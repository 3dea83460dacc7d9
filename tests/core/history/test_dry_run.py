"""What HemoStat would have done, within its limits, and how the failures ended without that."""

import msgspec
import pytest

from hemostat.core.history.comparison import build_report
from hemostat.core.history.dry_run import Answer, CaseEnd, DryRunSummary, find_cases, summarize_dry_run
from hemostat.core.history.dry_run_rows import describe_dry_run, list_cases
from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.summary import trim_event
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Container, Evidence, FalseAlarm, Kind, Outcome, Phase, Reason, Word
from tests.support.samples import DIAGNOSIS, NOW, alert, complete, decided, event, needed

DAY = 86_400.0
LIMITS = ResponderSettings()
DB = Container(id="c2", name="db")


def raised(at=0.0, *, incident="i1", kind=Kind.UNHEALTHY, **changes):
    return event(alert(kind=kind, since=NOW + at, **changes), at, incident=incident)


def rehearsed(at, *, incident="i1", kind=Kind.UNHEALTHY, **changes):
    plain = {"outcome": Outcome.DRY_RUN, "reason": Reason.DRY_RUN, "kind": kind}
    return event(complete(**{**plain, **changes}), at, incident=incident)


def cleared(at, *facts, incident="i1", kind=Kind.UNHEALTHY, began=0.0, **changes):
    over = alert(kind=kind, phase=Phase.CLEARED, since=NOW + began, evidence=facts, **changes)
    return event(over, at, incident=incident)


def how(recovery, lasted):
    return Evidence("recovery", recovery), Evidence("lasted", lasted, "s")


def read_cases(*events):
    (log,) = build_incident_logs(map(trim_event, events))
    return find_cases(log)


def summarize(*events, until=DAY, limits=LIMITS) -> DryRunSummary | None:
    return summarize_dry_run(build_incident_logs(map(trim_event, events)), NOW, NOW + until, limits)


@pytest.mark.parametrize(
    ("end", "expected", "ended"),
    [
        (cleared(50, *how("itself", 40.0)), CaseEnd.ITSELF, 40.0),
        (cleared(50, *how("restart_policy", 3.0)), CaseEnd.RESTART_POLICY, 3.0),
        (cleared(50, *how("start", 40.0)), CaseEnd.START, 40.0),
        (cleared(50), CaseEnd.RECOVERED, 50.0),
        (cleared(50, *how("by magic", 40.0)), CaseEnd.RECOVERED, 50.0),
        (cleared(50, *how("itself", 1e9)), CaseEnd.ITSELF, 50.0),
        (cleared(50, *how("itself", -5.0)), CaseEnd.ITSELF, 50.0),
        (cleared(50, Evidence("stopped", value=True)), CaseEnd.STOPPED, 50.0),
        (cleared(50, Evidence("removed", value=True)), CaseEnd.REMOVED, 50.0),
        (cleared(50, Evidence("replaced", value=True)), CaseEnd.REMOVED, 50.0),
        (cleared(50, Evidence("superseded", value=True)), CaseEnd.CHANGED, 50.0),
        (event(decided(what=Word.CLOSED, container="web"), 50), CaseEnd.CLOSED, 50.0),
        (event(complete(occurrence=2), 50), CaseEnd.ACTED, 50.0),
        (rehearsed(50), CaseEnd.FAILING, None),
    ],
)
def test_end_of_a_failure_is_read_from_the_events_after_the_decision(end, expected, ended):
    (case,) = read_cases(raised(), rehearsed(1), end)
    assert (case.end, case.ended and case.ended - NOW, case.began) == (expected, ended, NOW)


def test_failure_that_waited_for_the_host_began_before_the_wait():
    (case,) = read_cases(raised(), raised(10, occurrence=2, relapsed=False), rehearsed(11, occurrence=2))
    assert (case.began, case.decided) == (NOW, NOW + 11)


def test_failure_that_returns_before_its_end_is_a_case_of_its_own():
    first, second = read_cases(
        raised(),
        rehearsed(1),
        raised(30, occurrence=2, relapsed=True),
        rehearsed(31, occurrence=2),
        cleared(90),
    )
    assert (first.end, first.ended, second.end) == (CaseEnd.FAILED_AGAIN, NOW + 30, CaseEnd.RECOVERED)


def test_action_that_would_be_the_second_of_an_incident_is_refused():
    summary = summarize(
        raised(),
        rehearsed(1),
        cleared(40, *how("itself", 30.0)),
        raised(60, occurrence=2),
        rehearsed(61, occurrence=2),
    )
    assert (summary.actions, summary.refused) == ({"restart": 1}, {"already_tried": 1})
    assert summary.ends["itself"].count == 1


def test_deaths_beyond_the_budget_are_refused():
    crashes = [
        each
        for number in range(5)
        for each in (
            raised(number * 300.0, kind=Kind.EXITED, occurrence=number + 1),
            rehearsed(number * 300.0 + 1, kind=Kind.EXITED, action=Action.START, occurrence=number + 1),
            cleared(number * 300.0 + 90, *how("start", 60.0), kind=Kind.EXITED, began=number * 300.0),
        )
    ]
    summary = summarize(*crashes)
    assert (summary.actions, summary.refused) == ({"start": 3}, {"budget_spent": 2})
    assert summarize(*crashes, limits=msgspec.structs.replace(LIMITS, budget=9)).actions == {"start": 5}


def test_actions_of_a_live_period_use_the_budget_of_the_dry_run():
    live = [event(complete(occurrence=n, kind=Kind.EXITED), n * 60.0, incident="live") for n in (1, 2, 3)]
    summary = summarize(event(alert(), incident="live"), *live, raised(600), rehearsed(601))
    assert (summary.actions, summary.refused) == ({}, {"budget_spent": 1})


def test_action_in_its_back_off_is_refused_when_the_failure_ends_first():
    summary = summarize(
        raised(kind=Kind.EXITED),
        rehearsed(1, kind=Kind.EXITED),
        raised(4, kind=Kind.EXITED, occurrence=2, relapsed=True),
        rehearsed(5, kind=Kind.EXITED, occurrence=2),
        cleared(17, *how("start", 3.0), kind=Kind.EXITED, began=4),
    )
    assert summary.refused == {"recovered": 1}


def test_standing_fault_is_one_action_however_often_it_is_decided():
    summary = summarize(raised(), rehearsed(1), rehearsed(6), rehearsed(11))
    assert (summary.actions, summary.ends["failing"].count) == ({"restart": 1}, 1)


def test_outage_until_a_person_came_is_compared_with_measured_actions():
    summary = summarize(
        event(alert(container=DB), incident="i0"),
        event(complete(container=DB, kind=Kind.UNHEALTHY, durations={"act": 2.0}), 3, incident="i0"),
        raised(),
        rehearsed(1),
        cleared(7810, *how("start", 7800.0)),
    )
    assert (summary.outages, summary.outage_seconds, summary.estimated_seconds) == (1, 7800.0, 3.0)
    assert summary.measured


def test_unmeasured_action_is_estimated_by_the_default_stop_timeout():
    summary = summarize(raised(), rehearsed(1), until=3600)
    assert (summary.estimated_seconds, summary.measured, summary.outage_seconds) == (16.0, False, 3600.0)
    down = summarize(raised(kind=Kind.EXITED), rehearsed(1, kind=Kind.EXITED), until=3600)
    assert down.estimated_seconds == 6.0


def test_recovery_within_a_minute_makes_the_action_needless():
    summary = summarize(
        raised(),
        rehearsed(1),
        cleared(50, *how("itself", 41.0)),
        raised(0, incident="i2", container=DB),
        rehearsed(1, incident="i2", container=DB),
        cleared(700, *how("restart_policy", 601.0), incident="i2"),
    )
    assert (summary.needless, summary.soon, summary.outages, summary.containers) == (2, 1, 0, 2)


@pytest.mark.parametrize(
    ("outcome", "reason", "answer", "end"),
    [
        (Outcome.HEALED, Reason.VERIFIED, Answer.APPROVED, CaseEnd.ACTED),
        (Outcome.REFUSED, Reason.REJECTED, Answer.REJECTED, CaseEnd.FAILING),
        (Outcome.EXPIRED, Reason.NO_ANSWER, Answer.NO_ANSWER, CaseEnd.FAILING),
        (Outcome.NOT_APPLICABLE, Reason.RECOVERED, Answer.NOT_NEEDED, CaseEnd.FAILING),
    ],
)
def test_request_for_approval_is_counted_by_its_answer(outcome, reason, answer, end):
    waits = rehearsed(1, outcome=Outcome.AWAITING_APPROVAL, reason=Reason.APPROVAL)
    answered = event(complete(kind=Kind.UNHEALTHY, outcome=outcome, reason=reason), 60)
    summary = summarize(raised(), waits, answered)
    assert summary.answers == {answer: 1}
    assert summary.actions == ({} if answer is Answer.APPROVED else {"restart": 1})
    assert summary.cases[0].end is end


def test_incidents_without_a_decision_are_listed_by_their_reason():
    summary = summarize(
        raised(),
        rehearsed(1),
        event(alert(), incident="i2"),
        event(FalseAlarm(alert=alert(), diagnosis=DIAGNOSIS), 1, incident="i2"),
        event(alert(), incident="i3"),
        event(complete(outcome=Outcome.WAITING, reason=Reason.ROOT_ELSEWHERE), 1, incident="i3"),
        event(alert(), incident="i4"),
        event(complete(), 1, incident="i4"),
    )
    assert summary.left_alone == {"false_alarm": 1, "root_elsewhere": 1}


def test_period_without_a_dry_run_has_no_summary():
    assert summarize(event(alert()), event(needed(), 1), event(complete(), 2)) is None
    assert summarize(raised(-600), rehearsed(-599), cleared(10, *how("itself", 590.0))) is None


def test_report_ends_with_how_to_let_hemostat_act():
    events = [raised(), rehearsed(1), cleared(60, *how("itself", 41.0))]
    report = build_report(events, [NOW], NOW + DAY)
    lines = describe_dry_run(report)
    assert lines[0] == "HemoStat would have acted once on 1 container: restart 1."
    assert "1 would have been needless" in lines[1]
    assert 'responder.mode = "auto"' in lines[-1]
    (row,) = list_cases(report, lambda time: f"+{time - NOW:.0f}")
    assert row == ("+1", "web", "health check fails", "restart", "by itself", "40 s")
    assert describe_dry_run(build_report([], [NOW], NOW + DAY)) == []


def test_facts_of_a_hostile_end_are_not_kept():
    hostile = (
        Evidence("recovery", "x" * 10_000),
        Evidence("other", value=True),
        Evidence("lasted", "y" * 10_000),
    )
    assert trim_event(cleared(1, *hostile)).data.evidence == ()
