"""Statistics of the incidents of a period. Pure."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import Final

import msgspec

from hemostat.core.history.incident_log import IncidentLog
from hemostat.events import (
    Event,
    FalseAlarm,
    HealthAlert,
    Investigation,
    Kind,
    Outcome,
    Phase,
    RemediationComplete,
    RemediationNeeded,
)

MAX_OFFENDERS: Final = 10
"""Offenders listed at most."""
SETTLED_STATUSES: Final = frozenset({"cleared", "false_alarm"})


class DurationSpread(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of `count` durations, in seconds. The 95th percentile is the nearest rank."""

    count: int
    mean: float
    p95: float


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
    cost: float = 0.0


class PeriodCount(msgspec.Struct, frozen=True, kw_only=True):
    """Incidents that began from `start` (epoch seconds) up to the next period. `settled` needed no action."""

    start: float
    healed: int = 0
    settled: int = 0
    rest: int = 0


class IncidentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of the incidents with an alert from `since` up to `until` (epoch seconds), with their status
    at the end.

    `healed` ended through HemoStat's actions, `recovered` without them. `refused` and `escalated` count
    incidents with such an outcome at any time, however they ended. `orders` are given by people.
    """

    since: float
    until: float
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
    offenders: tuple[Offender, ...]
    spend: LlmCost
    bars: tuple[PeriodCount, ...]
    dry_runs: int = 0
    """Actions that a dry run reported and did not do."""
    dry_run_containers: int = 0
    """Containers of those actions."""


def summarize(stories: Iterable[IncidentLog], starts: Sequence[float], until: float) -> IncidentSummary:
    """`starts` are the beginnings of the periods, and the first is the beginning of the summary. `stories`
    must not contain events after `until`."""
    since = starts[0]
    every = [story for story in stories if any(event.time >= since for event in story.steps)]
    orders = [story for story in every if story.kind is Kind.ORDERED]
    known = [story for story in every if story.kind is not Kind.ORDERED]
    ended = Counter(story.status for story in known)
    dry_runs = Counter(place for story in known for place in _find_dry_runs(story, since))
    met = Counter(outcome for story in known for outcome in _find_outcomes(story, since))
    return IncidentSummary(
        since=since,
        until=until,
        incidents=len(known),
        alerts=sum(_count_alerts(story, since) for story in known),
        healed=ended["healed"],
        recovered=ended["cleared"],
        false_alarms=ended["false_alarm"],
        failed=ended["failed"],
        open=sum(story.open for story in known),
        refused=met[Outcome.REFUSED],
        escalated=met[Outcome.ESCALATED],
        orders=len(orders),
        detect=compute_spread([each for story in known for each in _measure_detection(story, since)]),
        heal=compute_spread([each for story in known for each in _measure_healing(story, since)]),
        offenders=tuple(_find_offenders(known, since)),
        spend=_sum_llm_cost(event for story in known for event in story.steps if event.time >= since),
        bars=tuple(_count_periods(known, starts)),
        dry_runs=sum(dry_runs.values()),
        dry_run_containers=len(dry_runs),
    )


def compute_spread(seconds: Sequence[float]) -> DurationSpread | None:
    if not seconds:
        return None
    rank = ceil(0.95 * len(seconds)) - 1
    return DurationSpread(count=len(seconds), mean=sum(seconds) / len(seconds), p95=sorted(seconds)[rank])


def _find_raised_alerts(story: IncidentLog, since: float) -> Iterator[tuple[Event, HealthAlert]]:
    for event in story.steps:
        if isinstance(event.data, HealthAlert) and event.data.phase is Phase.RAISED and event.time >= since:
            yield event, event.data


def _count_alerts(story: IncidentLog, since: float) -> int:
    return len({alert.occurrence for _, alert in _find_raised_alerts(story, since)})


def _find_outcomes(story: IncidentLog, since: float) -> set[Outcome]:
    return {
        event.data.outcome
        for event in story.steps
        if isinstance(event.data, RemediationComplete) and event.time >= since
    }


def _find_dry_runs(story: IncidentLog, since: float) -> Iterator[tuple[str, str]]:
    """The container, once for each action of a dry run."""
    for event in story.steps:
        done = event.data
        if isinstance(done, RemediationComplete) and done.outcome is Outcome.DRY_RUN and event.time >= since:
            yield story.host, done.container.name


def _measure_detection(story: IncidentLog, since: float) -> Iterator[float]:
    for event, alert in _find_raised_alerts(story, since):
        yield max(0.0, event.time - alert.since)


def _measure_healing(story: IncidentLog, since: float) -> Iterator[float]:
    """Seconds from the failure's beginning, as the last alert states it, to the confirmed recovery."""
    began: float | None = None
    for event in story.steps:
        match event.data:
            case HealthAlert(phase=Phase.RAISED) as alert:
                began = alert.since
            case RemediationComplete(outcome=Outcome.HEALED) if began is not None and event.time >= since:
                yield max(0.0, event.time - began)
                began = None


def _find_offenders(stories: Sequence[IncidentLog], since: float) -> list[Offender]:
    own: dict[tuple[str, str], list[IncidentLog]] = {}
    for story in stories:
        own.setdefault((story.host, story.container.name), []).append(story)
    found = [
        Offender(
            host=host,
            container=container,
            incidents=len(mine),
            alerts=sum(_count_alerts(story, since) for story in mine),
            healed=sum(story.status == "healed" for story in mine),
            kinds=dict(Counter(str(story.kind) for story in mine).most_common()),
        )
        for (host, container), mine in own.items()
    ]
    return sorted(found, key=lambda each: (-each.alerts, -each.incidents, each.host, each.container))[
        :MAX_OFFENDERS
    ]


def _sum_llm_cost(events: Iterable[Event]) -> LlmCost:
    """The total cost. An investigation appears in every action that follows from it, and is counted once."""
    paid: set[tuple[str | None, Investigation]] = set()
    for event in events:
        match event.data:
            case RemediationNeeded(diagnosis=made) | FalseAlarm(diagnosis=made):
                if made.investigation is not None and not made.investigation.reused:
                    paid.add((event.incident, made.investigation))
    return LlmCost(
        diagnoses=len(paid),
        tokens=sum(each.tokens for _, each in paid),
        cost=sum(each.cost for _, each in paid),
    )


def _count_periods(stories: Sequence[IncidentLog], starts: Sequence[float]) -> list[PeriodCount]:
    counts = [Counter[str]() for _ in starts]
    for story in stories:
        place = max(0, bisect_right(starts, story.since) - 1)
        counts[place]["healed" if story.status == "healed" else _classify_unhealed(story)] += 1
    return [PeriodCount(start=start, **count) for start, count in zip(starts, counts, strict=True)]


def _classify_unhealed(story: IncidentLog) -> str:
    return "settled" if story.status in SETTLED_STATUSES else "rest"
