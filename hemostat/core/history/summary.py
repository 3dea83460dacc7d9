"""Statistics of the incidents of a period. Pure."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import Annotated, Final

import msgspec

from hemostat.core.history.dry_run import find_all_cases, select_end_facts
from hemostat.core.history.healing_time import measure_approval
from hemostat.core.history.incident_log import IncidentLog
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import (
    Action,
    Container,
    Diagnosis,
    Epoch,
    Event,
    FalseAlarm,
    HealthAlert,
    Investigation,
    Kind,
    Order,
    Outcome,
    Phase,
    RemediationComplete,
    RemediationNeeded,
)
from hemostat.events.fields import renamed_to

DEFAULT_LIMITS: Final = ResponderSettings()
MAX_OFFENDERS: Final = 10
"""Offenders listed at most."""
SETTLED_STATUSES: Final = frozenset({"cleared", "closed", "false_alarm"})


class DurationSpread(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of `count` durations, in seconds. The 95th percentile is the nearest rank."""

    count: int
    mean: Annotated[float, renamed_to("mean_seconds")]
    p95: Annotated[float, renamed_to("p95_seconds")]


class Offender(msgspec.Struct, frozen=True, kw_only=True):
    """A container by how often it failed. `alerts` counts every occurrence, `kinds` counts incidents by
    kind."""

    host: str
    container: str
    incidents: int
    alerts: int
    healed: int
    kinds: dict[str, int]


class LlmCost(msgspec.Struct, frozen=True, kw_only=True):
    """Diagnoses by models: their number, tokens and US dollars. Reused diagnoses do not count."""

    diagnoses: int = 0
    tokens: int = 0
    cost: Annotated[float, renamed_to("cost_usd")] = 0.0


class ActionCount(msgspec.Struct, frozen=True, kw_only=True):
    """Actions of one name on incidents, by whether the container was healthy afterwards."""

    healed: int = 0
    failed: int = 0


class PeriodCount(msgspec.Struct, frozen=True, kw_only=True):
    """Incidents that began from `start` (epoch seconds) up to the next period. `settled` needed no action."""

    start: Epoch
    healed: int = 0
    settled: int = 0
    rest: int = 0


class IncidentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of the incidents with an alert from `since` up to `until` (epoch seconds), with their status
    at the end.

    `healed` ended through HemoStat's actions, `recovered` without them. `refused` and `escalated` count
    incidents with such an outcome at any time, however they ended. `orders` are given by people.
    """

    since: Epoch
    until: Epoch
    incidents: int
    alerts: int
    healed: int
    recovered: int
    false_alarms: int
    failed: int
    open: int
    refused: int
    escalated: int
    orders: int
    detect: DurationSpread | None
    heal: DurationSpread | None
    offenders: Annotated[tuple[Offender, ...], renamed_to("worst_containers")]
    spend: LlmCost
    bars: Annotated[tuple[PeriodCount, ...], renamed_to("periods")]
    dry_runs: int = 0
    """Actions that would have been done without the dry run, within the limits."""
    dry_run_containers: int = 0
    """Containers of those actions."""
    closed: int = 0
    """Incidents that people have closed."""
    actions: dict[str, ActionCount] = {}
    """The actions of HemoStat on incidents, by name; the most frequent first."""


def summarize(
    incident_logs: Iterable[IncidentLog],
    starts: Sequence[float],
    until: float,
    limits: ResponderSettings = DEFAULT_LIMITS,
) -> IncidentSummary:
    """`starts` are the beginnings of the periods, and the first is the beginning of the summary.
    `incident_logs` must not contain events after `until`. `limits` bound the actions of a dry run."""
    since = starts[0]
    every = [
        incident_log
        for incident_log in incident_logs
        if any(event.time >= since for event in incident_log.steps)
    ]
    orders = [incident_log for incident_log in every if incident_log.kind is Kind.ORDERED]
    incidents = [incident_log for incident_log in every if incident_log.kind is not Kind.ORDERED]
    status_counts = Counter(incident_log.status for incident_log in incidents)
    dry_runs = Counter(
        (case.host, case.container)
        for case in find_all_cases(every, limits)
        if case.decided >= since and case.is_rehearsed
    )
    met = Counter(outcome for incident_log in incidents for outcome in _find_outcomes(incident_log, since))
    return IncidentSummary(
        since=since,
        until=until,
        incidents=len(incidents),
        alerts=sum(count_alerts(incident_log, since) for incident_log in incidents),
        healed=status_counts["healed"],
        recovered=status_counts["cleared"],
        false_alarms=status_counts["false_alarm"],
        failed=status_counts["failed"],
        open=sum(incident_log.is_open for incident_log in incidents),
        refused=met[Outcome.REFUSED],
        escalated=met[Outcome.ESCALATED],
        orders=len(orders),
        detect=compute_spread(
            [each for incident_log in incidents for each in _measure_detection(incident_log, since)]
        ),
        heal=compute_spread(
            [each for incident_log in incidents for each in _measure_healing(incident_log, since)]
        ),
        offenders=tuple(_find_offenders(incidents, since)),
        spend=_sum_llm_cost(
            event for incident_log in incidents for event in incident_log.steps if event.time >= since
        ),
        bars=tuple(_count_periods(incidents, starts)),
        dry_runs=sum(dry_runs.values()),
        dry_run_containers=len(dry_runs),
        closed=status_counts["closed"],
        actions=_count_actions(incidents, since),
    )


def trim_event(event: Event) -> Event:
    """Return the event with what statistics read. Other users of a host choose how large its events are, and
    those of a period must fit into memory."""
    data = event.data
    changes: dict[str, object] = {}
    match data:
        case HealthAlert():
            return msgspec.structs.replace(event, data=_trim_alert(data))
        case (
            RemediationNeeded(alert=alert, diagnosis=diagnosis) | FalseAlarm(alert=alert, diagnosis=diagnosis)
        ):
            changes = {"alert": _trim_alert(alert), "diagnosis": _trim_diagnosis(diagnosis)}
        case RemediationComplete(container=container, diagnosis=diagnosis):
            changes = {"container": _trim_container(container), "diagnosis": _trim_diagnosis(diagnosis)}
            changes |= {"detail": "", "alert": None}
        case Order(container=container):
            changes = {"container": _trim_container(container), "reason": ""}
    return msgspec.structs.replace(event, data=msgspec.structs.replace(data, **changes))


def _trim_alert(alert: HealthAlert) -> HealthAlert:
    container, facts = _trim_container(alert.container), select_end_facts(alert)
    return msgspec.structs.replace(alert, container=container, evidence=facts, root="", downstream=())


def _trim_container(container: Container) -> Container:
    return Container(id=container.id, name=container.name)


def _trim_diagnosis(diagnosis: Diagnosis) -> Diagnosis:
    answer = diagnosis.investigation
    if answer is not None:
        answer = msgspec.structs.replace(answer, roots=(), quotes=(), expect="", alternative="", steps=())
    return msgspec.structs.replace(diagnosis, reasons=(), investigation=answer)


def compute_spread(seconds: Sequence[float]) -> DurationSpread | None:
    if not seconds:
        return None
    rank = ceil(0.95 * len(seconds)) - 1
    return DurationSpread(count=len(seconds), mean=sum(seconds) / len(seconds), p95=sorted(seconds)[rank])


def _find_raised_alerts(incident_log: IncidentLog, since: float) -> Iterator[tuple[Event, HealthAlert]]:
    for event in incident_log.steps:
        if isinstance(event.data, HealthAlert) and event.data.phase is Phase.RAISED and event.time >= since:
            yield event, event.data


def count_alerts(incident_log: IncidentLog, since: float) -> int:
    """Return how often the incident's failure occurred from `since` (epoch seconds)."""
    return len({alert.occurrence for _, alert in _find_raised_alerts(incident_log, since)})


def _find_outcomes(incident_log: IncidentLog, since: float) -> set[Outcome]:
    return {
        event.data.outcome
        for event in incident_log.steps
        if isinstance(event.data, RemediationComplete) and event.time >= since
    }


def _count_actions(incident_logs: Iterable[IncidentLog], since: float) -> dict[str, ActionCount]:
    results = Counter(
        (str(event.data.action), event.data.outcome)
        for incident_log in incident_logs
        for event in incident_log.steps
        if isinstance(event.data, RemediationComplete)
        and event.data.outcome in {Outcome.HEALED, Outcome.FAILED}
        and event.data.action is not Action.NONE
        and event.time >= since
    )
    names = Counter[str]()
    for (name, _), count in results.items():
        names[name] += count
    return {
        name: ActionCount(healed=results[name, Outcome.HEALED], failed=results[name, Outcome.FAILED])
        for name, _ in names.most_common()
    }


def _measure_detection(incident_log: IncidentLog, since: float) -> Iterator[float]:
    for event, alert in _find_raised_alerts(incident_log, since):
        yield max(0.0, event.time - alert.since)


def _measure_healing(incident_log: IncidentLog, since: float) -> Iterator[float]:
    """Seconds from the failure's beginning, as the last alert states it, to the confirmed recovery, without
    the wait for approval."""
    failing_since: float | None = None
    for event in incident_log.steps:
        match event.data:
            case HealthAlert(phase=Phase.RAISED) as alert:
                failing_since = alert.since
            case RemediationComplete(outcome=Outcome.HEALED) as completion if (
                failing_since is not None and event.time >= since
            ):
                yield max(0.0, event.time - failing_since - measure_approval(completion))
                failing_since = None


def _find_offenders(incident_logs: Sequence[IncidentLog], since: float) -> list[Offender]:
    own: dict[tuple[str, str], list[IncidentLog]] = {}
    for incident_log in incident_logs:
        own.setdefault((incident_log.host, incident_log.container.name), []).append(incident_log)
    offenders = [
        Offender(
            host=host,
            container=container,
            incidents=len(own_logs),
            alerts=sum(count_alerts(incident_log, since) for incident_log in own_logs),
            healed=sum(incident_log.status == "healed" for incident_log in own_logs),
            kinds=dict(Counter(str(incident_log.kind) for incident_log in own_logs).most_common()),
        )
        for (host, container), own_logs in own.items()
    ]
    return sorted(offenders, key=lambda each: (-each.alerts, -each.incidents, each.host, each.container))[
        :MAX_OFFENDERS
    ]


def _sum_llm_cost(events: Iterable[Event]) -> LlmCost:
    """The total cost. An investigation appears in every action that follows from it, and is counted once."""
    paid: set[tuple[str | None, Investigation]] = set()
    for event in events:
        match event.data:
            case RemediationNeeded(diagnosis=diagnosis) | FalseAlarm(diagnosis=diagnosis):
                if diagnosis.investigation is not None and not diagnosis.investigation.reused:
                    paid.add((event.incident, diagnosis.investigation))
    return LlmCost(
        diagnoses=len(paid),
        tokens=sum(each.tokens for _, each in paid),
        cost=sum(each.cost for _, each in paid),
    )


def _count_periods(incident_logs: Sequence[IncidentLog], starts: Sequence[float]) -> list[PeriodCount]:
    counts = [Counter[str]() for _ in starts]
    for incident_log in incident_logs:
        index = max(0, bisect_right(starts, incident_log.since) - 1)
        counts[index]["healed" if incident_log.status == "healed" else _classify_unhealed(incident_log)] += 1
    return [PeriodCount(start=start, **count) for start, count in zip(starts, counts, strict=True)]


def _classify_unhealed(incident_log: IncidentLog) -> str:
    return "settled" if incident_log.status in SETTLED_STATUSES else "rest"
