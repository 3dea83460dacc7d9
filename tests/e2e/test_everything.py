"""`hemostat all` on the real engine: containers are healed whatever process is killed meanwhile."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hemostat.adapters.docker_engine import DockerEngine
from tests.e2e.everything import Everything, watched
from tests.support.engine_fixtures import eventually
from tests.support.lab.command import environ, run
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.docker, pytest.mark.redis]


@pytest.fixture
def crash(docker_engine: DockerEngine) -> Callable[[str], float]:
    """Crash the container and wait until it runs again. Returns when it was started."""

    def crash(container: str) -> float:
        before = docker_engine.inspect(container).started_at
        docker_engine.exec(container, ["kill", "-USR1", "1"])
        eventually(lambda: docker_engine.inspect(container).started_at > before, seconds=40)
        return docker_engine.inspect(container).started_at

    return crash


def test_crash_is_healed_published_and_stored(everything, make_container, docker_engine, crash):
    name = watched(everything, make_container, docker_engine)
    crash(name)
    eventually(lambda: everything.outcomes(name) == ["healed"])
    assert [event["type"] for event in everything.events(name)] == [
        "health_alert",
        "remediation_needed",
        "remediation_complete",
    ]


def test_container_stopped_by_a_person_stays_stopped(everything, make_container, docker_engine):
    name = watched(everything, make_container, docker_engine)
    docker_engine.stop(name)
    eventually(lambda: "exited" in {each["status"] for each in everything.status()["containers"]})
    assert everything.events(name) == []
    assert not docker_engine.inspect(name).is_running


@pytest.mark.parametrize("role", ["monitor", "analyzer", "responder", "alert"])
def test_killed_role_loses_no_healing(role, everything, make_container, docker_engine, crash):
    name = watched(everything, make_container, docker_engine)
    os.kill(everything.roles()[role], signal.SIGKILL)
    crash(name)
    eventually(lambda: everything.outcomes(name) == ["healed"], seconds=40)


def test_killed_embedded_redis_loses_no_healing(everything, state_dir, make_container, docker_engine, crash):
    name = watched(everything, make_container, docker_engine)
    crash(name)
    eventually(lambda: everything.outcomes(name) == ["healed"])
    os.kill(int((state_dir / "redis.pid").read_text()), signal.SIGKILL)
    crash(name)
    eventually(lambda: everything.outcomes(name) == ["healed", "healed"], seconds=40)


def test_engine_outage_loses_no_healing(state_dir, make_container, docker_engine):
    proxy = Proxy(state_dir / "engine.sock")
    running = Everything(state_dir, ENGINE_URL=proxy.url)
    try:
        name = watched(running, make_container, docker_engine)
        proxy.cut()
        eventually(lambda: any(role["trouble"] for role in running.status()["roles"]))
        docker_engine.exec(name, ["kill", "-USR1", "1"])
        eventually(lambda: not docker_engine.inspect(name).is_running)
        proxy.open()
        eventually(lambda: running.outcomes(name) == ["healed"], seconds=40)
    finally:
        running.stop()
        proxy.cut()
    assert docker_engine.inspect(name).is_running


def test_second_instance_on_the_same_state_is_refused(everything):
    second = run("all", env=everything.env)
    assert second.returncode == 2
    assert f"already running on {everything.env['HEMOSTAT_STATE_DIR']}" in second.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signal_ends_all_processes(number, code, state_dir):
    running = Everything(state_dir)
    pids = [*running.roles().values(), int((state_dir / "redis.pid").read_text())]
    running.process.send_signal(number)
    running.process.communicate(timeout=30)
    assert running.process.returncode == code
    eventually(lambda: not any(_is_running(pid) for pid in pids))
    assert "Traceback" not in running.log.read_text()


def _is_running(pid: int) -> bool:
    try:
        return not re.search(r"^State:\s+Z", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except FileNotFoundError:
        return False


def test_the_roles_log_under_their_names(everything, state_dir):
    eventually(lambda: all(f'"role": "{role}"' in everything.log.read_text() for role in everything.roles()))


def test_missing_engine_prevents_the_start(state_dir):
    env = environ(state_dir, ENGINE_URL="unix:///nonexistent.sock")
    ended: subprocess.CompletedProcess[str] = run("all", env=env)
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert "no Docker Engine" in ended.stderr


def down(docker_engine: DockerEngine, name: str) -> None:
    docker_engine.exec(name, ["kill", "-USR1", "1"])
    eventually(lambda: not docker_engine.inspect(name).is_running)


def test_actions_wait_during_a_pause_and_run_after_it(everything, make_container, docker_engine):
    name = watched(everything, make_container, docker_engine)
    assert run("pause", "--by", "ann", env=everything.env).returncode == 0
    down(docker_engine, name)
    eventually(lambda: everything.list_waits(name) == ["paused"])
    paused = (each["pause"] for each in everything.status()["safety"].values())
    assert [each["by"] for each in paused if each] == ["ann"]
    assert not docker_engine.inspect(name).is_running
    assert run("resume", env=everything.env).returncode == 0
    eventually(lambda: everything.outcomes(name) == ["healed"])
    assert docker_engine.inspect(name).is_running


def test_approved_action_is_executed(state_dir, make_container, docker_engine):
    running = Everything(state_dir, RESPONDER_MODE="approve")
    try:
        name = watched(running, make_container, docker_engine)
        down(docker_engine, name)
        eventually(lambda: json.loads(run("approvals", "--json", env=running.env).stdout))
        (waiting,) = json.loads(run("approvals", "--json", env=running.env).stdout)
        assert not docker_engine.inspect(name).is_running
        assert run("approve", waiting["id"], env=running.env).returncode == 0
        eventually(lambda: running.outcomes(name) == ["awaiting_approval", "healed"])
    finally:
        running.stop()
    assert docker_engine.inspect(name).is_running
