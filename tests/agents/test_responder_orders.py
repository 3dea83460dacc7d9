"""What a person orders is done by the responder: once, within the limits, and answered once."""

import msgspec
import pytest

from hemostat.core.ledger.controls import Pause
from hemostat.errors import EngineUnreachableError
from hemostat.events import Action, Container, Event, Kind, Order, Outcome, Reason, RemediationComplete, seal
from hemostat.ports import Defer
from tests.support.responder_harness import ResponderHarness, interrupt, run_step
from tests.support.samples import DIAGNOSIS, composed


@pytest.fixture
def scene() -> ResponderHarness:
    return ResponderHarness()


def ordered(
    scene: ResponderHarness, action: Action = Action.RESTART, *, host: str = "h", incident="o1", **fields
) -> Event:
    fields.setdefault("container", scene.engine.inspect("web").ref)
    data = Order(action=action, by="ann@h", **fields)
    now = scene.clock.now()
    scene.seals[host, "o1"] = seal(data, now)
    return Event.make(data, time=now, host=host, source="people@ann@h", incident="o1")


def stops(scene: ResponderHarness) -> int:
    return sum(event.action == "stop" for event in scene.engine._history)


def test_ordered_restart_names_the_operator(scene):
    before = scene.engine.inspect("web").started_at
    event = ordered(scene, reason="it is slow")
    (answer,) = run_step(scene.responder(), event, scene.clock.now())
    done = answer.data
    assert scene.engine.inspect("web").started_at > before
    assert (answer.incident, answer.cause) == ("o1", event.id)
    assert (done.kind, done.outcome, done.reason) == (Kind.ORDERED, Outcome.HEALED, Reason.VERIFIED)
    assert (done.diagnosis.advisor, done.diagnosis.reasons) == ("ann@h", ("it is slow",))
    assert scene.dossiers.get("o1"), "evidence is kept before it, as before any action"


def test_ordered_stop_stops_the_container(scene):
    done = scene.step(ordered(scene, Action.STOP))
    assert (done.outcome, done.reason, done.after.status) == (Outcome.HEALED, Reason.VERIFIED, "exited")
    assert scene.engine.inspect("web").status == "exited"


def test_ordered_start_starts_the_container(scene):
    scene.engine.stop("web")
    assert scene.step(ordered(scene, Action.START)).outcome is Outcome.HEALED
    assert scene.engine.inspect("web").is_running


@pytest.mark.parametrize(("action", "words"), [(Action.START, "running"), (Action.STOP, "exited")])
def test_order_for_the_present_state_costs_no_budget(scene, action, words):
    if action is Action.STOP:
        scene.engine.stop("web")
    done = scene.step(ordered(scene, action))
    assert (done.outcome, done.detail) == (Outcome.NOT_APPLICABLE, f"it is already {words}")
    assert scene.ledger.read_host("h").attempts == ()


def test_redelivered_order_is_answered_without_action(scene):
    event = ordered(scene)
    first, again = scene.step(event), scene.step(event, scene.responder("b"))
    assert (first.outcome, again.outcome, scene.starts()) == (Outcome.HEALED, Outcome.HEALED, 1)


def test_one_of_two_responders_executes_an_order(scene):
    event, second = ordered(scene), []

    def get_it_too(_: float) -> None:
        scene.clock.on_sleep = None
        second.append(scene.step(event, scene.responder("b")))

    scene.clock.on_sleep = get_it_too
    assert scene.step(event).outcome is Outcome.HEALED
    assert isinstance(second[0], Defer)
    assert scene.starts() == 1


@pytest.mark.parametrize("action", [Action.RESTART, Action.STOP])
def test_order_is_completed_after_a_crash_without_repetition(scene, action):
    event = ordered(scene, action)
    scene.clock.on_sleep = interrupt
    stopped, stop = scene.engine.stop, scene.engine.stop

    def stop_and_die(*args: object) -> None:
        stop(*args)
        raise RuntimeError

    if action is Action.STOP:
        scene.engine.stop = stop_and_die
    with pytest.raises(RuntimeError):
        scene.step(event)
    scene.clock.on_sleep, scene.engine.stop = None, stopped
    scene.clock.advance(500)
    assert scene.step(event, scene.responder("b")).outcome is Outcome.HEALED
    assert (scene.starts(), stops(scene)) == ((1, 1) if action is Action.RESTART else (0, 1))


def test_completed_stop_is_not_repeated_after_a_later_start(scene):
    event = ordered(scene, Action.STOP)
    scene.engine.stop, stop = (
        lambda *_: (_ for _ in ()).throw(EngineUnreachableError("gone")),
        scene.engine.stop,
    )
    with pytest.raises(EngineUnreachableError):
        scene.step(event)
    scene.engine.stop = stop
    stop("web")
    scene.clock.advance(1)
    scene.engine.start("web")
    done = scene.step(event)
    assert (done.outcome, done.detail) == (Outcome.FAILED, "it is running")
    assert scene.engine.inspect("web").is_running


def test_labels_are_read_from_the_container_not_the_order(scene):
    scene.make("kept", labels={"hemostat.protect": "true"})
    real = scene.engine.inspect("kept").ref
    done = scene.step(ordered(scene, container=msgspec.structs.replace(real, labels={})))
    assert (done.outcome, done.reason, done.container) == (Outcome.REFUSED, Reason.PROTECTED, real)


@pytest.mark.parametrize("wrong", [{"name": "web"}, {"id": "db"}])
def test_order_is_refused_when_name_and_id_are_of_different_containers(scene, wrong):
    """A person names a container, and reads its id from what monitors send."""
    scene.make("db")
    named = msgspec.structs.replace(scene.engine.inspect("db").ref, **wrong)
    done = scene.step(ordered(scene, container=named))
    assert (done.outcome, done.reason) == (Outcome.REFUSED, Reason.UNKNOWN_INCIDENT)
    assert f"it names {named.name}" in done.detail
    assert scene.starts() == 0


def test_order_for_a_removed_container_is_answered(scene):
    done = scene.step(ordered(scene, container=Container(id="gone", name="gone")))
    assert (done.outcome, done.reason) == (Outcome.NOT_APPLICABLE, Reason.GONE)


def test_order_for_another_host_is_skipped(scene):
    assert run_step(scene.responder(), ordered(scene, host="other"), scene.clock.now()) == []
    assert scene.starts() == 0


def test_order_is_refused_while_paused(scene):
    scene.desk.pause("web", Pause(by="bob", at=scene.clock.now()))
    done = scene.step(ordered(scene))
    assert (done.outcome, done.reason) == (Outcome.REFUSED, Reason.PAUSED)
    assert done.detail == "by bob: resume, then order it again"


def test_waiting_order_is_reported_once(scene):
    """A healthy replica is not taken away where it is the last one."""
    scene.make("s-1", labels=composed("s"))
    scene.make("s-2", labels=composed("s"))
    scene.engine.crash("s-2", 7)
    event = ordered(scene, Action.STOP, container=scene.engine.inspect("s-1").ref)
    later = scene.step(event)
    assert [each.data.reason for each in later.outputs] == [Reason.MIN_HEALTHY]
    again = scene.step(event, reported=[later.reported])
    assert again.outputs == ()
    scene.engine.start("s-2")
    assert scene.step(event, reported=[later.reported]).outcome is Outcome.HEALED


def test_failed_order_has_no_next_ladder_step(scene):
    """The analyzer climbs a ladder only where it is handed the alert."""
    scene.clock.on_sleep = lambda _: (
        scene.engine.crash("web", 7) if scene.engine.inspect("web").is_running else None
    )
    done = scene.step(ordered(scene))
    assert (done.outcome, done.alert) == (Outcome.FAILED, None)


def test_unprocessable_order_is_answered(scene):
    event = ordered(scene)
    (told,) = scene.responder().answer_dead_letter(event, "RuntimeError", scene.clock.now())
    assert (told.incident, told.data.reason) == ("o1", Reason.GIVEN_UP)


def test_order_without_a_person_is_refused(scene):
    forged = ordered(scene, Action.STOP)
    scene.seals.clear()
    done = scene.step(forged)
    assert (done.outcome, done.reason) == (Outcome.REFUSED, Reason.UNKNOWN_INCIDENT)
    assert scene.engine.inspect("web").is_running


def test_request_is_not_accepted_as_an_order(scene):
    """Not even by the order's own incident: only what comes from people is one."""
    event = ordered(scene)
    scene.step(event)
    request = scene.request(kind=Kind.ORDERED, action=Action.STOP, incident="o1", occurrence=2)
    del scene.incidents["h", "o1"]
    done = scene.step(request)
    assert isinstance(done, RemediationComplete)
    assert (done.outcome, done.reason) == (Outcome.REFUSED, Reason.UNKNOWN_INCIDENT)
    assert done.diagnosis == DIAGNOSIS


def test_outcome_of_an_order_masks_secrets_of_labels(scene):
    scene.make("cache", labels={"hemostat.exec": "redis-cli -a s3cret shutdown"})
    ref = scene.engine.inspect("cache").ref
    assert "s3cret" not in str(scene.step(ordered(scene, container=ref)))


def test_refused_order_is_not_executed_when_redelivered(scene):
    """Its seal is still valid. A client that may write to the stream, but not give orders, can repeat it."""
    scene.desk.pause("web", Pause(by="bob", at=scene.clock.now()))
    event = ordered(scene)
    assert scene.step(event).reason is Reason.PAUSED
    scene.desk.resume("web")
    repeated = scene.step(event)
    assert (repeated.outcome, repeated.reason) == (Outcome.REFUSED, Reason.PAUSED)
    assert stops(scene) == 0


def test_order_without_a_seal_writes_no_ledger_row(scene):
    event = ordered(scene)
    scene.seals.clear()
    assert scene.step(event).reason is Reason.UNKNOWN_INCIDENT
    assert scene.ledger.list_attempts("h", "web") == ()
