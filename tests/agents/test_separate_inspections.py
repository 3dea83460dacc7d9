"""Containers that hang inspections at will do not delay the inspection of another one."""

from collections.abc import Sequence

import pytest

from hemostat.agents.monitor.inspector import BATCH_SIZE, MAX_HANGS, Inspector
from hemostat.core.model import Answering, ContainerInfo, Listing
from hemostat.errors import EngineTimeoutError
from hemostat.events import Container, Kind, Phase
from tests.support.monitor_harness import MonitorHarness

NOW = 1000.0


class ToggleHarness(MonitorHarness):
    """Inspections of `hanging` containers hang, except the separate ones if `answers_separately`."""

    def __init__(self) -> None:
        super().__init__()
        self.hanging: set[str] = set()
        self.answers_separately = True
        self.hung: list[str] = []
        self._is_separate = False
        self._inspect_all = self.engine.inspect_all
        self.engine.inspect_all = self.inspect_all

    def inspect_all(self, containers: Sequence[str], *, brief: bool = False):
        answering = self._is_separate and self.answers_separately
        hung = [each for each in containers if each in self.hanging and not answering]
        self.hung += hung
        others = [each for each in containers if each not in hung]
        answers = self._inspect_all(others, brief=brief)
        return {**answers, **{each: EngineTimeoutError(f"inspect {each}: hangs") for each in hung}}

    def retry(self) -> list[str]:
        self._is_separate = True
        try:
            return list(self.monitor.retry_inspections(self.clock.now()))
        finally:
            self._is_separate = False

    def flip(self, container: str) -> None:
        for health in ("unhealthy", "healthy"):
            self.engine.set_health(container, health)


@pytest.fixture
def watch() -> ToggleHarness:
    return ToggleHarness()


def exhaust_hangs(watch: ToggleHarness) -> None:
    """Let inspections hang until no further one is made in the monitor's thread."""
    watch.hanging = {watch.make(name=f"t{number}") for number in range(2 * MAX_HANGS)}
    for _ in range(4):
        for each in sorted(watch.hanging):
            watch.flip(each)
        watch.listen()
        for each in watch.retry():
            watch.tell(Answering(each))
        watch.clock.advance(1.0)


def make_waiting(watch, health: str) -> str:
    """Make a container whose new health status waits for a separate inspection; return its id."""
    container = watch.make()
    watch.sample()
    exhaust_hangs(watch)
    watch.engine.set_health(container, health)
    watch.listen()
    return container


def test_answer_to_a_separate_inspection_needs_no_other(watch):
    web = make_waiting(watch, "unhealthy")
    assert watch.told() == []
    assert web in watch.retry()
    for _ in range(2):
        watch.tell(Answering(web))
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED)]


def test_event_after_a_separate_inspection_is_not_lost(watch):
    web = make_waiting(watch, "healthy")
    assert web in watch.retry()
    watch.engine.set_health(web, "unhealthy")
    watch.listen()
    watch.tell(Answering(web))
    assert web in watch.retry()
    watch.tell(Answering(web))
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED)]


def test_event_during_a_separate_inspection_is_not_lost(watch):
    web = make_waiting(watch, "healthy")
    inspect_all = watch.engine.inspect_all

    def inspect_then_fail(containers: Sequence[str], *, brief: bool = False):
        answers = inspect_all(containers, brief=brief)
        if web in containers:
            watch.engine.inspect_all = inspect_all
            watch.engine.set_health(web, "unhealthy")
            watch.listen()
        return answers

    watch.engine.inspect_all = inspect_then_fail
    for each in watch.retry():
        watch.tell(Answering(each))
    for each in watch.retry():
        watch.tell(Answering(each))
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED)]


def test_death_after_a_separate_inspection_is_not_undone(watch):
    web = make_waiting(watch, "healthy")
    assert web in watch.retry()
    watch.clock.advance(1.0)
    watch.engine.crash(web, 7)
    watch.listen()
    watch.tell(Answering(web))
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]
    assert web not in {info.ref.id for info in watch.monitor.list_running()}


def test_list_leaves_the_rest_to_separate_inspections_after_a_hang(watch):
    names = [f"t{number}" for number in range(5 * BATCH_SIZE)]
    watch.hanging = {watch.make(name=name) for name in names}
    watch.hung.clear()
    watch.tell(Listing(tuple(watch.engine.list_containers())))
    assert 0 < len(watch.hung) <= BATCH_SIZE
    watch.tell(Listing(tuple(watch.engine.list_containers()), thorough=True))
    watch.answers_separately = False
    watch.hung.clear()
    assert watch.retry() == []
    assert len(watch.hung) >= 4 * BATCH_SIZE


def test_death_that_a_list_left_out_is_found(watch):
    web = watch.make()
    watch.clock.advance(600)
    with watch.engine._changed:
        watch.engine._die(watch.engine._boxes[web], 7)
    watch.heard = len(watch.engine._history)
    watch.clock.advance(100)
    watch.hanging = {watch.make(name=f"t{number}") for number in range(5 * BATCH_SIZE)}
    rows = sorted(watch.engine.list_containers(), key=lambda row: row.ref.id == web)
    watch.tell(Listing(tuple(rows)))
    assert watch.told() == []
    assert web in watch.retry()
    watch.tell(Answering(web))
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]


class SlowEngine:
    """While `hangs` is true, all containers hang that begin with `t`."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.hangs = True

    def inspect_all(self, containers: Sequence[str], *, brief: bool = False):
        self.requests.append(list(containers))
        return {
            each: EngineTimeoutError("hangs")
            if self.hangs and each.startswith("t")
            else ContainerInfo(ref=Container(id=each, name=each), status="running")
            for each in containers
        }


def test_container_that_has_not_hung_is_inspected_first():
    engine = SlowEngine()
    inspector = Inspector(engine)
    crowd = [f"t{number}" for number in range(BATCH_SIZE)]
    for each in crowd:
        inspector.inspect(each, each, NOW)
    assert list(inspector.retry(NOW)) == []
    engine.hangs = False
    assert sorted(inspector.retry_unresponsive(NOW + 5)) == crowd
    engine.hangs = True
    engine.requests.clear()
    for each in (*crowd, "web"):
        inspector.inspect(each, each, NOW + 6)
    assert list(inspector.retry(NOW + 6)) == ["web"]
    assert engine.requests == [["web"], crowd]
