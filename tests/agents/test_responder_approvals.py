"""Approval requests whose action can no longer run."""

from collections.abc import Sequence

import msgspec
import pytest

from hemostat.adapters.in_memory.evidence import InMemoryEvidence
from hemostat.adapters.in_memory.precedents import InMemoryPrecedents
from hemostat.agents.analyzer.analyzer import Analyzer
from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.next_steps import INVESTIGATE, describe_next_step
from hemostat.core.history.timeline import build_timeline
from hemostat.core.ledger.controls import Approval, ApprovalAnswer
from hemostat.core.ledger.rows import Attempt
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Event, Kind, Outcome, Reason
from hemostat.ports import Defer
from tests.agents.test_responder import put_off
from tests.support.responder_harness import ResponderHarness, run_step


@pytest.fixture
def scene() -> ResponderHarness:
    scene = ResponderHarness()
    scene.engine.set_health("web", "unhealthy")
    return scene


def request(scene: ResponderHarness, **changes) -> Event:
    return scene.request(Kind.UNHEALTHY, **changes)


def write_attempt(scene: ResponderHarness, outcome: Outcome | None, *, seconds: float = 3.0) -> None:
    """Write an attempt against the first occurrence, begun `seconds` ago."""
    now = scene.clock.now()
    attempt = Attempt(
        key="i1:1:0", container="web", container_id=scene.web, action=Action.RESTART, time=now - seconds,
        by="responder@b", lease=now + 60, outcome=outcome, finished=None if outcome is None else now,
        reason=None if outcome is None else Reason.NOT_VERIFIED,
    )  # fmt: skip
    scene.ledger.finish("h", attempt)


def ask(scene: ResponderHarness, event: Event) -> Sequence[str]:
    """Have the approval of the event requested. Returns the reasons that were reported."""
    return [put_off(scene, event, scene.responder(mode="approve")).reported]


def answer(scene: ResponderHarness, kind: ApprovalAnswer = ApprovalAnswer.APPROVED) -> Approval:
    (waiting,) = scene.desk.list_approvals()
    told = scene.desk.answer_approval(waiting.id, kind, by="ann", reason="", now=scene.clock.now())
    assert told is not None
    return told


def test_approval_is_not_requested_while_an_action_runs(scene):
    write_attempt(scene, None)
    event, responder = request(scene, occurrence=2), scene.responder(mode="approve")
    waits = put_off(scene, event, responder)
    assert (waits.why, waits.outputs, scene.desk.list_approvals()) == (
        "an action against it is running",
        (),
        [],
    )
    write_attempt(scene, Outcome.FAILED)
    assert run_step(responder, event, scene.clock.now()) == []
    assert scene.desk.list_approvals() == []


def test_action_of_another_incident_does_not_delay_the_question(scene):
    write_attempt(scene, None)
    assert ask(scene, request(scene, incident="i2")) == [Reason.APPROVAL]


@pytest.mark.parametrize("outcome", [Outcome.HEALED, Outcome.FAILED])
def test_approval_is_withdrawn_when_the_action_was_tried(scene, outcome):
    event = request(scene, occurrence=2)
    reported = ask(scene, event)
    write_attempt(scene, outcome)
    done = scene.step(event, scene.responder(mode="approve"), reported)
    assert (done.outcome, done.reason) == (Outcome.REFUSED, Reason.ALREADY_TRIED)
    assert done.alert is not None, "the escalation follows"
    closed = answer(scene)
    assert (closed.answer, closed.is_open(scene.clock.now() - 30)) == (None, False)
    assert closed.describe_end() == "HemoStat withdrew it: the failure returned after restart"
    assert scene.starts() == 0


@pytest.mark.parametrize("kind", list(ApprovalAnswer))
def test_answer_after_the_action_was_tried_gets_an_outcome(scene, kind):
    event = request(scene, occurrence=2)
    reported = ask(scene, event)
    write_attempt(scene, Outcome.FAILED)
    assert answer(scene, kind).answer is kind
    done = scene.step(event, scene.responder(mode="approve"), reported)
    assert (done.outcome, done.reason) == (Outcome.REFUSED, Reason.ALREADY_TRIED)
    assert answer(scene).answer is kind, "an answer is not withdrawn"
    assert scene.starts() == 0


def test_outcome_has_the_time_until_the_answer(scene):
    event = request(scene)
    reported = ask(scene, event)
    scene.clock.advance(240)
    answer(scene, ApprovalAnswer.APPROVED)
    done = scene.step(event, scene.responder(mode="approve"), reported)
    assert done.outcome is Outcome.HEALED
    assert done.durations["approval"] == pytest.approx(240, abs=1)
    assert done.durations["total"] > 240


def test_approval_is_withdrawn_when_the_incident_ends(scene):
    event = request(scene)
    reported = ask(scene, event)
    scene.incidents.clear()
    assert scene.step(event, scene.responder(mode="approve"), reported).reason is Reason.UNKNOWN_INCIDENT
    assert answer(scene).is_withdrawn


def test_approval_is_withdrawn_when_its_request_is_given_up(scene):
    event = request(scene)
    ask(scene, event)
    (done,) = scene.responder(mode="approve").answer_dead_letter(event, "no engine", scene.clock.now())
    assert done.data.reason is Reason.GIVEN_UP
    assert answer(scene).is_withdrawn


def test_refused_twin_does_not_withdraw_the_approval(scene):
    event = request(scene)
    reported = ask(scene, event)
    twin = msgspec.structs.replace(
        event, id="twin", data=msgspec.structs.replace(event.data, action=Action.CLEANUP)
    )
    responder = scene.responder(mode="approve", actions=(Action.RESTART,))
    assert scene.step(twin, responder).outcome is Outcome.REFUSED
    assert isinstance(scene.step(event, responder, reported), Defer)
    assert answer(scene).answer is ApprovalAnswer.APPROVED


@pytest.mark.parametrize(
    ("action", "outcome"), [(Action.RESTART, Outcome.REFUSED), (Action.NONE, Outcome.ESCALATED)]
)
def test_request_after_the_escalation_gets_an_outcome(scene, action, outcome):
    """Its alert has reopened the incident: without an outcome, the escalation would be hidden."""
    event = request(scene, action=action, occurrence=2)
    write_attempt(scene, Outcome.FAILED)
    responder = scene.responder()
    assert run_step(responder, event, scene.clock.now()) == []
    late = msgspec.structs.replace(event, time=scene.clock.now() + 0.1)
    assert scene.step(late, responder).outcome is outcome


@pytest.mark.parametrize("has_question", [True, False])
def test_relapse_after_the_escalation_ends_with_people(scene, has_question):
    """Analyzer and responder together, from the alert to the last event."""
    clock, responder = scene.clock, scene.responder(mode="approve")
    analyzer = Analyzer(
        InMemoryPrecedents(clock), InMemoryEvidence(), clock, ResponderSettings(), source="analyzer@1"
    )
    event = request(scene, occurrence=2)
    reported = ask(scene, event) if has_question else ()
    write_attempt(scene, Outcome.FAILED)
    clock.advance(0.1)
    raised = Event.make(event.data.alert, time=clock.now(), host="h", source="monitor@1", incident="i1")
    requested = msgspec.structs.replace(event, time=clock.now() if not has_question else event.time)
    events = [raised, requested]
    clock.advance(0.1)
    pending = list(run_step(responder, requested, clock.now(), reported))
    while pending:
        events += pending
        clock.advance(0.1)
        requests = [each for event in pending for each in analyzer.step(event, clock.now())]
        events += requests
        clock.advance(0.1)
        pending = [each for event in requests for each in run_step(responder, event, clock.now())]
    (incident_log,) = build_incident_logs(events)
    assert (incident_log.status, scene.starts()) == ("escalated", 0)
    assert describe_next_step(build_timeline(incident_log)) == INVESTIGATE
