"""The steps of a timeline: which events make which steps, and what their lines say."""

import pytest

from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.timeline import (
    SLACK_SECONDS,
    IncidentTimeline,
    TimelineStage,
    build_timeline,
    find_last_occurrence,
    format_action,
    get_diagnosis,
    measure_spans,
    truncate_at_step,
)
from hemostat.events import Action, Event, FalseAlarm, Kind, Outcome, Reason, State, Word
from tests.support.samples import CLEARED, DIAGNOSIS, NOW, alert, complete, decided, event, needed, order

ALERT = event(alert(since=NOW - 2.0))
REQUESTED = event(needed(), 1.0)
DURATIONS = {"act": 1.0, "verify": 2.0, "total": 4.0}


def build(*events: Event) -> IncidentTimeline:
    [log] = build_incident_logs(events)
    return build_timeline(log)


def list_stages(*events: Event) -> list[TimelineStage]:
    return [step.stage for step in build(*events).steps]


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"durations": DURATIONS}, ["action", "verification", "outcome"]),
        ({"durations": {}}, ["outcome"]),
        ({"durations": DURATIONS, "outcome": Outcome.FAILED}, ["action", "verification", "outcome"]),
        (
            {"durations": DURATIONS, "outcome": Outcome.FAILED, "reason": Reason.ENGINE_ERROR},
            ["action", "outcome"],
        ),
        ({"durations": DURATIONS, "outcome": Outcome.REFUSED}, ["decision"]),
        ({"durations": {}, "outcome": Outcome.REFUSED}, ["decision"]),
    ],
)
def test_outcome_has_steps_for_what_was_done(changes, stages):
    assert list_stages(ALERT, REQUESTED, event(complete(**changes), 4.0))[3:] == stages


def test_action_begins_after_its_request():
    late = build(ALERT, event(needed(), 3.5), event(complete(durations=DURATIONS), 4.0))
    assert [step.time - NOW for step in late.steps] == [0.0, 3.5, 3.5, 3.5, 3.5, 4.0]
    usual = build(ALERT, REQUESTED, event(complete(durations=DURATIONS), 5.0))
    assert [step.time - NOW for step in usual.steps] == [0.0, 1.0, 1.0, 2.0, 3.0, 5.0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "a restart should help"),
        (
            {"parameters": {"stop_timeout": 5, "resource": "cpu"}},
            "a restart should help (stop timeout 5, resource cpu)",
        ),
        ({"action": Action.NONE}, "no action would help"),
        ({"action": Action.NONE, "alert": alert(root="db")}, "waits for db to come back"),
    ],
)
def test_decision_names_the_action_or_what_it_waits_for(changes, text):
    assert build(ALERT, event(needed(**changes), 1.0)).steps[2].text == text


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (None, "unknown"),
        (State(status="running"), "running"),
        (State(status="running", exit_code=0, health="unhealthy"), "running, unhealthy"),
        (State(status="exited", exit_code=137), "exited with code 137"),
        (State(status="dead", exit_code=1), "dead with code 1"),
    ],
)
def test_verification_names_the_state_before_and_after(state, text):
    done = complete(durations=DURATIONS, before=state, after=State(status="running", health="healthy"))
    assert build(ALERT, REQUESTED, event(done, 4.0)).steps[4].text == f"before: {text}; now: running, healthy"


def test_further_action_names_its_rung():
    for rung, text in ((0, "restarting it"), (1, "restarting it, action no. 2 against it")):
        done = event(complete(durations=DURATIONS, rung=rung), 4.0)
        assert build(ALERT, REQUESTED, done).steps[3].text == text


def test_events_of_people_are_decisions_except_the_end():
    closed = event(decided(what=Word.CLOSED), 2.0)
    taken = event(decided(what=Word.ACKNOWLEDGED), 1.0)
    assert list_stages(ALERT, taken, closed) == ["alert", "decision", "outcome"]
    assert list_stages(event(order())) == ["decision"]


def test_false_alarm_is_a_diagnosis_and_a_decision():
    timeline = build(ALERT, event(FalseAlarm(alert=alert(), diagnosis=DIAGNOSIS), 1.0))
    assert [step.stage for step in timeline.steps] == ["alert", "diagnosis", "decision"]
    assert timeline.steps[1].text == "crash, confidence 0.90, by rules"
    assert timeline.steps[2].text == "no action needed"
    assert format_action(None) != format_action(Action.NONE) == "none"
    assert timeline.diagnosis == DIAGNOSIS
    assert get_diagnosis(ALERT) is None


def test_duration_of_an_incident_ends_when_it_is_settled():
    healed, cleared = event(complete(), 4.0), event(CLEARED, 9.0)
    assert build(ALERT, REQUESTED).seconds is None
    assert build(ALERT, REQUESTED, healed).seconds == 6.0
    assert build(ALERT, REQUESTED, healed, cleared).seconds == 6.0
    again = event(alert(occurrence=2), 20.0)
    assert build(ALERT, REQUESTED, healed, again, event(CLEARED, 30.0)).seconds == 32.0
    early = event(alert(since=NOW + 60.0))
    assert build(early, event(CLEARED, 1.0)).seconds == 0.0


def test_order_ends_with_its_answer():
    answer = complete(kind=Kind.ORDERED, outcome=Outcome.REFUSED, reason=Reason.PAUSED)
    assert build(event(order())).seconds is None
    assert build(event(order()), event(answer, 4.0)).seconds == 4.0
    waits = complete(kind=Kind.ORDERED, outcome=Outcome.WAITING, reason=Reason.MIN_HEALTHY)
    assert build(event(order()), event(waits, 4.0)).seconds is None


def test_spans_are_of_the_last_occurrence_up_to_its_end():
    first = [ALERT, REQUESTED, event(complete(durations=DURATIONS), 5.0)]
    assert measure_spans(build(*first)) == {
        "detected": 2.0, "diagnosed": 1.0, "decided": 1.0, "acted": 1.0, "verified": 2.0
    }  # fmt: skip
    taken = event(decided(what=Word.ACKNOWLEDGED), 6.0)
    assert measure_spans(build(*first, taken, event(CLEARED, 9.0)))["verified"] == 2.0
    again = event(alert(occurrence=2, since=NOW + 19.0), 20.0)
    assert measure_spans(build(*first, again)) == {"detected": 1.0}
    assert [step.event for step in find_last_occurrence(build(*first, again))] == [again]
    assert measure_spans(build(event(complete(durations={})))) == {}


def test_truncated_timeline_has_the_steps_up_to_that_step():
    timeline = build(ALERT, REQUESTED)
    assert [step.stage for step in truncate_at_step(timeline, 1).steps] == ["alert", "diagnosis"]
    assert SLACK_SECONDS < 1.0
