"""Only requests that match an alert of a monitor are carried out, and none after the incident's end."""

import msgspec
import pytest

from hemostat.core.ledger.alert_notes import build_notes
from hemostat.core.ledger.rows import Attempt
from hemostat.events import (
    Action,
    Event,
    Kind,
    Outcome,
    Phase,
    Reason,
    RemediationComplete,
    RemediationNeeded,
)
from tests.support.responder_harness import ResponderHarness


@pytest.fixture
def scene() -> ResponderHarness:
    return ResponderHarness()


def note(scene: ResponderHarness, request: Event, **changes: object) -> None:
    """As a monitor does when it raises, or clears, the alert that this request answers."""
    assert isinstance(request.data, RemediationNeeded)
    told = msgspec.structs.replace(request, data=msgspec.structs.replace(request.data.alert, **changes))
    for suffix, value in build_notes(told):
        scene.incidents["h", f"{told.incident}{suffix}"] = value


def busy(scene: ResponderHarness, **changes: object) -> Event:
    """A request about high CPU that a monitor has reported."""
    request = scene.request(Kind.CPU_HIGH)
    note(scene, request)
    return changed(request, **changes)


def changed(request: Event, **changes: object) -> Event:
    assert isinstance(request.data, RemediationNeeded)
    own = {name: changes.pop(name) for name in ("rung", "action") if name in changes}
    alert = msgspec.structs.replace(request.data.alert, **changes)
    return msgspec.structs.replace(request, data=msgspec.structs.replace(request.data, alert=alert, **own))


def refused(done: object, reason: Reason = Reason.UNKNOWN_INCIDENT) -> str:
    assert isinstance(done, RemediationComplete)
    assert done.reason is reason
    return done.detail


def test_request_that_equals_the_alert_is_executed(scene):
    assert scene.step(busy(scene)).outcome is Outcome.HEALED


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"occurrence": 99}, "did not report occurrence 99: the latest is 1"),
        ({"since": 1.0}, "another start"),
        ({"since": 1e308}, "another start"),
        ({"kind": Kind.UNHEALTHY}, "cpu_high, not unhealthy"),
        ({"kind": Kind.ORDERED}, "cpu_high, not ordered"),
    ],
)
@pytest.mark.parametrize("action", [Action.RESTART, Action.NONE])
def test_request_is_refused_when_it_differs_from_the_alert(scene, changes, why, action):
    """One that asks people to look is no exception: it would have evidence kept of any container."""
    assert why in refused(scene.step(busy(scene, action=action, **changes)))
    assert (scene.starts(), scene.dossiers.get("i1")) == (0, [])


def test_request_is_refused_for_another_container_of_the_same_name(scene):
    request = busy(scene)
    scene.engine.remove("web")
    again = scene.make("web")
    ref = msgspec.structs.replace(request.data.alert.container, id=again)
    assert "another container named web" in refused(scene.step(changed(request, container=ref)))


def test_request_is_dropped_when_its_incident_is_over(scene):
    request = busy(scene)
    note(scene, request, phase=Phase.CLEARED)
    assert "its end" in refused(scene.step(request), Reason.RECOVERED)
    assert scene.starts() == 0


def test_request_is_executed_when_its_incident_reopened(scene):
    request = busy(scene)
    note(scene, request, phase=Phase.CLEARED)
    note(scene, request, occurrence=2)
    refused(scene.step(request), Reason.RECOVERED)
    assert scene.step(changed(request, occurrence=2)).outcome is Outcome.HEALED


def test_request_of_an_earlier_occurrence_is_executed_while_open(scene):
    """A relapse does not end it: the request of the relapse may be left out because of this one."""
    request = busy(scene)
    note(scene, request, occurrence=2, since=scene.clock.now() + 5)
    assert scene.step(request).outcome is Outcome.HEALED


def failed(scene: ResponderHarness, action: Action) -> None:
    """An attempt of ours against the first rung."""
    attempt = Attempt(
        key="i1:1:0", container="web", action=action, time=scene.clock.now(), by="responder@a", lease=0.0
    )
    scene.ledger.finish("h", msgspec.structs.replace(attempt, outcome=Outcome.FAILED, finished=attempt.time))


def test_container_left_down_by_a_restart_is_started(scene):
    request = busy(scene)
    failed(scene, Action.RESTART)
    note(scene, request, phase=Phase.CLEARED)
    scene.engine.stop("web")
    scene.clock.advance(60)
    done = scene.step(changed(request, action=Action.START, rung=1))
    assert done.outcome is Outcome.HEALED


@pytest.mark.parametrize(("action", "outcome"), [(Action.START, None), (Action.RESTART, Outcome.FAILED)])
def test_next_ladder_step_is_dropped_when_the_incident_ended(scene, action, outcome):
    """A start without a failed attempt before it, and a restart of a container that has recovered."""
    request = busy(scene)
    if outcome is not None:
        failed(scene, Action.EXEC)
    note(scene, request, phase=Phase.CLEARED)
    if action is Action.START:
        scene.engine.stop("web")
    refused(scene.step(changed(request, action=action, rung=1)), Reason.RECOVERED)


def test_next_ladder_step_is_executed_when_the_failure_returns(scene):
    """The request of the relapse is left out, for it began while the attempt was verified."""
    request = busy(scene)
    failed(scene, Action.EXEC)
    note(scene, request, phase=Phase.CLEARED)
    note(scene, request, occurrence=2)
    scene.clock.advance(60)
    request = msgspec.structs.replace(request, time=scene.clock.now())
    assert scene.step(changed(request, rung=1)).outcome is Outcome.HEALED


def test_incident_of_an_older_monitor_is_known_by_name(scene):
    """An older monitor writes no other notes, and its incidents must be healed during an update."""
    assert scene.step(scene.request(Kind.CPU_HIGH)).outcome is Outcome.HEALED


@pytest.mark.parametrize("suffix", [":latest", ":over", ":1"])
def test_note_is_not_read_as_a_container_name(scene, suffix):
    """A container named 1, and a request whose incident names the key of a note."""
    scene.make("1")
    note(scene, scene.request(Kind.CPU_HIGH))
    request = scene.request(Kind.CPU_HIGH, container="1", incident=f"i1{suffix}")
    note(scene, scene.request(Kind.CPU_HIGH))
    note(scene, scene.request(Kind.CPU_HIGH), phase=Phase.CLEARED)
    refused(scene.step(request))
