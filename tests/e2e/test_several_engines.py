"""`hemostat all` with several engines: the machine's Docker Engine, a Podman, and one that never answers."""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from hemostat.adapters.docker_engine import DockerEngine, DockerTestContainers
from tests.support.engine_fixtures import SESSION, eventually, spec
from tests.support.healing import HEAL_SECONDS, await_restart, crash
from tests.support.lab.hemostat_all import HemoStatAll
from tests.support.lab.image import provide_image
from tests.support.lab.private_podman import PrivatePodman
from tests.support.podman_fixtures import require_podman

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(400)]

START_SECONDS = 60.0


class Healing(HemoStatAll):
    def list_outcomes(self, host: str) -> list[tuple[str, str, str]]:
        """Containers, actions and outcomes of the host's remediations."""
        events = map(json.loads, self.run("events", "--json").stdout.splitlines())
        ends = [
            each["data"] for each in events if (each["type"], each["host"]) == ("remediation_complete", host)
        ]
        return [(each["alert"]["container"]["name"], each["action"], each["outcome"]) for each in ends]

    def list_containers(self) -> set[tuple[str, str]]:
        return {(each["host"], each["name"]) for each in self.status().get("containers", ())}

    def find_troubles(self, host: str) -> dict[str, str]:
        """The troubles of the host's roles."""
        roles: list[dict[str, Any]] = self.status().get("roles", [])
        return {each["role"]: each["trouble"] for each in roles if each["host"] == host}


@pytest.fixture
def podman() -> Iterator[PrivatePodman]:
    require_podman()
    podman = PrivatePodman()
    try:
        provide_image(podman.url)
        yield podman
    finally:
        podman.close()


@pytest.fixture
def healing(podman: PrivatePodman, docker_engine: DockerEngine, tmp_path: Path) -> Iterator[Healing]:
    (tmp_path / "state").mkdir(mode=0o700)
    urls = {
        "docker": docker_engine.connection.url.replace(
            "http+docker://localhost", "unix:///var/run/docker.sock"
        ),
        "podman": podman.url,
        "absent": f"unix://{tmp_path}/none.sock",
    }
    running = Healing(
        tmp_path / "state",
        ENGINES=json.dumps(urls),
        MONITOR_ONLY=f"hemostat.test={SESSION}",
        RESPONDER_BACKOFF="0.2",
    )
    yield running
    running.stop()


def test_each_engine_heals_its_own_containers(
    healing: Healing,
    podman: PrivatePodman,
    docker_engine: DockerEngine,
    make_container: Callable[..., str],
) -> None:
    name = f"hs-test-{secrets.token_hex(4)}"
    healed = [(name, "restart", "healed")]
    in_docker, other = make_container(name=name), make_container()
    with ExitStack() as stack:
        podman_engine = stack.enter_context(closing(DockerEngine.connect(podman.url)))
        workshop = DockerTestContainers(podman_engine)
        in_podman = workshop.run(spec(name=name))
        stack.callback(workshop.remove, name)
        watched = {("docker", name), ("podman", name)}
        eventually(lambda: healing.list_containers() >= watched, seconds=START_SECONDS)
        assert set(healing.find_troubles("absent")) == {"monitor", "responder"}
        assert all("none.sock" in each for each in healing.find_troubles("absent").values())

        start = podman_engine.inspect(in_podman).started_at
        crash(docker_engine, in_docker)
        await_restart(docker_engine, in_docker)
        eventually(lambda: healing.list_outcomes("docker") == healed, seconds=HEAL_SECONDS)
        assert podman_engine.inspect(in_podman).started_at == start
        assert healing.list_outcomes("podman") == []

        start = docker_engine.inspect(in_docker).started_at
        crash(podman_engine, in_podman)
        await_restart(podman_engine, in_podman)
        eventually(lambda: healing.list_outcomes("podman") == healed, seconds=HEAL_SECONDS)
        assert docker_engine.inspect(in_docker).started_at == start

    podman.close()
    eventually(lambda: healing.find_troubles("podman").get("monitor"), seconds=HEAL_SECONDS)
    crash(docker_engine, other)
    await_restart(docker_engine, other)
    assert healing.find_troubles("docker") == {"monitor": "", "responder": ""}
