"""What the monitor makes of the engine's lists, and of containers that the engine does not answer about."""

import msgspec
import pytest

from hemostat.agents.monitor.inspector import MAX_HANGS
from hemostat.core.model import Answering, Connected, ContainerInfo, Disconnected, Listing
from hemostat.errors import EngineError, EngineTimeoutError
from hemostat.events import Kind, Phase
from tests.support.monitor_harness import MonitorHarness


@pytest.fixture
def watch() -> MonitorHarness:
    return MonitorHarness()


class Stuck:
    """Containers that hang inspect, and how often anybody was asked for."""

    def __init__(self, watch, monkeypatch) -> None:
        self.hanging: dict[str, EngineError] = {}
        self.asked: list[str] = []
        inspect = watch.engine.inspect

        def hang(container: str) -> ContainerInfo:
            self.asked.append(container)
            if container in self.hanging:
                raise self.hanging[container]
            return inspect(container)

        monkeypatch.setattr(watch.engine, "inspect", hang)


@pytest.fixture
def stuck(watch, monkeypatch) -> Stuck:
    return Stuck(watch, monkeypatch)


def relist(watch, seconds: float = 60.0) -> None:
    watch.clock.advance(seconds)
    watch.tell(Listing(tuple(watch.engine.list_containers())))


def retry(watch) -> list[str]:
    """Inspect unresponsive containers again. Returns those that the engine answers about."""
    return list(watch.monitor.retry_inspections(watch.clock.now(), unresponsive=True))


HANGS = EngineTimeoutError("inspect x: the Docker Engine took too long")
FAULTS = [
    HANGS,
    EngineError("inspect x: HTTP 500"),
    EngineError("inspect x: the response is unreadable (KeyError: 1)"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=["hangs", "500", "malformed"])
def test_failing_inspection_affects_no_other_container(watch, stuck, fault, caplog):
    bad, good = watch.make(name="bad"), watch.make(name="good")
    watch.restart_monitor()
    stuck.asked.clear()
    stuck.hanging[bad] = fault
    for _ in range(3):
        watch.tell(Listing(tuple(watch.engine.list_containers()), thorough=True))
    watch.clock.advance(30)
    watch.engine.crash(good, 7)
    watch.engine.crash(bad, 7)
    watch.listen()
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]
    reason = fault.message.partition(": ")[2]
    assert watch.monitor.warnings == (f"cannot inspect bad: {reason}",)
    assert stuck.asked.count(bad) == 1, "whoever hangs is not waited for again"
    assert [record.message.split()[0] for record in caplog.records] == ["inspection.failed"]


def test_container_is_watched_when_inspection_works_again(watch, stuck):
    web = watch.make()
    watch.restart_monitor()
    stuck.hanging[web] = HANGS
    watch.tell(Listing(tuple(watch.engine.list_containers()), thorough=True))
    assert watch.monitor.list_running() == []
    assert retry(watch) == [], "not at once"
    watch.clock.advance(5)
    assert retry(watch) == []
    stuck.hanging.clear()
    watch.clock.advance(9)
    assert retry(watch) == [], "later, the second time"
    watch.clock.advance(1)
    assert retry(watch) == [web]
    watch.tell(Answering(web))
    assert [info.ref.id for info in watch.monitor.list_running()] == [web]
    assert watch.monitor.warnings == ()


def test_inspections_are_separate_after_several_have_hung(watch, stuck):
    web, names = watch.make(), [f"t{number}" for number in range(20)]
    stuck.hanging = dict.fromkeys((watch.make(name=name) for name in names), HANGS)
    watch.clock.advance(1)
    for each in (*stuck.hanging, web):
        watch.engine.crash(each, 1)
    watch.listen()
    stuck.asked.clear()
    for each in (*stuck.hanging, web):
        watch.engine.start(each)
    watch.listen()
    assert len(stuck.asked) == MAX_HANGS
    assert web not in {info.ref.id for info in watch.monitor.list_running()}
    assert list(watch.monitor.retry_inspections(watch.clock.now())) == [web]
    watch.tell(Answering(web))
    assert [info.ref.id for info in watch.monitor.list_running()] == [web]
    (warning,) = watch.monitor.warnings
    assert warning.startswith("cannot inspect t0, t1")


def test_removed_container_with_hanging_inspection_is_forgotten(watch, stuck):
    web = watch.make()
    watch.restart_monitor()
    stuck.hanging[web] = HANGS
    watch.tell(Listing(tuple(watch.engine.list_containers()), thorough=True))
    watch.engine.remove(web)
    relist(watch)
    assert watch.monitor.warnings == ()


def test_list_inspects_only_changed_containers(watch, stuck):
    for number in range(20):
        watch.make(name=f"c{number}")
    watch.clock.advance(600)
    stuck.asked.clear()
    relist(watch)
    assert stuck.asked == []
    changed = watch.make(name="new")
    stuck.asked.clear()
    relist(watch, 130.0)
    relist(watch)
    assert stuck.asked == []
    with watch.engine._changed:
        watch.engine._die(watch.engine._boxes[changed], 1)
    relist(watch)
    assert stuck.asked == [changed]


def unseen(watch, container: str, exit_code: int) -> None:
    """It dies, and no event tells of it."""
    with watch.engine._changed:
        watch.engine._die(watch.engine._boxes[container], exit_code)
    watch.heard = len(watch.engine._history)


def test_death_without_an_event_is_detected_by_lists(watch):
    web, _ = watch.make(), watch.make(name="other")
    watch.clock.advance(600)
    unseen(watch, web, 7)
    relist(watch, 10.0)
    assert watch.told() == [], "its events may still come"
    relist(watch)
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]
    relist(watch)
    relist(watch)
    assert len(watch.told()) == 1


def test_missed_death_is_detected_by_the_next_list(watch):
    web, other = watch.make(), watch.make(name="other")
    watch.clock.advance(600)
    unseen(watch, web, 7)
    watch.clock.advance(5)
    watch.engine.pause(other)
    watch.listen()
    relist(watch, 1.0)
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]


def test_stop_by_a_person_with_late_events_raises_no_alert(watch):
    web = watch.make()
    watch.clock.advance(600)
    before = watch.heard
    with watch.engine._changed:
        watch.engine._kill(watch.engine._boxes[web], 15, 1)
    relist(watch, 5.0)
    watch.heard = before
    watch.listen()
    for _ in range(3):
        relist(watch)
    assert watch.told() == []


def test_unseen_removal_is_published_once(watch):
    web = watch.make()
    watch.sample()
    watch.engine.remove(web)
    watch.heard = len(watch.engine._history)
    watch.stats.clear()
    relist(watch)
    relist(watch)
    assert [(stats.container.name, stats.state.status) for stats in watch.stats] == [("web", "removed")]
    assert watch.monitor.list_running() == []


def test_removal_is_published_at_once(watch):
    web = watch.make()
    watch.sample()
    watch.stats.clear()
    watch.engine.remove(web)
    watch.listen()
    assert [stats.state.status for stats in watch.stats] == ["removed"]


def test_reused_name_is_not_published_as_removed(watch):
    old = watch.make()
    watch.sample()
    watch.engine._boxes[old].spec = msgspec.structs.replace(watch.engine._boxes[old].spec, name="old_web")
    watch.tell(Connected())
    watch.make(name="web")
    watch.sample()
    watch.stats.clear()
    watch.engine.remove(old)
    watch.listen()
    assert [stats.container.name for stats in watch.stats if stats.state.status == "removed"] == ["old_web"]


def test_removal_during_a_list_is_no_trouble(watch):
    web = watch.make()
    rows = tuple(watch.engine.list_containers())
    watch.engine.remove(web)
    watch.tell(Listing(rows, thorough=True))
    assert watch.monitor.list_running() == []
    assert watch.monitor.warnings == ()


def test_older_list_does_not_remove_a_new_container(watch):
    rows = tuple(watch.engine.list_containers())
    web = watch.make()
    watch.tell(Listing(rows))
    assert [info.ref.id for info in watch.monitor.list_running()] == [web]


def test_missing_events_are_reported_although_lists_work(watch):
    watch.tell(Disconnected("follow events: forbidden"))
    watch.tell(Listing(tuple(watch.engine.list_containers()), thorough=True))
    assert watch.monitor.engine_trouble == "follow events: forbidden"
    watch.tell(Listing(tuple(watch.engine.list_containers()), thorough=True, connected=True))
    assert watch.monitor.engine_trouble == ""


def test_one_hanging_inspection_ends_the_look_at_a_death(watch, stuck):
    """A container with many dependencies that hang does not delay the deaths of others for longer."""
    needs = [watch.make(name=f"db{number}") for number in range(5)]
    web = watch.make(labels={"hemostat.depends_on": ",".join(f"db{number}" for number in range(5))})
    stuck.hanging = dict.fromkeys(needs, HANGS)
    stuck.asked.clear()
    watch.engine.crash(web, 7)
    watch.listen()
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]
    assert len(stuck.hanging.keys() & set(stuck.asked)) == 1
