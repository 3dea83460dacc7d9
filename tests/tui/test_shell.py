"""The shell key, and the docker command behind it."""

import contextlib
import os
import pty
import subprocess
import sys

import pytest
from textual.app import App

from hemostat.adapters.docker_engine import shell
from hemostat.adapters.docker_engine.shell import DockerShell
from hemostat.events import Container
from tests.support.clock import FakeClock
from tests.support.dashboard import filled, play, says, until
from tests.support.engine_fixtures import spec
from tests.support.samples import NOW, event, stats


class Shell:
    def __init__(self, obstacle: str = "") -> None:
        self.obstacle = obstacle
        self.opened: list[str] = []

    def find_obstacle(self, container: str, name: str) -> str:
        return self.obstacle

    def run(self, container: str) -> None:
        self.opened.append(container)


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setattr(App, "suspend", lambda _: contextlib.nullcontext())


@pytest.mark.parametrize("keys", [["j", "b"], ["j", "enter", "b"]])
def test_shell_is_opened_and_the_dashboard_comes_back(keys):
    shell = Shell()

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, h"))
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.1)
        await until(pilot, lambda: shell.opened)
        await until(pilot, lambda: len(app.screen_stack) == len(keys) - 1 and app._feed._thread.is_alive())

    play(script, find_shell=lambda _: shell)
    assert len(shell.opened) == 1


def test_reason_for_no_shell_is_shown():
    shell = Shell("the container has no sh")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, h"))
        await pilot.press("b")
        await until(pilot, lambda: says(app, "the container has no sh"))

    play(script, find_shell=lambda _: shell, size=(120, 30))
    assert shell.opened == []


def test_dashboard_without_a_shell_has_no_key():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, h"))
        assert "shell" not in {
            each.binding.action for each in app.screen.active_bindings.values() if each.enabled
        }
        assert "Shell" not in {each.title for each in app.get_system_commands(app.screen)}
        await pilot.press("b")
        await pilot.pause(0.1)
        assert len(app.screen_stack) == 1

    play(script)


def make_command(path, script: str) -> None:
    file = path / "docker"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "obstacle"),
    [
        ("exit 0", ""),
        (
            'echo "exec failed: sh: executable file not found in PATH" >&2; exit 127',
            "the container has no sh",
        ),
        ('echo "Error: No such container: c1" >&2; exit 1', "Error: No such container: c1"),
        ("exit 3", "docker exec ended with 3"),
    ],
)
def test_obstacle_is_what_the_docker_command_says(script, obstacle, tmp_path, monkeypatch):
    make_command(tmp_path, f'[ "$1" = inspect ] && exec echo "c1 /web"; {script}')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert DockerShell("").find_obstacle("c1", "web") == obstacle


def test_endless_output_of_a_container_is_not_collected(tmp_path, monkeypatch):
    make_command(tmp_path, f'[ "$1" = inspect ] && exec echo "c1 /web"; yes; touch {tmp_path}/collected')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(shell, "CHECK_SECONDS", 2.0)
    DockerShell("").find_obstacle("c1", "web")
    assert (tmp_path / "collected").exists()


@pytest.mark.parametrize("container", ["c1", "web", "-u0"])
@pytest.mark.parametrize("known", ["c1 /db", "c2 /web", ""])
def test_no_shell_opens_where_the_engine_has_another_name_or_id(container, known, tmp_path, monkeypatch):
    make_command(tmp_path, f'[ "$1" = inspect ] && exec echo "{known}"; touch {tmp_path}/opened')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert "this name and id" in DockerShell("").find_obstacle(container, "web")
    assert not (tmp_path / "opened").exists()


def test_missing_docker_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not installed" in DockerShell("").find_obstacle("c1", "web")


def test_configured_engine_is_used_and_no_context(tmp_path, monkeypatch):
    make_command(tmp_path, f'echo "$@ $DOCKER_CONTEXT" > {tmp_path}/arguments')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    DockerShell("unix:///x.sock").run("c1")
    assert (tmp_path / "arguments").read_text().strip() == "--host unix:///x.sock exec -it c1 sh"


HOSTILE_SHELL = r"""
import os, select, sys, termios, time
from hemostat.tui.terminal_reset import protect_terminal
with protect_terminal():
    modes = termios.tcgetattr(0)
    modes[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(0, termios.TCSANOW, modes)
    print("\x1b[5;9r\x1b[?6h\x1b[4h\x1b(0\x0e\x1b[6n", end="", flush=True)
    time.sleep(0.5)
modes = termios.tcgetattr(0)[3]
print("READ", select.select([0], [], [], 0.3)[0], bool(modes & termios.ICANON), flush=True)
"""


def test_shell_leaves_neither_modes_nor_keys_to_the_dashboard():
    terminal, own_end = pty.openpty()
    program = [sys.executable, "-c", HOSTILE_SHELL]
    with subprocess.Popen(program, stdin=own_end, stdout=own_end, stderr=own_end):
        os.close(own_end)
        shown = b""
        with contextlib.suppress(OSError):  # the end of the program is an error of its terminal
            while chunk := os.read(terminal, 4096):
                shown += chunk
                if chunk.endswith(b"\x1b[6n"):
                    os.write(terminal, b"\x1b[1;1Rq\ny")
    os.close(terminal)
    after = shown.partition(b"\x1b[6n")[2]
    for reset in (b"\x1b[r", b"\x1b[?6l", b"\x1b[4l", b"\x0f", b"\x1b(B"):
        assert reset in after
    assert b"READ [] True" in after


@pytest.mark.docker
def test_real_container_has_a_shell_and_an_absent_one_does_not(request, docker_engine):
    containers = request.getfixturevalue("docker_workshop")
    container_spec = spec()
    container = containers.run(container_spec)
    try:
        shell = DockerShell(docker_engine.connection.url)
        assert shell.find_obstacle(container, container_spec.name) == ""
        assert "this name and id" in shell.find_obstacle(container, "another-name")
        assert "this name and id" in shell.find_obstacle(container_spec.name, container_spec.name)
        assert "No such container" in shell.find_obstacle("hs-test-there-is-no-such", "web")
    finally:
        containers.remove(container_spec.name)


def test_host_is_not_taken_for_a_container_with_its_name():
    clock = FakeClock(NOW + 5)
    bus = filled(clock)
    bus.publish_live([event(stats(container=Container(id="c9", name="h")), 5.0)], ttl=60)

    async def script(app, pilot):
        await until(
            pilot, lambda: any(each.data.container.id == "c9" for each in app.model.state.stats.values())
        )
        assert app.screen.find_current("h", Container(id="c8", name="h")).id == "c9"
        assert app.screen.find_current("h", Container(id="", name="h")).id == ""

    play(script, bus, clock=clock)
