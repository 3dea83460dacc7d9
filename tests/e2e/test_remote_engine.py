"""All roles with an engine that is reached by ssh, through losses of the connection."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hemostat.adapters.docker_engine import DockerEngine
from tests.support.engine_fixtures import SESSION, eventually
from tests.support.healing import HEAL_SECONDS, await_restart, crash
from tests.support.lab.hemostat_all import HemoStatAll
from tests.support.lab.ssh_server import SshServer

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(400)]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    server = SshServer(tmp_path)
    monkeypatch.setenv("PATH", f"{server.programs}:{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def running(server: SshServer, tmp_path: Path) -> Iterator[HemoStatAll]:
    (tmp_path / "state").mkdir(mode=0o700)
    only = f"hemostat.test={SESSION}"
    running = HemoStatAll(tmp_path / "state", ENGINE_URL=server.url, MONITOR_ONLY=only, HOST="web1")
    yield running
    running.stop()


def test_crashes_are_healed_through_losses_of_the_ssh_connection(
    server: SshServer,
    running: HemoStatAll,
    make_container: Callable[..., str],
    docker_engine: DockerEngine,
) -> None:
    """Before, after ssh was killed, and for a crash while the host was not reachable."""
    first, second, third = (make_container() for _ in range(3))
    running.await_roles()
    crash(docker_engine, first)
    await_restart(docker_engine, first)

    for process in server.list_running():
        os.kill(process, signal.SIGKILL)
    crash(docker_engine, second)
    await_restart(docker_engine, second)

    server.stop()
    crash(docker_engine, third)
    uses = len(server.list_uses())
    eventually(lambda: len(server.list_uses()) > uses + 1, seconds=HEAL_SECONDS)
    server.start()
    await_restart(docker_engine, third)

    tunnels = server.list_running()
    assert tunnels
    running.stop()
    eventually(lambda: server.list_running() == [])
