"""The dashboard in a terminal, with real roles and a real container."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from hemostat.demo.scenarios import HEALTH_COMMAND, SICKEN_SCRIPT
from tests.e2e.everything import Everything
from tests.support.engine_fixtures import eventually
from tests.support.required import program

pytestmark = [pytest.mark.docker, pytest.mark.redis]

PATIENT = ("sh", "-c", "rm -f /tmp/sick; trap 'exit 0' TERM; while :; do sleep 0.1; done")
"""Becomes unhealthy when /tmp/sick is created, and is healthy again after a restart."""


class Terminal:
    """A tmux server with the dashboard in it."""

    def __init__(self, everything: Everything) -> None:
        self._socket = str(everything.log.with_name("tmux"))
        shown = [sys.executable, "-m", "hemostat", "tui"]
        self._tmux("new-session", "-d", "-x", "120", "-y", "40", *shown, env=everything.env)

    def _tmux(self, *words: str, env: dict[str, str] | None = None) -> str:
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", *words]
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def wait(self, *texts: str, seconds: float = 40) -> None:
        """Wait until all these texts are on the screen."""
        last = ""

        def shown() -> bool:
            nonlocal last
            last = self.screen()
            return all(text in last for text in texts)

        try:
            eventually(shown, seconds=seconds)
        except pytest.fail.Exception:
            pytest.fail(f"{texts} are not all in:\n{last}")

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def terminal(everything: Everything) -> Iterator[Terminal]:
    program("tmux")
    opened = Terminal(everything)
    yield opened
    opened.close()


def test_unhealthy_container_is_shown_healed_and_restarted_by_key(
    everything, terminal, make_container, docker_engine
):
    made = make_container(PATIENT, health=HEALTH_COMMAND)
    name = docker_engine.inspect(made).ref.name
    terminal.wait(name, "✓ healthy", "✓ responder")
    born = docker_engine.inspect(made).started_at

    docker_engine.exec(made, ["sh", "-c", SICKEN_SCRIPT])
    terminal.wait("health check fails", "restarted, healed")
    eventually(lambda: docker_engine.inspect(made).health == "healthy")
    healed = docker_engine.inspect(made).started_at
    assert healed > born

    terminal.press("i")
    terminal.wait(
        f"{name}: health check fails, healed", "alert", "diagnosis", "decision", "action", "verification"
    )
    terminal.press("Escape")
    terminal.wait("container▲")

    terminal.press("R")
    terminal.wait(f"hemostat order restart {name}", "y yes   n no", "the limits allow it", seconds=60)
    assert docker_engine.inspect(made).started_at == healed, "no action is taken before the answer"
    terminal.press("y")
    eventually(lambda: docker_engine.inspect(made).started_at > healed, seconds=40)
    terminal.wait("restarted in")
    assert everything.outcomes(name) == ["healed", "healed"]
