"""The simulated engine fails on request and recovers as a real one does."""

from collections.abc import Iterator

import pytest

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.core.model import Connected, Disconnected, Sample
from hemostat.errors import EngineError, EngineUnreachableError
from tests.support.engine_fixtures import spec


class HandClock:
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def engine(clock: HandClock) -> Iterator[InMemoryEngine]:
    engine = InMemoryEngine(clock)
    yield engine
    engine.close()


def sample(engine: InMemoryEngine, container: str) -> Sample:
    (found,) = engine.sample([engine.inspect(container)], engine.clock.now())
    return found


def story(engine: InMemoryEngine, length: int) -> list[str]:
    """The first so many events."""
    events = engine.events(since=0.0)
    assert next(events) == Connected()
    return [next(events).action for _ in range(length)]


def test_load_and_growth_are_integrated_over_the_clock(engine: InMemoryEngine, clock: HandClock) -> None:
    container = engine.run(spec())
    engine.spin(container, 1.5)
    engine.use(container, 10_000, growth=500.0)
    clock.time += 4
    first = sample(engine, container)
    assert (first.time, first.cpu, first.memory) == (1004.0, 6.0, 12_000)
    engine.spin(container, 0.0)
    clock.time += 4
    second = sample(engine, container)
    assert (second.cpu, second.memory) == (6.0, 14_000)


def test_restart_removes_every_fault(engine: InMemoryEngine, clock: HandClock) -> None:
    container = engine.run(spec(health=("true",)))
    engine.spin(container, 1.0)
    engine.use(container, 1 << 30, growth=1e6)
    engine.set_health(container, "unhealthy")
    clock.time += 10
    engine.restart(container)
    clock.time += 10
    assert sample(engine, container).cpu == 0.0
    assert sample(engine, container).memory < 1 << 30
    info = engine.inspect(container)
    assert (info.health, info.started_at) == ("healthy", 1010.0)


def test_oom_event_precedes_the_die_event(engine: InMemoryEngine) -> None:
    container = engine.run(spec())
    engine.oom(container)
    info = engine.inspect(container)
    assert (info.status, info.oom_killed, info.exit_code) == ("exited", True, 137)
    assert story(engine, 4) == ["create", "start", "oom", "die"]


@pytest.mark.parametrize(
    ("policy", "exit_code", "running"),
    [
        ("no", 1, False),
        ("always", 0, True),
        ("unless-stopped", 1, True),
        ("on-failure", 1, True),
        ("on-failure", 0, False),
    ],
)
def test_restart_policies_match_docker(
    engine: InMemoryEngine, policy: str, exit_code: int, running: bool
) -> None:
    container = engine.run(spec(restart_policy=policy))
    engine.crash(container, exit_code)
    info = engine.inspect(container)
    assert (info.is_running, info.restart_count) == (running, int(running))


def test_paused_container_has_status_paused(engine: InMemoryEngine) -> None:
    container = engine.run(spec())
    engine.pause(container)
    assert engine.inspect(container).status == "paused"
    assert story(engine, 3) == ["create", "start", "pause"]


def test_engine_can_disconnect_and_reconnect(engine: InMemoryEngine) -> None:
    events = engine.events()
    assert next(events) == Connected()
    engine.disconnect()
    assert isinstance(next(events), Disconnected)
    with pytest.raises(EngineUnreachableError):
        engine.inspect_everything()
    engine.reconnect()
    container = engine.run(spec())
    assert next(events) == Connected()
    assert [next(events).container.id for _ in range(2)] == [container] * 2


def test_short_loss_is_reported_after_it_ended(engine: InMemoryEngine) -> None:
    events = engine.events()
    next(events)
    engine.disconnect()
    engine.reconnect()
    assert [type(next(events)) for _ in range(2)] == [Disconnected, Connected]


def test_failure_is_raised_until_it_is_removed(engine: InMemoryEngine) -> None:
    container = engine.run(spec())
    engine.fail(EngineError("no space left on device"))
    with pytest.raises(EngineError, match="no space"):
        engine.restart(container)
    engine.fail(None)
    engine.restart(container)
    assert engine.inspect(container).is_running


def test_logs_are_the_tail_of_the_output(engine: InMemoryEngine) -> None:
    container = engine.run(spec())
    engine.write(container, log="one\ntwo\nthree")
    assert engine.logs(container, tail=2) == "two\nthree\n"


def test_the_same_script_gives_the_same_containers(engine: InMemoryEngine, clock: HandClock) -> None:
    wanted = spec()
    assert engine.run(wanted) == InMemoryEngine(clock).run(wanted)
