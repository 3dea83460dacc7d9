"""Compares the incidents of a period with those of the period of the same length before it. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from hemostat.core.history.dry_run import DryRunSummary, summarize_dry_run
from hemostat.core.history.incident_log import IncidentLog, build_incident_logs
from hemostat.core.history.summary import DEFAULT_LIMITS, IncidentSummary, count_alerts, summarize, trim_event
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Event, Kind

Subject = tuple[str, str, Kind]
"""A host, a container's name and what failed."""


class Trend(StrEnum):
    NEW = "new"
    MORE = "more often"
    FEWER = "less often"
    ENDED = "no longer"


class FailureChange(msgspec.Struct, frozen=True, kw_only=True):
    """A failure that occurred more or less often than in the period before. `alerts` and `alerts_before` are
    the numbers of its occurrences."""

    trend: Trend
    host: str
    container: str
    kind: Kind
    alerts: int
    alerts_before: int


class PeriodReport(IncidentSummary, frozen=True, kw_only=True):
    """The statistics of a period, of the period before, and the differences: new failures first."""

    previous: IncidentSummary
    changes: tuple[FailureChange, ...]
    dry_run: DryRunSummary | None = None
    """What would have been done in a dry run or with an approval; None if nothing was left undone."""


def build_report(
    events: Iterable[Event],
    starts: Sequence[float],
    until: float,
    limits: ResponderSettings = DEFAULT_LIMITS,
) -> PeriodReport:
    """`starts` are the beginnings of the parts of the period, in epoch seconds. `events` are those up to
    `until` which belong to incidents of this period or of the one before. `limits` are the responders'."""
    since = starts[0]
    events = [trim_event(event) for event in events if event.time < until]
    logs = build_incident_logs(events)
    logs_before = build_incident_logs(event for event in events if event.time < since)
    start_before = compute_previous_start(since, until)
    return PeriodReport(
        **msgspec.structs.asdict(summarize(logs, starts, until, limits)),
        previous=summarize(logs_before, [start_before], since, limits),
        changes=tuple(compare_failures(logs, since, logs_before, start_before)),
        dry_run=summarize_dry_run(logs, since, until, limits),
    )


def compute_previous_start(since: float, until: float) -> float:
    """Return the start of the period of the same length that ends at `since`."""
    return since - (until - since)


def compare_failures(
    logs: Iterable[IncidentLog], since: float, logs_before: Iterable[IncidentLog], since_before: float
) -> list[FailureChange]:
    """Return the failures that occurred more or less often in `logs` from `since`, than in `logs_before` from
    `since_before`. A failure that is still open has not ended."""
    logs = list(logs)
    now, before = _count_failures(logs, since), _count_failures(logs_before, since_before)
    still_open = {_get_subject(each) for each in logs if each.is_open}
    changes = [
        FailureChange(
            trend=_find_trend(now[subject], before[subject]),
            host=subject[0],
            container=subject[1],
            kind=subject[2],
            alerts=now[subject],
            alerts_before=before[subject],
        )
        for subject in now.keys() | before.keys()
        if now[subject] != before[subject] and (now[subject] or subject not in still_open)
    ]
    trends = list(Trend)
    changes.sort(key=lambda each: (each.host, each.container, each.kind))
    changes.sort(key=lambda each: (trends.index(each.trend), -abs(each.alerts - each.alerts_before)))
    return changes


def _count_failures(logs: Iterable[IncidentLog], since: float) -> Counter[Subject]:
    counts = Counter[Subject]()
    for each in logs:
        if each.kind is not Kind.ORDERED:
            counts[_get_subject(each)] += count_alerts(each, since)
    return +counts


def _get_subject(incident_log: IncidentLog) -> Subject:
    return incident_log.host, incident_log.container.name, incident_log.kind


def _find_trend(alerts: int, alerts_before: int) -> Trend:
    if not alerts_before:
        return Trend.NEW
    if not alerts:
        return Trend.ENDED
    return Trend.MORE if alerts > alerts_before else Trend.FEWER
