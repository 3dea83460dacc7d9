"""A real engine for the tests that need one, and containers that are gone when the test is."""

import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hemostat.adapters.docker_engine import DockerEngine, DockerTestContainers
from hemostat.core.model import Connected, Disconnected, EngineEvent
from hemostat.errors import EngineUnreachableError
from hemostat.ports import ContainerSpec, Engine
from tests.support.required import is_ci

IMAGE = "hemostat-test:busybox"
"""The image stays on the engine, so that the next run is quicker."""

SESSION = secrets.token_hex(4)

OBEDIENT = (
    "sh",
    "-c",
    "rm -f /tmp/*; trap 'exit 0' TERM; while sleep 0.05; do [ ! -e /tmp/exit ] || . /tmp/exit; done",
)
"""A process that stops on SIGTERM, and runs /tmp/exit if that exists. A restart cures it."""

Heard = EngineEvent | Connected | Disconnected


def engine_is_required() -> bool:
    return is_ci() or os.environ.get("HEMOSTAT_REQUIRE_ENGINE") == "1"


def eventually(condition: Callable[[], object], *, seconds: float = 20.0) -> None:
    """Wait until `condition` holds; fail when the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {seconds:g} s")
        time.sleep(0.01)


class Listener:
    """Collects an engine's events in a thread, until the engine is closed."""

    def __init__(self, engine: Engine, since: float | None = None) -> None:
        self.heard: list[Heard] = []
        self._events = engine.events(since)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        for item in self._events:
            self.heard.append(item)

    def actions(self, container: str) -> list[str]:
        return [event.action for event in self.events(container)]

    def events(self, container: str) -> list[EngineEvent]:
        return [
            item for item in self.heard if isinstance(item, EngineEvent) and item.container.id == container
        ]

    def wait_for(self, container: str, action: str) -> EngineEvent:
        eventually(lambda: action in self.actions(container))
        return next(event for event in self.events(container) if event.action == action)

    def wait_for_connections(self, count: int) -> None:
        eventually(lambda: sum(isinstance(item, Connected) for item in self.heard) >= count)

    def join(self) -> bool:
        """Whether the stream of events has ended."""
        self._thread.join(timeout=20)
        return not self._thread.is_alive()


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """The engine of this machine: without one, a laptop skips and CI fails."""
    try:
        engine = DockerEngine.connect()
    except EngineUnreachableError as error:
        if engine_is_required():
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield engine
    engine.close()


@pytest.fixture(autouse=True)
def _engine_for_marked_tests(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("docker"):
        request.getfixturevalue("docker_engine")


@pytest.fixture(scope="session")
def docker_workshop(docker_engine: DockerEngine) -> Iterator[DockerTestContainers]:
    """The engine's test containers, with the test image. Those with the session's label are removed at the
    end."""
    workshop = DockerTestContainers(docker_engine)
    workshop.make_image(IMAGE, shutil.which("busybox") or "/bin/busybox")
    yield workshop
    for info in workshop.find(f"hemostat.test={SESSION}"):
        workshop.remove(info.ref.id)


def spec(command: tuple[str, ...] = OBEDIENT, **fields: object) -> ContainerSpec:
    """A container of this session, under a name of its own if none is given."""
    labels = {"hemostat.test": SESSION, **fields.pop("labels", {})}
    name = fields.pop("name", f"hs-test-{secrets.token_hex(4)}")
    return ContainerSpec(name=name, image=IMAGE, command=command, labels=labels, **fields)


@pytest.fixture
def make_container(docker_workshop: DockerTestContainers) -> Iterator[Callable[..., str]]:
    """Make and start a container; takes a ContainerSpec's `command` and further fields, gives the id."""
    made = []

    def make(command: tuple[str, ...] = OBEDIENT, **fields: object) -> str:
        wanted = spec(command, **fields)
        made.append(wanted.name)
        return docker_workshop.run(wanted)

    yield make
    for name in made:
        docker_workshop.remove(name)
