"""The actions of an incident, and what happens next."""

import pytest

from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.next_steps import INVESTIGATE, NEXT_STEP_TEXTS, build_ladder, describe_next_step
from hemostat.core.history.timeline import IncidentTimeline, build_timeline
from hemostat.events import Action, Kind, Outcome, Reason, Word
from tests.support.samples import CLEARED, alert, complete, decided, event, needed


def read(*data) -> IncidentTimeline:
    (incident_log,) = build_incident_logs(event(each, number) for number, each in enumerate(data))
    return build_timeline(incident_log)


def tell(*data) -> str:
    return describe_next_step(read(*data))


def climb(*data) -> list[str]:
    return [rung.text for rung in build_ladder(read(*data))]


def test_alert_waits_for_a_diagnosis():
    assert tell(alert()) == "the analyzer diagnoses it, then the responder decides what to do"
    assert climb(alert()) == []


def test_request_waits_for_the_responder():
    assert tell(alert(), needed()) == "the responder decides whether to restart it"
    assert tell(alert(), needed(action=Action.NONE)) == "a notification is sent"


@pytest.mark.parametrize("end", [complete(), CLEARED])
def test_incident_that_is_over_has_no_next_step(end):
    assert tell(alert(), needed(), end) == "nothing: it is over; another failure raises a new alert"


def end(outcome: Outcome, reason: Reason, **fields):
    return complete(outcome=outcome, reason=reason, **fields)


@pytest.mark.parametrize("reason", sorted(NEXT_STEP_TEXTS))
def test_refused_action_tells_what_it_waits_for(reason):
    text = tell(alert(), needed(), end(Outcome.REFUSED, reason))
    assert text in {NEXT_STEP_TEXTS[reason], "a notification is sent: no other action is available"}


def test_order_during_a_pause_is_to_be_ordered_again():
    paused = {"outcome": Outcome.REFUSED, "reason": Reason.PAUSED}
    resume = "hemostat resume or hemostat resume --container web"
    again = f"nothing: run {resume}, then order it again"
    assert tell(alert(kind=Kind.ORDERED), complete(kind=Kind.ORDERED, **paused)) == again
    assert tell(alert(), complete(**paused)) == f"it goes on after the pause: {resume}"
    rejected = complete(kind=Kind.ORDERED, outcome=Outcome.REFUSED, reason=Reason.REJECTED)
    assert tell(alert(kind=Kind.ORDERED), rejected).startswith("nothing: an operator rejected it")
    waiting = complete(kind=Kind.ORDERED, outcome=Outcome.WAITING, reason=Reason.PAUSED)
    assert tell(alert(kind=Kind.ORDERED), waiting) != again


def test_requested_action_and_those_after_it_are_the_ladder():
    (first, *rest) = climb(alert(kind=Kind.UNHEALTHY), needed(alert=alert(kind=Kind.UNHEALTHY)))
    assert first == "restart: requested"
    assert rest
    assert all(text.endswith(": next") for text in rest)
    assert rest[-1] == "over to you: next"


def test_healed_incident_has_only_the_actions_tried():
    assert climb(alert(), needed(), complete()) == ["restart: healed"]


@pytest.mark.parametrize("word", [Word.APPROVED, Word.REJECTED, Word.ACKNOWLEDGED])
def test_escalated_incident_stays_with_people_after_an_answer(word):
    """The answer to an earlier question changes neither the status nor the next step."""
    steps = alert(), needed(), end(Outcome.ESCALATED, Reason.NEEDS_PERSON)
    answered = *steps, decided(what=word, container="web", action=Action.RESTART, until=None)
    assert read(*answered).status == "escalated"
    assert tell(*answered) == tell(*steps) == INVESTIGATE


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (Word.APPROVED, "the responder decides whether to restart it"),
        (Word.REJECTED, NEXT_STEP_TEXTS[Reason.REJECTED]),
        (Word.ACKNOWLEDGED, "your answer: w, then y or n; or the command in the line above"),
    ],
)
def test_answer_to_a_pending_approval_is_the_next_step(word, text):
    asked = end(Outcome.AWAITING_APPROVAL, Reason.APPROVAL)
    answer = decided(what=word, container="web", action=Action.RESTART, until=None)
    assert tell(alert(), needed(), asked, answer) == text


def test_action_that_waits_has_the_same_actions_after_it():
    waits = complete(outcome=Outcome.AWAITING_APPROVAL, reason=Reason.APPROVAL)
    assert climb(alert(), needed(), waits)[0] == "restart: waits for approval"
    assert climb(alert(), needed(), waits)[1:] == climb(alert(), needed())[1:]
