"""A container for which something raises costs no other container anything, and is named."""

import pytest

from hemostat.agents.monitor import inspections, sample_round
from hemostat.core.detection import deaths, on_event, on_sample, review, watched_container
from hemostat.core.labels.container_ref import mask_labels
from hemostat.core.model import Answering, Connected, Listing
from hemostat.errors import EngineUnreachableError
from hemostat.events import Container, Kind, Phase
from tests.support.monitor_harness import MonitorHarness

RAISED = [(Kind.EXITED, Phase.RAISED)]


@pytest.fixture
def watch() -> MonitorHarness:
    return MonitorHarness()


class Mine:
    """Makes a function raise wherever one of its arguments is, or belongs to, the container `evil`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.armed = True

    def lay(self, module: object, name: str, error: Exception | None = None) -> None:
        call = getattr(module, name)

        def explode(*arguments: object, **named: object) -> object:
            if self.armed and any(is_evil(each) for each in arguments):
                raise error or OverflowError("cannot convert float infinity to integer")
            return call(*arguments, **named)

        self._patch.setattr(module, name, explode)


def is_evil(argument: object) -> bool:
    if isinstance(argument, list):
        return any(is_evil(each) for each in argument)
    ref = getattr(argument, "ref", None) or getattr(argument, "container", None) or argument
    return isinstance(ref, Container) and ref.name == "evil"


@pytest.fixture
def mine(monkeypatch) -> Mine:
    return Mine(monkeypatch)


PLACES = [
    (watched_container, "resolve_thresholds"),
    (inspections, "check_readable"),
    (inspections, "log_label_mistakes"),
    (on_event, "judge_health"),
    (on_sample, "record_sample"),
    (deaths, "report_earlier_death"),
    (sample_round.LastStats, "update"),
]


@pytest.mark.parametrize(("module", "name"), PLACES, ids=[name for _, name in PLACES])
@pytest.mark.parametrize("when", ["start", "reconnect", "event"])
def test_error_in_one_container_leaves_others_watched(watch, mine, module, name, when):
    mine.lay(module, name)
    if when == "event":
        watch.make(name="evil")
    else:
        mine.armed = False
        watch.make(name="evil")
        mine.armed = True
    web = watch.make(name="web")
    if when == "start":
        watch.monitor = watch.new_monitor()
    if when != "event":
        watch.tell(Connected())
    watch.sample(3)
    assert "web" in {each.container.name for each in watch.stats}
    watch.engine.crash(web, 7)
    watch.listen()
    watch.sample(1)
    assert watch.told() == RAISED
    assert [each.container.name for each in watch.alerts] == ["web"]


def test_unwatchable_container_is_named_with_reason_and_hint(watch, mine):
    mine.lay(watched_container, "resolve_thresholds", ValueError(f"password=hunter22 {'x' * 100_000}"))
    watch.make(name="evil")
    (warning,) = watch.monitor.warnings
    assert warning.startswith("cannot watch evil: ValueError")
    assert "hemostat labels" in warning
    assert "hunter22" not in warning
    assert len(warning) < 400


def test_many_unwatchable_containers_are_one_warning(watch, mine, monkeypatch):
    monkeypatch.setattr(inspections, "check_readable", lambda _: 1 / 0)
    for number in range(30):
        watch.make(name=f"evil-{number:02}-{'a' * 1000}")
    (warning,) = watch.monitor.warnings
    assert "and 25 more" in warning
    assert len(warning) < 700


def test_container_is_watched_once_it_is_readable(watch, mine):
    mine.lay(watched_container, "resolve_thresholds")
    evil = watch.make(name="evil")
    assert watch.monitor.list_running() == []
    mine.armed = False
    watch.clock.advance(60)
    watch.tell(Listing(tuple(watch.engine.list_containers())))
    assert [info.ref.id for info in watch.monitor.list_running()] == [evil]
    assert watch.monitor.warnings == ()


@pytest.mark.parametrize("told", [True, False], ids=["destroy", "list"])
def test_removed_container_is_no_longer_named(watch, mine, told):
    mine.lay(watched_container, "resolve_thresholds")
    watch.engine.remove(watch.make(name="evil"))
    if told:
        watch.listen()
    else:
        watch.tell(Listing(tuple(watch.engine.list_containers())))
    assert watch.monitor.warnings == ()


def test_error_in_one_incident_keeps_no_other_open(watch, mine):
    web, evil = watch.make(name="web"), watch.make(name="evil")
    watch.clock.advance(30)
    for each in (web, evil):
        watch.engine.crash(each, 7)
        watch.listen()
    mine.lay(review, "_is_over")
    watch.engine.start(web)
    watch.sample(15)
    assert watch.told()[-1] == (Kind.EXITED, Phase.CLEARED)


def test_alert_that_cannot_be_built_does_not_block_others(watch, monkeypatch):
    def refuse(ref: Container) -> Container:
        if ref.name == "evil":
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return mask_labels(ref)

    web, evil = watch.make(name="web"), watch.make(name="evil")
    monkeypatch.setattr("hemostat.agents.monitor.monitor.mask_labels", refuse)
    watch.clock.advance(30)
    with watch.engine._changed:
        for each in (evil, web):
            watch.engine._die(watch.engine._boxes[each], 7)
    watch.tell(Connected())
    assert [each.container.name for each in watch.alerts] == ["web"]


def test_unreachable_engine_is_not_a_container_fault(watch, monkeypatch):
    web = watch.make(name="web")

    def away(*_: object, **__: object) -> object:
        raise EngineUnreachableError("no Docker Engine answers")

    monkeypatch.setattr(watch.engine, "inspect_all", away)
    with pytest.raises(EngineUnreachableError):
        watch.tell(Answering(web))
    assert watch.monitor.warnings == ()


def test_removed_opted_out_container_is_forgotten(watch):
    for number in range(20):
        made = watch.make(name=f"c{number}", labels={"hemostat.enable": "false"})
        watch.engine.stop(made)
        watch.engine.remove(made)
        watch.listen()
    assert watch.monitor._registry.stops == {}
    assert watch.monitor._death_watch._podman._signal_times == {}


def test_dropped_events_are_recovered_by_an_inspection(watch):
    web = watch.make(name="web", health=("true",))
    watch.sample()
    with watch.engine._changed:
        watch.engine._boxes[web].health = "unhealthy"
    watch.tell(Answering(web))
    watch.sample()
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED)]
