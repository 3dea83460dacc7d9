"""Every demo as a user runs it: on the real engine, in memory, interrupted, and killed."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hemostat.adapters.docker_engine import DockerTestContainers
from hemostat.demo import SCENARIOS
from tests.support.engine_fixtures import eventually
from tests.support.lab.command import environ, run, start

NO_ROLES = {"REDIS_URL": "unix:///nonexistent/redis.sock"}
"""The demo has to start roles of its own, whatever else runs on this machine."""


@pytest.fixture
def alone(state_dir: Path) -> dict[str, str]:
    return environ(state_dir, **NO_ROLES)


@pytest.fixture
def demo_container(docker_workshop: DockerTestContainers) -> Iterator[object]:
    """Yield a function that returns whether a demo's container exists. Containers that are left are
    removed."""
    yield lambda: docker_workshop.find("hemostat.demo")
    for info in docker_workshop.find("hemostat.demo"):
        docker_workshop.remove(info.ref.id)


@pytest.mark.docker
@pytest.mark.redis
@pytest.mark.parametrize("name", SCENARIOS)
def test_demo_passes_on_the_engine_and_leaves_nothing(name, alone, demo_container):
    ended = run("demo", name, "--json", env=alone)
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["passed"], told["simulated"]) == (0, True, False), (told, ended.stderr)
    assert told["observed"] == told["expected"]
    assert demo_container() == []


@pytest.mark.parametrize("name", ["crash", "cleanup", "unhealthy"])
def test_simulated_demo_is_marked_on_every_line(name, alone):
    ended = run("demo", name, "--simulate", env={**alone, "DOCKER_HOST": "unix:///nonexistent.sock"})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert all(line.startswith("SIMULATED ") for line in ended.stdout.splitlines())
    assert "PASSED" in ended.stdout


@pytest.mark.parametrize("simulated", [False, True])
def test_demo_without_engine_offers_the_simulation(simulated, alone):
    options = ["--simulate"] if simulated else []
    ended = run(
        "demo", "crash", "--json", *options, env={**alone, "HEMOSTAT_ENGINE_URL": "unix:///nonexistent.sock"}
    )
    assert ended.returncode == (0 if simulated else 3)
    assert simulated or "--simulate" in ended.stderr


@pytest.mark.docker
@pytest.mark.redis
def test_interrupted_demo_removes_its_container(alone, demo_container):
    with start("demo", "cpu-spike", env=alone) as demo:
        eventually(demo_container)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=20) == 130
        assert "Traceback" not in demo.communicate()[1]
    assert demo_container() == []


@pytest.mark.docker
@pytest.mark.redis
def test_next_demo_removes_leftovers_of_a_killed_one(alone, state_dir, demo_container):
    env = {**alone, "TMPDIR": str(state_dir)}
    with start("demo", "cpu-spike", env=env) as demo:
        eventually(demo_container)
        demo.kill()
    assert len(demo_container()) == 1
    assert list(state_dir.glob("hemostat-demo-*"))
    assert run("demo", "crash", "--json", env=env).returncode == 0
    assert demo_container() == []
    assert not list(state_dir.glob("hemostat-demo-*"))
    eventually(lambda: not servers_in(state_dir))


def servers_in(directory: Path) -> list[str]:
    """Return the processes whose command line contains this directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(directory).encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
    return found


@pytest.mark.docker
@pytest.mark.redis
@pytest.mark.parametrize(
    ("known", "why"),
    [
        ("shop=1", "monitor.only = 'shop=1' excludes its container"),
        ("hemostat.demo", "the running roles do not watch its container"),
    ],
)
def test_demo_starts_its_own_roles_if_others_cannot_see_it(known, why, state_dir):
    """The setting is known to the demo, or to the running roles alone."""
    env = environ(state_dir, MONITOR_ONLY="shop=1")
    with start("all", env=env, stderr=subprocess.DEVNULL) as everything:
        try:
            eventually(lambda: len(json.loads(run("status", "--json", env=env).stdout)["roles"]) == 4)
            ended = run("demo", "crash", env={**env, "HEMOSTAT_MONITOR_ONLY": known})
        finally:
            everything.terminate()
    assert ended.returncode == 0, ended.stderr
    assert f"with its own roles, on a real container: {why}" in ended.stdout


@pytest.mark.docker
@pytest.mark.redis
def test_printed_steps_are_ordered_by_time(alone):
    told = run("demo", "crash-loop", env=alone).stdout
    times = [float(line.split()[0]) for line in told.splitlines() if line[:1] == " "]
    assert len(times) > 10
    assert times == sorted(times)
    assert "PASSED, left to people after 2 restarts: engine state: restarts 2, status exited" in told


@pytest.mark.docker
@pytest.mark.redis
def test_demo_uses_running_roles(state_dir, demo_container):
    env = environ(state_dir, MONITOR_ONLY="hemostat.demo")
    with start("all", env=env, stderr=subprocess.DEVNULL) as everything:
        try:
            eventually(lambda: len(json.loads(run("status", "--json", env=env).stdout)["roles"]) == 4)
            ended = run("demo", "crash", env=env)
        finally:
            everything.terminate()
    assert ended.returncode == 0, ended.stderr
    assert "with the running roles" in ended.stdout
