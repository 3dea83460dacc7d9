"""What HemoStat would have done in a dry run or with an approval, and how each failure ended without that.

In a dry run no action follows, so the ledger has no attempts, and a failure that lasts or returns is decided
again as if it were the first. This module plays the limits that live actions would have met: an action that
was tried is not repeated against the same incident, and actions use back-off and budget. It assumes that each
action would have been done and would have helped. Whether it would have helped is not known.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from statistics import median
from typing import Annotated, Final

import msgspec

from hemostat.core.detection.incidents import IncidentEnd
from hemostat.core.detection.recovery import LASTED_FACT, RECOVERY_FACT, Recovery
from hemostat.core.history.incident_log import IncidentLog
from hemostat.core.ledger.rows import Attempt
from hemostat.core.remediation.ladder import DEATH_KINDS, is_exhausted
from hemostat.core.remediation.restart_budget import compute_backoff_end, compute_budget
from hemostat.core.remediation.slots import compute_slot_seconds
from hemostat.core.remediation.stop_timeout import DEFAULT_STOP_SECONDS
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import (
    Action,
    Decided,
    Epoch,
    Event,
    Evidence,
    FalseAlarm,
    HealthAlert,
    Kind,
    Outcome,
    Phase,
    Reason,
    RemediationComplete,
    Word,
)
from hemostat.events.fields import renamed_to

MAX_CASES: Final = 100
"""Cases listed at most, the newest; counts and sums are of all."""
SOON_SECONDS: Final = 60.0
"""A container that recovers by itself within this time after the decision needed no action."""
FALSE_ALARM: Final = "false_alarm"
MAX_ACTION_SECONDS: Final = 3600.0
"""A longer action in an event is not measured: it is no number of a responder."""
END_FACTS: Final = frozenset({*IncidentEnd, RECOVERY_FACT, LASTED_FACT})
"""Names of the facts in an alert that clears an incident, which the report reads."""


Subject = tuple[str, str]
"""A host and a container's name."""
TimedAction = tuple[Action, bool]
"""An action, and whether the container is down before it, so that there is nothing to stop."""


class CaseEnd(StrEnum):
    """How a failure ended for which an action was decided and not done."""

    ITSELF = "itself"
    """The process recovered."""
    RESTART_POLICY = "restart_policy"
    """The restart policy of the engine started it again."""
    START = "start"
    """A person or another program started it."""
    RECOVERED = "recovered"
    """It recovered; how is not recorded, by a monitor of an earlier version."""
    STOPPED = "stopped"
    REMOVED = "removed"
    """It was removed, replaced or renamed, as by a deploy."""
    CHANGED = "changed"
    """The container fails in another way, as another incident."""
    FAILED_AGAIN = "failed_again"
    """It failed again before the failure was over: the next decision is a case of its own."""
    ACTED = "acted"
    """HemoStat acted after all: a person approved it, or the dry run ended."""
    CLOSED = "closed"
    """A person settled the incident."""
    FAILING = "failing"
    """It has not ended."""


SELF_RECOVERIES: Final = frozenset({CaseEnd.ITSELF, CaseEnd.RESTART_POLICY})
OUTAGE_ENDS: Final = frozenset({CaseEnd.START, CaseEnd.CLOSED, CaseEnd.FAILING})
"""Ends of failures that only somebody's action ended, or nothing yet."""
DEPLOY_ENDS: Final = frozenset({CaseEnd.STOPPED, CaseEnd.REMOVED})


class Answer(StrEnum):
    """What became of a request for approval."""

    APPROVED = "approved"
    REJECTED = "rejected"
    NO_ANSWER = "no_answer"
    NOT_NEEDED = "not_needed"
    """The request ended without an answer, because the failure did or another rule refused it."""


class DryRunCase(msgspec.Struct, frozen=True, kw_only=True):
    """An action that was decided and not done. Times are epoch seconds.

    `began` is when the failure began, `decided` when the action would have begun, `ended` when the failure
    ended, None while it lasts. `refused` is why the limits would have refused it after the actions before;
    None for an action that would have been done. `answer` is of a request for approval; None in a dry run.
    """

    incident: str
    host: str
    container: str
    kind: Kind
    action: Action
    began: Epoch
    decided: Epoch
    end: CaseEnd = CaseEnd.FAILING
    ended: Epoch | None = None
    occurrence: int = 1
    rung: int = 0
    refused: Reason | None = None
    answer: Answer | None = None

    @property
    def is_rehearsed(self) -> bool:
        """Whether only the dry run kept the action from being done."""
        return self.refused is None and self.answer is None

    def measure_wait(self, until: float) -> float:
        """Seconds from the decision to the end of the failure, or up to `until`."""
        return max(0.0, (until if self.ended is None else self.ended) - self.decided)


class EndCount(msgspec.Struct, frozen=True, kw_only=True):
    """Actions by how the failure ended. The seconds are from the decision to the end."""

    count: int
    median: Annotated[float, renamed_to("median_seconds")]


class DryRunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What HemoStat would have done in a period, and how the failures ended without that.

    `needless` are actions on containers that recovered by themselves, `soon` those of them within a minute.
    `outage_seconds` is how long the failures lasted that a person or another program ended, or that still
    last; `estimated_seconds` what they would have lasted, if the actions had helped. The duration of an
    action is `measured` from actions of HemoStat on this store's hosts, or else typical. `refused` counts by
    reason what the limits would have refused, `left_alone` the incidents without a decision to act.
    """

    actions: dict[str, int]
    containers: int
    ends: dict[str, EndCount]
    needless: int
    soon: int
    outages: int
    outage_seconds: float
    estimated_seconds: float
    measured: bool
    refused: dict[str, int]
    answers: dict[str, int]
    left_alone: dict[str, int]
    cases: tuple[DryRunCase, ...]


def summarize_dry_run(
    logs: Sequence[IncidentLog], since: float, until: float, limits: ResponderSettings
) -> DryRunSummary | None:
    """Return what would have been done from `since` up to `until` (epoch seconds) under these `limits`; None
    if no action was left undone. Earlier decisions in `logs` use the budget, too."""
    every = find_all_cases(logs, limits)
    cases = [case for case in every if case.decided >= since]
    if not cases:
        return None
    undone = [case for case in cases if case.refused is None and case.answer is not Answer.APPROVED]
    outages = [case for case in undone if case.end in OUTAGE_ENDS]
    durations = measure_actions(logs)
    needless = [case for case in undone if case.end in SELF_RECOVERIES]
    decided_incidents = {case.incident for case in every}
    return DryRunSummary(
        actions=dict(Counter(str(case.action) for case in undone).most_common()),
        containers=len({(case.host, case.container) for case in undone}),
        ends=_count_ends(undone, until),
        needless=len(needless),
        soon=sum(case.measure_wait(until) <= SOON_SECONDS for case in needless),
        outages=len(outages),
        outage_seconds=round(sum(_measure_failure(case, until) for case in outages), 1),
        estimated_seconds=round(sum(_estimate_failure(case, until, durations) for case in outages), 1),
        measured=all(_time_action(case.action, case.kind) in durations for case in outages),
        refused=dict(Counter(str(case.refused) for case in cases if case.refused).most_common()),
        answers=dict(Counter(str(case.answer) for case in cases if case.answer).most_common()),
        left_alone=dict(
            Counter(
                reason
                for log in logs
                if log.kind is not Kind.ORDERED
                and log.incident not in decided_incidents
                and (reason := _find_restraint(log, since))
            ).most_common()
        ),
        cases=tuple(cases[-MAX_CASES:]),
    )


# --- cases ------------------------------------------------------------------------------------------


def find_all_cases(logs: Sequence[IncidentLog], limits: ResponderSettings) -> list[DryRunCase]:
    """Return the decisions that no action followed, within the `limits`, in the order of their times."""
    cases = [case for log in logs if log.kind is not Kind.ORDERED for case in find_cases(log)]
    return apply_limits(cases, list_attempts(logs), limits) if cases else []


def find_cases(log: IncidentLog) -> list[DryRunCase]:
    """Return the decisions of an incident that were not followed by the action, oldest first."""
    cases: dict[tuple[int, int], DryRunCase] = {}
    began: float | None = None
    for event in log.steps:
        match event.data:
            case HealthAlert(phase=Phase.RAISED) as alert:
                # A failure that had waited is raised again, with the end of the wait as its beginning.
                began = alert.since if began is None or alert.relapsed else began
            case HealthAlert() as alert:
                began = None
                _end_open(cases, *_read_end(alert, event.time))
            case RemediationComplete(outcome=Outcome.DRY_RUN | Outcome.AWAITING_APPROVAL) as complete:
                _add_case(cases, log, event, complete, event.time if began is None else began)
            case RemediationComplete() as complete:
                _apply_outcome(cases, complete, event.time)
            case Decided(what=Word.CLOSED):
                _end_open(cases, CaseEnd.CLOSED, event.time)
    return list(cases.values())


def _add_case(
    cases: dict[tuple[int, int], DryRunCase],
    log: IncidentLog,
    event: Event,
    complete: RemediationComplete,
    began: float,
) -> None:
    key = complete.occurrence, complete.rung
    if key in cases or complete.action is Action.NONE:
        return
    _end_open(cases, CaseEnd.FAILED_AGAIN, began)
    cases[key] = DryRunCase(
        incident=log.incident,
        host=log.host,
        container=complete.container.name,
        kind=complete.kind,
        action=complete.action,
        began=began,
        decided=event.time,
        occurrence=complete.occurrence,
        rung=complete.rung,
        answer=None if complete.outcome is Outcome.DRY_RUN else Answer.NOT_NEEDED,
    )


def _apply_outcome(
    cases: dict[tuple[int, int], DryRunCase], complete: RemediationComplete, time: float
) -> None:
    """Apply a later outcome: the answer to a request for approval, or an action after all."""
    key = complete.occurrence, complete.rung
    case = cases.get(key)
    has_acted = complete.action is not Action.NONE and complete.outcome in {Outcome.HEALED, Outcome.FAILED}
    if has_acted:
        _end_open(cases, CaseEnd.ACTED, time)
    if case is not None and case.answer is not None:
        answers = {Reason.REJECTED: Answer.REJECTED, Reason.NO_ANSWER: Answer.NO_ANSWER}
        answer = Answer.APPROVED if has_acted else answers.get(complete.reason, case.answer)
        cases[key] = msgspec.structs.replace(cases[key], answer=answer)


def _end_open(cases: dict[tuple[int, int], DryRunCase], end: CaseEnd, time: float) -> None:
    for key, case in cases.items():
        if case.end is CaseEnd.FAILING:
            cases[key] = msgspec.structs.replace(case, end=end, ended=max(case.began, time))


def _read_end(alert: HealthAlert, time: float) -> tuple[CaseEnd, float]:
    """How and when the failure ended, by the alert that clears it, of `time` (epoch seconds)."""
    if alert.get_fact(IncidentEnd.STOPPED):
        return CaseEnd.STOPPED, time
    if any(alert.get_fact(end) for end in (IncidentEnd.REMOVED, IncidentEnd.REPLACED, IncidentEnd.RENAMED)):
        return CaseEnd.REMOVED, time
    if alert.get_fact(IncidentEnd.SUPERSEDED):
        return CaseEnd.CHANGED, time
    recovery = alert.get_fact(RECOVERY_FACT)
    if recovery not in set(Recovery):
        return CaseEnd.RECOVERED, time
    lasted = alert.get_number(LASTED_FACT, -1.0)
    return CaseEnd(str(recovery)), alert.since + lasted if 0 <= lasted <= time - alert.since else time


def select_end_facts(alert: HealthAlert) -> tuple[Evidence, ...]:
    """Return the facts of an alert that say how its incident ended."""
    if alert.phase is Phase.RAISED:
        return ()
    facts = (each for each in alert.evidence if each.name in END_FACTS)
    return tuple(each for each in facts if not isinstance(each.value, str) or each.value in set(Recovery))


# --- limits -----------------------------------------------------------------------------------------


def list_attempts(logs: Iterable[IncidentLog]) -> dict[Subject, list[Attempt]]:
    """Return the actions that HemoStat carried out by itself, by container: they use the budget, too."""
    attempts: dict[Subject, list[Attempt]] = {}
    for log in logs:
        for event in log.steps:
            match event.data:
                case RemediationComplete(outcome=Outcome.HEALED | Outcome.FAILED, kind=kind) as complete if (
                    kind is not Kind.ORDERED and complete.action is not Action.NONE
                ):
                    name = complete.container.name
                    attempt = _make_attempt(log.incident, name, complete.action, event.time)
                    attempts.setdefault((log.host, name), []).append(attempt)
    return attempts


def apply_limits(
    cases: Iterable[DryRunCase], attempts: Mapping[Subject, Sequence[Attempt]], limits: ResponderSettings
) -> list[DryRunCase]:
    """Return the cases in the order of their decisions, those refused that the limits would have refused
    after the actions before them. A request for approval has met the limits itself."""
    attempts_before = {subject: list(own) for subject, own in attempts.items()}
    limited = []
    for case in sorted(cases, key=lambda case: (case.decided, case.incident, case.occurrence, case.rung)):
        own = attempts_before.setdefault((case.host, case.container), [])
        if case.answer is None:
            start, refused = _find_refusal(case, own, limits)
            if refused is None:
                own.append(_make_attempt(case.incident, case.container, case.action, start))
            case = msgspec.structs.replace(case, decided=start, refused=refused)  # noqa: PLW2901
        limited.append(case)
    return limited


def _find_refusal(
    case: DryRunCase, attempts: Sequence[Attempt], limits: ResponderSettings
) -> tuple[float, Reason | None]:
    """When the action would have begun, after the back-off, and why it would not have been done."""
    now = case.decided
    earlier = sorted((each for each in attempts if each.time <= now), key=lambda each: each.time)
    tried = [(each.action, each.outcome) for each in earlier if each.key == case.incident]
    budget = compute_budget(earlier, limits, now)
    if is_exhausted(case.action, case.kind, tried):
        return now, Reason.ALREADY_TRIED
    if budget.is_spent:
        return now, Reason.BUDGET_SPENT
    if budget.until:
        return now, Reason.COOLDOWN
    backoff_end, _ = compute_backoff_end(earlier, limits, now)
    start = max(now, backoff_end)
    if case.ended is not None and backoff_end > case.ended:
        return now, Reason.RECOVERED
    return start, None


def _make_attempt(incident: str, container: str, action: Action, time: float) -> Attempt:
    return Attempt(
        key=incident,
        container=container,
        action=action,
        time=time,
        by="",
        lease=time,
        outcome=Outcome.HEALED,
        finished=time,
    )


# --- durations --------------------------------------------------------------------------------------


def measure_actions(logs: Iterable[IncidentLog]) -> dict[TimedAction, float]:
    """Return the median seconds that HemoStat's own actions took."""
    seconds: dict[TimedAction, list[float]] = {}
    for log in logs:
        for event in log.steps:
            match event.data:
                case RemediationComplete(outcome=Outcome.HEALED, durations={"act": took}) as complete if (
                    0 <= took <= MAX_ACTION_SECONDS
                ):
                    seconds.setdefault(_time_action(complete.action, complete.kind), []).append(took)
    return {action: median(values) for action, values in seconds.items()}


def estimate_action(case: DryRunCase, durations: Mapping[TimedAction, float]) -> float:
    """Return the seconds of an action: as measured, or else what it may take with the engine's default stop
    timeout."""
    timed = _time_action(case.action, case.kind)
    stop_seconds = 0.0 if timed[1] else DEFAULT_STOP_SECONDS
    return durations[timed] if timed in durations else compute_slot_seconds(case.action, stop_seconds)


def _time_action(action: Action, kind: Kind) -> TimedAction:
    return action, kind in DEATH_KINDS


def _measure_failure(case: DryRunCase, until: float) -> float:
    return max(0.0, (until if case.ended is None else case.ended) - case.began)


def _estimate_failure(case: DryRunCase, until: float, durations: Mapping[TimedAction, float]) -> float:
    acted = max(0.0, case.decided - case.began) + estimate_action(case, durations)
    return min(acted, _measure_failure(case, until))


def _count_ends(cases: Sequence[DryRunCase], until: float) -> dict[str, EndCount]:
    waits: dict[CaseEnd, list[float]] = {}
    for case in cases:
        waits.setdefault(case.end, []).append(case.measure_wait(until))
    return {
        str(end): EndCount(count=len(waits[end]), median=round(median(waits[end]), 1))
        for end in CaseEnd
        if end in waits
    }


def _find_restraint(log: IncidentLog, since: float) -> str:
    """Why HemoStat would not have acted on an incident: the reason of its last outcome, or what became of its
    alert. Empty if the incident has no event in the period, or HemoStat acted."""
    restraint = ""
    for event in log.steps:
        match event.data:
            case RemediationComplete(outcome=Outcome.HEALED | Outcome.FAILED):
                return ""
            case RemediationComplete(reason=reason):
                restraint = str(reason)
            case FalseAlarm():
                restraint = FALSE_ALARM
    return restraint if any(event.time >= since for event in log.steps) else ""
