"""Handles one round of samples: judges and shows each container, then judges held exits and open
incidents."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from hemostat.agents.monitor.container_errors import ContainerErrors
from hemostat.agents.monitor.death_watch import DeathWatch
from hemostat.agents.monitor.inspections import Inspections
from hemostat.agents.monitor.last_stats import LastStats
from hemostat.core.detection import deaths, on_event, on_sample, review
from hemostat.core.detection.incidents import Incident, IncidentAlert
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.labels.project import NO_PROJECT, get_project
from hemostat.core.labels.project_turns import Turns
from hemostat.core.model import Sample
from hemostat.core.usage.process_activity import Activity
from hemostat.errors import HemoStatError
from hemostat.events import ContainerStats, Kind, Phase
from hemostat.ports import Sampler

ROUND_SECONDS: Final = 0.25
"""Seconds in each round for reading what processes do, as many for inspecting what incidents wait for, and as
many for reviewing incidents: exits wait meanwhile."""

T = TypeVar("T")


class SampleRound:
    """Handles rounds of samples. `history` returns the stored measurements of the container of a name, oldest
    first. `stopwatch` returns seconds from an arbitrary start."""

    def __init__(
        self,
        registry: ContainerRegistry,
        lookups: Inspections,
        death_watch: DeathWatch,
        faults: ContainerErrors,
        last_stats: LastStats,
        sampler: Sampler,
        *,
        host_memory: int,
        history: Callable[[str], Sequence[MetricPoint]],
        stopwatch: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._inspections = lookups
        self._death_watch = death_watch
        self._errors = faults
        self._last_stats = last_stats
        self._sampler = sampler
        self._host_memory = host_memory
        self._history = history
        self._readings = Turns[str](stopwatch, ROUND_SECONDS, key=str, project=self._project)
        self._glances = Turns[str](stopwatch, ROUND_SECONDS, key=str, project=self._project)
        self._reviews = Turns[Incident](
            stopwatch,
            ROUND_SECONDS,
            key=lambda each: each.key,
            project=lambda each: get_project(each.container),
        )

    def _project(self, container_id: str) -> str:
        container = self._registry.get(container_id)
        return NO_PROJECT if container is None else get_project(container.ref)

    def judge(self, samples: Iterable[Sample], now: float) -> list[IncidentAlert]:
        by_id = {sample.container_id: sample for sample in samples}
        activities = self._read_activities(by_id, now)
        alerts: list[IncidentAlert] = []
        for container in self._registry:
            sample = by_id.get(container.ref.id) if container.info.is_running else None
            judge = partial(self._judge, container, sample, activities.get(container.ref.id), now)
            alerts += self._attempt(container, "evaluate a sample of", judge) or []
        alerts += (
            self._death_watch.judge_held(now)
            + self._death_watch.judge_ooms(now)
            + self._death_watch.look_again(now)
        )
        unreplaced = partial(deaths.report_unreplaced, self._registry, now)
        alerts += self._errors.attempt("", "all", "find the replacements of", unreplaced) or []
        return alerts + self._review_waiting(now)

    def collect_changed_stats(self, samples: Iterable[Sample], now: float) -> list[ContainerStats]:
        """Return the stats that have changed since they were last shown."""
        by_id = {sample.container_id: sample for sample in samples}
        stats: list[ContainerStats] = []
        for container in self._registry:
            sample = by_id.get(container.ref.id) if container.info.is_running else None
            update = partial(self._last_stats.update, container, sample, now)
            shown = self._attempt(container, "show", update)
            stats += [] if shown is None else [shown]
        return stats

    def _attempt(self, container: WatchedContainer, doing: str, call: Callable[[], T]) -> T | None:
        return self._errors.attempt(container.ref.id, container.ref.name, doing, call)

    def _read_activities(self, samples: Mapping[str, Sample], now: float) -> dict[str, Activity | None]:
        """Read what the processes of each container do that uses much CPU, by id, as far as there is time."""
        busy = {
            each.ref.id: each
            for each in self._registry
            if each.info.is_running
            and (sample := samples.get(each.ref.id)) is not None
            and self._attempt(each, "check the CPU of", partial(self._uses_much_cpu, each, sample))
        }
        return {
            key: self._attempt(
                busy[key], "read the processes of", partial(self._sampler.read_activity, busy[key].info, now)
            )
            for key in self._readings.take(busy)
        }

    def _uses_much_cpu(self, container: WatchedContainer, sample: Sample) -> bool:
        return on_sample.should_read_activity(
            container, sample, on_sample.find_limits(container, self._host_memory)
        )

    def _judge(
        self, container: WatchedContainer, sample: Sample | None, activity: Activity | None, now: float
    ) -> list[IncidentAlert]:
        alerts = [] if sample is None else self._observe(container, sample, activity, now)
        return alerts + on_event.judge_health(self._registry, container, now)

    def _observe(
        self, container: WatchedContainer, sample: Sample, activity: Activity | None, now: float
    ) -> list[IncidentAlert]:
        registry, bounds = self._registry, on_sample.find_limits(container, self._host_memory)
        if on_sample.should_read_history(container, sample, bounds):
            self._restore_trend(container, sample)
        alerts: list[IncidentAlert] = []
        for kind, phase, since, evidence in on_sample.record_sample(container, sample, bounds, activity):
            if phase is Phase.CLEARED:
                alerts += registry.close_recovered(container, [kind], now)
                continue
            if kind is Kind.OOM:
                self._death_watch.note_oom(container.ref.id, now)
                continue
            self._inspections.try_inspect_upstream(container.ref.id, now)
            window = container.thresholds.window
            alerts += registry.report_failure(
                container, kind, since=since, now=now, window=window, evidence=evidence
            )
        return alerts

    def _restore_trend(self, container: WatchedContainer, sample: Sample) -> None:
        """Restore a trend from stored measurements, so that it survives a restart of this monitor. Without
        them the trend starts again."""
        with suppress(HemoStatError):
            on_sample.restore_history(container, self._history(container.ref.name), sample)

    def _review_waiting(self, now: float) -> list[IncidentAlert]:
        for container_id in self._glances.take(sorted(self._registry.list_waiting_ids())):
            glance = partial(self._inspections.try_inspect_upstream, container_id, now)
            self._errors.attempt(
                container_id, self._inspections.find_name(container_id), "inspect the dependencies of", glance
            )
        review.prepare_review(self._registry, now)
        alerts: list[IncidentAlert] = []
        for incident in self._reviews.take(tuple(self._registry.incidents)):
            ref, look = incident.container, partial(review.review_incident, self._registry, incident, now)
            alerts += self._errors.attempt(ref.id, ref.name, "review an incident of", look) or []
        return alerts
