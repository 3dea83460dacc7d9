"""An incident's timeline: steps, durations, why, the ladder, and what comes next."""

import msgspec
import pytest

from hemostat.core.evidence.snapshot import EvidenceSnapshot
from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.next_steps import build_ladder, describe_next_step
from hemostat.core.history.sentences import format_event_line
from hemostat.core.history.timeline import (
    IncidentTimeline,
    TimelineStage,
    build_timeline,
    explain_diagnosis,
    format_length,
    format_spans,
    measure_spans,
    select_known_snapshots,
    truncate_at_step,
)
from hemostat.core.notify.notification import build_notification
from hemostat.events import (
    Action,
    Event,
    FalseAlarm,
    Investigation,
    Kind,
    Order,
    Outcome,
    Phase,
    Quote,
    Reason,
    State,
    Word,
    decode,
    encode,
)
from tests.support.samples import ALL, DIAGNOSIS, NOW, WEB, alert, complete, decided, event, needed

ALERT = event(alert(since=NOW - 0.02))
ASKED = event(needed(), 0.1)
HEALED = event(complete(durations={"act": 0.3, "verify": 2.0, "total": 2.9}), 3.0)
OVER = event(alert(phase=Phase.CLEARED), 5.0)
DIED = State(status="exited", exit_code=1)
BUSY = {"kind": Kind.CPU_HIGH}


def told(*events: Event) -> IncidentTimeline:
    return build_timeline(build_incident_logs(events)[0])


def failed(action: Action = Action.RESTART, **changes: object) -> Event:
    plain = {"outcome": Outcome.FAILED, "reason": Reason.NOT_VERIFIED, "action": action, **changes}
    return event(complete(**plain), 3.0)


def refused(reason: Reason, outcome: Outcome = Outcome.REFUSED, **changes: object) -> Event:
    return event(complete(outcome=outcome, reason=reason, durations={}, **changes), 0.2)


def test_late_outcome_does_not_reopen_the_incident():
    over = event(alert(phase=Phase.CLEARED), 1.0)
    for late in (
        failed(durations={"act": 0.3, "verify": 2.5}),
        failed(durations={"act": 0.1, "verify": 0.2}),
    ):
        whole = told(ALERT, ASKED, over, late)
        assert whole.status == "cleared"
        assert describe_next_step(whole).startswith("nothing")


def test_wait_for_approval_is_no_part_of_the_time_to_heal():
    asked = event(
        complete(outcome=Outcome.AWAITING_APPROVAL, reason=Reason.APPROVAL, durations={}, after=None), 0.2
    )
    approved = event(decided(what=Word.APPROVED, container="web", action=Action.RESTART, until=None), 240.2)
    durations = {"act": 0.3, "verify": 2.0, "total": 242.9, "approval": 240.0}
    healed = event(complete(durations=durations), 243.0)
    timeline = told(ALERT, ASKED, asked, approved, with_cause(healed, ASKED))
    assert round(timeline.seconds_without_approval, 2) == 3.02
    assert format_length(timeline, " in total") == "3 s, after 4 min of waiting for approval"
    spans = measure_spans(timeline)
    assert round(spans["waited for approval"], 3) == 240.0
    assert round(sum(spans.values()), 2) == 243.02
    assert format_event_line(healed) == "restarted, healed in 2.9 s, after 4 min of waiting for approval"
    assert build_notification(healed).took == pytest.approx(2.9)


def test_healed_incident_has_all_steps_with_durations():
    steps = told(ALERT, ASKED, HEALED).steps
    assert [(step.stage, round(step.after, 3)) for step in steps] == [
        (TimelineStage.ALERT, 0.02),
        (TimelineStage.DIAGNOSIS, 0.1),
        (TimelineStage.DECISION, 0.0),
        (TimelineStage.ACTION, 0.6),
        (TimelineStage.VERIFICATION, 0.3),
        (TimelineStage.OUTCOME, 2.0),
    ]
    assert [step.status for step in steps] == ["open", "acting", "acting", "acting", "verifying", "healed"]
    assert steps[4].text == "before: exited with code 1; now: running, healthy"
    assert steps[5].text == "restarted, healed in 2.9 s"


def test_diagnosis_of_an_incident_is_the_latest_whatever_follows():
    assert told(ALERT, ASKED, HEALED, OVER).diagnosis == DIAGNOSIS
    assert told(ALERT).diagnosis is None


def test_state_that_could_not_be_read_is_unknown():
    healed = event(complete(before=DIED, after=None, durations={"act": 0.3, "verify": 2.0}), 3.0)
    assert "before: exited with code 1; now: unknown" in [
        step.text for step in told(ALERT, ASKED, healed).steps
    ]


def test_order_is_a_decision_with_any_outcome():
    order = next(each for each in ALL if isinstance(each.data, Order))
    for status, steps in (("acting", [order]), ("healed", [order, event(complete(), 9, incident="i2")])):
        whole = told(*steps)
        assert (whole.status, whole.steps[0].stage) == (status, TimelineStage.DECISION)
        assert "asks for a restart" in whole.steps[0].text


def test_total_duration_is_split_by_phase():
    whole = told(ALERT, ASKED, HEALED, OVER)
    assert whole.seconds == pytest.approx(3.02)
    assert measure_spans(whole) == pytest.approx(
        {"detected": 0.02, "diagnosed": 0.1, "decided": 0.6, "acted": 0.3, "verified": 2.0}
    )
    assert (
        format_spans(whole) == "detected 20 ms, diagnosed 100 ms, decided 600 ms, acted 300 ms, verified 2 s"
    )


def test_open_incident_has_no_total_duration():
    assert told(ALERT, ASKED).seconds is None


def test_duration_covers_the_last_occurrence():
    again = event(alert(since=NOW + 600, occurrence=2), 600.05)
    assert measure_spans(told(ALERT, ASKED, HEALED, again)) == pytest.approx({"detected": 0.05})


def test_decisions_of_people_are_steps_and_no_part_of_the_durations():
    escalated = refused(Reason.NEEDS_PERSON, Outcome.ESCALATED)
    taken = event(decided(what=Word.ACKNOWLEDGED, by="ann"), 60.0)
    closed = event(decided(what=Word.CLOSED, by="ann"), 600.0)
    assert describe_next_step(told(ALERT, ASKED, escalated, taken)) == describe_next_step(
        told(ALERT, ASKED, escalated)
    )
    whole = told(ALERT, ASKED, escalated, taken, closed)
    assert measure_spans(whole) == measure_spans(told(ALERT, ASKED, escalated))
    assert [step.stage for step in whole.steps[-2:]] == [TimelineStage.DECISION, TimelineStage.OUTCOME]
    assert (whole.status, whole.seconds) == ("closed", pytest.approx(600.02))
    assert describe_next_step(whole) == "nothing: a person closed it; another failure opens it again"


def test_duplicate_event_is_one_step():
    deferred = decode(encode(ASKED))
    assert told(ALERT, ASKED, deferred) == told(ALERT, ASKED)


def test_action_does_not_start_before_its_request():
    """Durations are rounded to milliseconds."""
    at_once = event(complete(durations={"act": 0.201, "verify": 0.7, "total": 0.9}), 1.0)
    stages = [step.stage for step in told(ALERT, ASKED, at_once).steps]
    assert stages.index(TimelineStage.ACTION) > stages.index(TimelineStage.DECISION)


def test_condition_cleared_in_verification_is_in_order():
    early = event(alert(phase=Phase.CLEARED), 2.0)
    whole = told(ALERT, ASKED, early, HEALED)
    assert [step.text for step in whole.steps][-3:] == [
        "before: exited with code 1; now: running, healthy",
        "runs again",
        "restarted, healed in 2.9 s",
    ]
    assert [step.status for step in whole.steps][-3:] == ["verifying", "verifying", "healed"]
    assert whole.seconds == pytest.approx(3.02)
    assert measure_spans(whole)["verified"] == pytest.approx(2.0)


def test_failed_engine_call_has_no_verification():
    stages = [step.stage for step in told(ALERT, ASKED, failed(reason=Reason.ENGINE_ERROR)).steps]
    assert stages[-2:] == [TimelineStage.ACTION, TimelineStage.OUTCOME]


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (refused(Reason.BUDGET_SPENT, detail="3 of 3"), "not restarted: its budget is spent (3 of 3)"),
        (
            refused(Reason.APPROVAL, Outcome.AWAITING_APPROVAL, detail="restart? hemostat approve abc"),
            "may I restart it? hemostat approve abc",
        ),
        (event(FalseAlarm(alert=alert(), diagnosis=DIAGNOSIS), 0.2), "no action needed"),
    ],
)
def test_refused_action_is_a_decision_with_its_reason(end, text):
    step = told(ALERT, end).steps[-1]
    assert (step.stage, step.text) == (TimelineStage.DECISION, text)


def test_step_shows_nothing_later():
    whole = told(ALERT, ASKED, HEALED)
    first, acting = truncate_at_step(whole, 0), truncate_at_step(whole, 3)
    assert (first.diagnosis, first.status, len(first.steps)) == (None, "open", 1)
    assert (acting.diagnosis, acting.status, acting.seconds) == (DIAGNOSIS, "acting", None)


def test_evidence_is_shown_from_its_action_on():
    kept = [EvidenceSnapshot(time=NOW + 0.69, container=WEB, kind=Kind.EXITED, action=Action.RESTART)]
    steps = told(ALERT, ASKED, HEALED).steps
    assert [bool(select_known_snapshots(kept, step)) for step in steps] == [
        False,
        False,
        False,
        True,
        True,
        True,
    ]


def test_reasons_are_shown_in_full():
    made = Investigation(
        model="m",
        roots=("db",),
        quotes=(Quote("log", "no route"),),
        expect="it answers",
        steps=("log web",),
        seconds=2.5,
        tokens=31,
        cost=0.5,
        reused=True,
    )
    diagnosis = msgspec.structs.replace(DIAGNOSIS, investigation=made)
    assert list(explain_diagnosis(diagnosis, Kind.EXITED)) == [
        ("diagnosis", "crash, confidence 0.90, by rules"),
        ("because", "exit code 1"),
        ("because", "nobody asked for it"),
        ("roots", "db"),
        ("quoted", "log: no route"),
        ("expected", "it answers"),
        ("inspected", "log web"),
        ("took", "2.5 s, 31 tokens, $0.5000, reused from an identical incident"),
    ]


@pytest.mark.parametrize(
    ("events", "rungs"),
    [
        ([ALERT], []),
        ([ALERT, ASKED], ["restart: requested", "over to you: next"]),
        ([ALERT, ASKED, HEALED], ["restart: healed"]),
        ([ALERT, ASKED, failed(kind=Kind.UNHEALTHY)], ["restart: did not help", "over to you: next"]),
        # Its new death is alerted anew.
        ([ALERT, ASKED, failed(after=DIED)], ["restart: did not help"]),
        (
            [
                event(alert(kind=Kind.OOM)),
                event(needed(alert=alert(kind=Kind.OOM), action=Action.SCALE), 0.1),
            ],
            ["higher limit: requested", "restart: next", "over to you: next"],
        ),
        (
            [
                event(alert(kind=Kind.OOM)),
                event(needed(alert=alert(kind=Kind.OOM), action=Action.SCALE), 0.1),
                failed(Action.SCALE, kind=Kind.OOM),
                event(needed(alert=alert(kind=Kind.OOM), rung=1), 3.1),
            ],
            ["higher limit: did not help", "restart: requested", "over to you: next"],
        ),
        ([ALERT, ASKED, refused(Reason.COOLDOWN)], ["restart: refused"]),
        (
            [ALERT, ASKED, refused(Reason.APPROVAL, Outcome.AWAITING_APPROVAL)],
            ["restart: waits for approval", "over to you: next"],
        ),
    ],
)
def test_ladder_shows_each_step(events, rungs):
    assert [rung.text for rung in build_ladder(told(*events))] == rungs


def test_ladder_shows_the_running_action():
    acting = truncate_at_step(told(ALERT, ASKED, failed(kind=Kind.UNHEALTHY)), 3)
    assert [rung.text for rung in build_ladder(acting)] == ["restart: under way", "over to you: next"]


@pytest.mark.parametrize(
    ("events", "next_"),
    [
        ([ALERT], "the analyzer diagnoses it"),
        ([ALERT, ASKED], "the responder decides whether to restart"),
        ([ALERT, ASKED, HEALED], "nothing: it is over; another failure raises"),
        ([ALERT, ASKED, failed(kind=Kind.UNHEALTHY)], "a notification is sent: no other action"),
        ([ALERT, ASKED, failed(Action.SCALE, kind=Kind.OOM)], "then HemoStat tries to restart it"),
        ([ALERT, ASKED, failed(after=DIED)], "it exited again"),
        ([ALERT, ASKED, refused(Reason.BUDGET_SPENT)], "nothing before then"),
        ([ALERT, refused(Reason.PAUSED, Outcome.WAITING)], "hemostat resume"),
        ([ALERT, refused(Reason.EXPIRED, Outcome.EXPIRED)], "nothing: the failure is too old"),
        (
            [event(alert(**BUSY)), event(needed(alert=alert(**BUSY), action=Action.NONE), 0.1)],
            "a notification is sent",
        ),
    ],
)
def test_next_step_is_shown(events, next_):
    assert next_ in describe_next_step(told(*events))


def with_cause(end: Event, request: Event) -> Event:
    return msgspec.structs.replace(end, cause=request.id)


def test_alert_during_an_action_does_not_move_the_action():
    """The health check fails again while a restart is verified: the alert and its request arrive before the
    restart's outcome."""
    again, asked_again = event(alert(occurrence=2), 4.0), event(needed(), 4.1)
    ended = with_cause(failed(durations={"act": 0.5, "verify": 4.0, "total": 4.9}), ASKED)
    ended = msgspec.structs.replace(ended, time=NOW + 5)
    timeline = told(ALERT, ASKED, again, asked_again, ended)
    assert [str(step.stage) for step in timeline.steps] == [
        "alert", "diagnosis", "decision", "action", "verification",
        "alert", "diagnosis", "decision", "outcome",
    ]  # fmt: skip
    spans = measure_spans(timeline)
    assert (spans["acted"], spans["verified"]) == (pytest.approx(0.5), pytest.approx(4.0))
    assert build_ladder(timeline)[0].text == "restart: did not help"


def test_approved_action_comes_before_the_alert_that_follows_it():
    asked = event(complete(outcome=Outcome.AWAITING_APPROVAL, reason=Reason.APPROVAL, detail="restart"), 0.2)
    approved = event(decided(what=Word.APPROVED, container="web", action=Action.RESTART, until=None), 30.0)
    again, asked_again = event(alert(occurrence=2), 33.0), event(needed(), 33.1)
    healed = event(complete(durations={"act": 0.4, "verify": 3.0, "total": 34.0}), 34.0)
    timeline = told(ALERT, ASKED, asked, approved, again, asked_again, with_cause(healed, ASKED))
    stages = [str(step.stage) for step in timeline.steps]
    assert stages.index("action") == stages.index("alert", 1) - 2
    assert measure_spans(timeline)["acted"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (refused(Reason.NEEDS_PERSON, Outcome.ESCALATED, action=Action.NONE), "over to you"),
        (failed(Action.NONE, reason=Reason.GIVEN_UP), "over to you"),
        (refused(Reason.ROOT_ELSEWHERE, Outcome.WAITING, action=Action.NONE), "waits"),
    ],
)
def test_rung_without_an_action_is_named_once(end, text):
    request = event(needed(action=Action.NONE), 0.1)
    assert build_ladder(told(ALERT, request, end))[0].text == text
