"""Holds the watched containers, their incidents, and what the monitor must remember about them.

All failures are reported here, so that each is checked for its root cause and for being part of a storm. An
open incident is reviewed in every round: it has ended, its hold is gone, or it continues.
"""

from collections.abc import Collection, Iterable, Iterator
from functools import partial
from typing import Final

import msgspec

from hemostat.core.dependencies.relations import Relations
from hemostat.core.dependencies.root_cause import (
    OWN_FAULT,
    STARVATION_KINDS,
    HoldReason,
    HostState,
    RootCause,
    find_root_cause,
    should_await_check,
)
from hemostat.core.dependencies.state import Observations
from hemostat.core.detection import storm
from hemostat.core.detection.incidents import Incident, IncidentAlert, IncidentEnd, IncidentRegister
from hemostat.core.detection.jobs import explain_job, is_session
from hemostat.core.detection.recovery import describe_recovery
from hemostat.core.detection.restart_owner import EndedRun, get_workload_key, is_predecessor, may_precede
from hemostat.core.detection.stop_intent import (
    SIGNAL_MARGIN_SECONDS,
    PendingExit,
    StopRequest,
    is_requested_death,
    is_stopping,
)
from hemostat.core.detection.storm import StormFailure, Storms, WatchedCounts
from hemostat.core.detection.watched_container import (
    RestoredContainers,
    WatchedContainer,
    create_watched_container,
)
from hemostat.core.labels.project import get_project
from hemostat.core.model import ContainerInfo, Mode
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.settings.trust import TRUST_OWN, TrustSettings
from hemostat.core.usage import gauge
from hemostat.core.usage.baseline import Baseline, round_baseline
from hemostat.events import Container, Evidence, Kind

DEATH_KINDS: Final = frozenset({Kind.EXITED, Kind.OOM})
RECOVERING_KINDS: Final = DEATH_KINDS | {Kind.CRASH_LOOP, Kind.HUNG}
"""Kinds after which a container counts as recovered only some time after it runs again."""


class ContainerRegistry:
    def __init__(
        self, thresholds: MonitorSettings, host: HostState, trust: TrustSettings = TRUST_OWN
    ) -> None:
        self.thresholds = thresholds
        self.host = host
        self.incidents = self._build_register()
        self.relations = Relations(trust)
        self.stops: dict[str, StopRequest] = {}
        self.deaths: dict[str, tuple[float, ...]] = {}
        self.clean_ends: dict[str, int] = {}
        """Number of times that each container ended with 0 by itself."""
        self.runs: dict[str, tuple[EndedRun, ...]] = {}
        self.ooms: dict[str, float] = {}
        """When the kernel last killed a process of the container because memory ran out."""
        self.pending_exits: dict[str, PendingExit] = {}
        """Deaths that cannot be judged yet."""
        self.awaited_restarts: dict[str, PendingExit] = {}
        """Deaths that the container's owner should handle, and the time by which it should have acted."""
        self.has_kill_events = False
        """Whether the engine is known to report kills."""
        self.is_podman = False
        self.mode = Mode("")
        """Mode of the responders, as far as known."""
        self.host_disk_gauge = gauge.Gauge()
        """Gauge of the filesystem with the engine's data."""
        self._containers: dict[str, WatchedContainer] = {}
        self._projects: dict[str, str] = {}
        """The project of each container."""
        self._baselines: dict[str, Baseline] = {}
        self._reached_ids: frozenset[str] = frozenset()
        self.storms = Storms()
        self.watching_since: float | None = None
        self.unheld_since: dict[tuple[str, Kind], float] = {}
        """Since when an incident that was held has had no hold."""

    # --- containers ---------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[WatchedContainer]:
        return iter(tuple(self._containers.values()))

    def get(self, container_id: str) -> WatchedContainer | None:
        return self._containers.get(container_id)

    def restore(self, state: RestoredContainers) -> None:
        requested_stops = {
            name: StopRequest(time=time, until=time + SIGNAL_MARGIN_SECONDS)
            for name, time in state.asked.items()
        }
        self.stops, self.deaths, self._baselines = (
            requested_stops | state.stops,
            dict(state.deaths),
            dict(state.habits),
        )
        self.runs, self.ooms = dict(state.runs), dict(state.ooms)
        self.pending_exits, self.awaited_restarts = dict(state.held), dict(state.awaited)
        self.has_kill_events, self.is_podman = state.kills, state.podman
        self.mode = state.responder_mode or Mode(state.mode)
        self._reached_ids = frozenset(state.reached)
        self.incidents = self._build_register(state.incidents, state.ended)
        self.relations.observed_since = state.began
        self.clean_ends = dict(state.clean_ends)

    def _build_register(
        self, incidents: Iterable[Incident] = (), ended_incidents: Iterable[Incident] = ()
    ) -> IncidentRegister:
        window = self.thresholds.relapse_window
        return IncidentRegister(
            self.host.name, incidents, ended_incidents=ended_incidents, relapse_window=window
        )

    def dump_state(self) -> RestoredContainers:
        habits = {
            each.ref.id: round_baseline(each.baseline, each.thresholds)
            for each in self
            if each.baseline.levels
        }
        return RestoredContainers(
            stops=self.stops,
            deaths=self.deaths,
            runs=self.runs,
            ooms=self.ooms,
            held=self.pending_exits,
            awaited=self.awaited_restarts,
            kills=self.has_kill_events,
            podman=self.is_podman,
            responder_mode=self.mode,
            habits=habits,
            incidents=tuple(self.incidents),
            ended=self.incidents.ended,
            reached=tuple(each.ref.id for each in self if each.probe_state.reached),
            began=self.relations.observed_since,
            clean_ends=self.clean_ends,
        )

    def upsert(self, info: ContainerInfo, now: float) -> WatchedContainer:
        """Add a container, or update one, with its current state."""
        self.relations.update(info)
        container = self._containers.get(info.ref.id)
        self._projects[info.ref.id] = get_project(info.ref)
        if container is not None and container.info.started_at == info.started_at:
            container.info = info
            if info.health == "healthy" and container.health.passed_at is None:
                container.health = msgspec.structs.replace(container.health, passed_at=now)
            return container
        new_container = self._containers[info.ref.id] = create_watched_container(
            info,
            self.thresholds,
            self.incidents.list_open(info.ref.id),
            self._baselines,
            reached=info.ref.id in self._reached_ids,
            now=now,
        )
        if container is not None:
            new_container.baseline = container.baseline
            new_container.probe_state = container.probe_state.reset_for_next_process()
        return new_container

    def remove(self, container_id: str) -> list[IncidentAlert]:
        """Remove a container that is gone, and close its incidents."""
        self._containers.pop(container_id, None)
        self._projects.pop(container_id, None)
        self.relations.remove(container_id)
        for entries in (
            self.stops,
            self.deaths,
            self.runs,
            self.ooms,
            self.pending_exits,
            self.awaited_restarts,
            self.clean_ends,
        ):
            entries.pop(container_id, None)
        alerts = self.incidents.close_incidents(container_id, end=IncidentEnd.REMOVED)
        self.incidents.forget(container_id)
        return alerts

    def list_known_ids(self) -> set[str]:
        """Return the ids of all containers that are watched, are related to a watched container, or have an
        open incident."""
        return (self.relations.list_ids() | {each.container.id for each in self.incidents}) - {""}

    @property
    def host_container(self) -> Container:
        """The host as the subject of an alert."""
        return Container(id="", name=self.host.name)

    def close_recovered(
        self, container: WatchedContainer, kinds: Collection[Kind], now: float
    ) -> list[IncidentAlert]:
        """Close the incidents of these `kinds`, whose conditions have ended."""
        describe = partial(describe_recovery, container=container, now=now)
        return self.incidents.close_incidents(container.ref.id, kinds, describe=describe)

    # --- failures -----------------------------------------------------------------------------------

    def report_failure(
        self,
        container: WatchedContainer,
        kind: Kind,
        *,
        since: float,
        now: float,
        window: float = 0.0,
        evidence: Iterable[Evidence] = (),
    ) -> list[IncidentAlert]:
        """Report a failure with its root cause, and report a storm if this failure begins one."""
        busy = is_session(container.info) or self._is_ending(container, now)
        if busy or self._should_await_check(container, kind, since, now):
            container.reset_raised(kind)
            return []
        storm_alerts, cause = self._check_storm(container, kind, now)
        cause = cause or self.find_cause(container, kind, now)
        return [*storm_alerts, self.open_incident(container, kind, since, window, evidence, cause)]

    def report_alone(
        self, container: WatchedContainer, kind: Kind, *, since: float, evidence: Iterable[Evidence]
    ) -> IncidentAlert:
        """Report what is no part of a storm and has no other root cause: a state from before the first look,
        or a probe that cannot be sent."""
        return self.open_incident(container, kind, since, 0.0, evidence, OWN_FAULT)

    def list_deaths(self, info: ContainerInfo) -> tuple[float, ...]:
        """Return the recorded deaths of the container, and of those that it may replace."""
        deaths = self.deaths.get(get_workload_key(info.ref), ())
        return tuple(death for death in deaths if may_precede(info, death))

    def list_runs(self, info: ContainerInfo) -> tuple[EndedRun, ...]:
        """Return the recorded runs of the container, and of those that it may replace."""
        runs = self.runs.get(get_workload_key(info.ref), ())
        return tuple(run for run in runs if may_precede(info, run.ended))

    def is_looping(self, info: ContainerInfo) -> bool:
        """Return whether a crash loop of the container, or of one that it replaces, is already reported."""
        key = get_workload_key(info.ref)
        return any(
            each.kind is Kind.CRASH_LOOP
            and get_workload_key(each.container) == key
            and ((other := self.get(each.container.id)) is None or is_predecessor(other.info, info))
            for each in self.incidents
        )

    def open_incident(
        self,
        container: WatchedContainer,
        kind: Kind,
        since: float,
        window: float,
        evidence: Iterable[Evidence],
        cause: RootCause,
        *,
        relapsed: bool = True,
    ) -> IncidentAlert:
        downstream = tuple(info.ref.name for info in self.relations.graph.find_downstream(container.ref.id))
        return self.incidents.open_incident(
            container.ref,
            kind,
            since=since,
            window=window,
            evidence=evidence,
            cause=cause,
            downstream=downstream,
            relapsed=relapsed,
        )

    def explain_job(self, info: ContainerInfo) -> str:
        """Return what shows that a container is a job; empty if nothing does."""
        needed_by = self.relations.graph.list_job_dependents(info.ref.id)
        return explain_job(info, needed_by=needed_by, clean_ends=self.clean_ends.get(info.ref.id, 0))

    def _check_storm(
        self, container: WatchedContainer, kind: Kind, now: float
    ) -> tuple[list[IncidentAlert], RootCause | None]:
        """Return whether this failure is one of many that only a fault in something shared explains."""
        project = get_project(container.ref)
        watched = WatchedCounts(len(self._containers), len(set(self._projects.values())))
        failure = StormFailure(now, container.ref.id, kind, project)
        current_storm, verdict = self.storms.add(failure, self._storm_limits, watched)
        if not verdict.is_in_storm:
            return [], None
        alerts = []
        if verdict.is_first:
            names = {each.ref.id: each.ref.name for each in self}
            since, evidence = (
                current_storm.since or now,
                storm.build_storm_evidence(current_storm.failures, names, verdict.project),
            )
            alerts.append(
                self.incidents.open_incident(self.host_container, Kind.STORM, since=since, evidence=evidence)
            )
        return alerts, RootCause(
            self.host.name, HoldReason.STORM, (Evidence("storm", len(current_storm.failures)),)
        )

    @property
    def _storm_limits(self) -> storm.StormLimits:
        return storm.StormLimits(self.thresholds.storm_count, self.thresholds.storm_window)

    def is_in_storm(self, container: WatchedContainer, now: float) -> bool:
        """Return whether a storm of the host or of the container's project lasts."""
        return self.storms.is_project_in_storm(get_project(container.ref), now, self.thresholds.storm_window)

    def find_cause(self, container: WatchedContainer, kind: Kind, now: float) -> RootCause:
        return find_root_cause(
            container.info,
            kind,
            self.relations.graph,
            self.host,
            observations=self.collect_observations(now),
            cpu=container.cpu,
            now=now,
        )

    def collect_observations(self, now: float) -> Observations:
        unreliable = (
            each for each in self.incidents if each.kind in RECOVERING_KINDS and not each.is_never_reached
        )
        recovering = {each.container.id for each in unreliable}
        return self.relations.collect_observations(recovering, self._was_stopped, now)

    def _was_stopped(self, info: ContainerInfo) -> bool:
        """Return whether a user had asked a container that has ended to stop."""
        return is_requested_death(self.stops.get(info.ref.id), info.finished_at)

    def _should_await_check(self, container: WatchedContainer, kind: Kind, since: float, now: float) -> bool:
        """Return whether to delay the report of a failing check, because the next check of a dependency may
        show that the dependency is the root cause."""
        if kind not in STARVATION_KINDS:
            return False
        failing_since = container.info.failing_since if kind is Kind.UNHEALTHY else 0.0
        container.awaits_check = should_await_check(
            failing_since or since, self.relations.find_upstream(container.ref.id), now
        )
        return container.awaits_check

    def _is_ending(self, container: WatchedContainer, now: float) -> bool:
        """Return whether a running container is stopping on request. Failures meanwhile are not reported."""
        return container.info.is_running and is_stopping(self.stops.get(container.ref.id), now)

    # --- waiting ------------------------------------------------------------------------------------

    def has_watched(self, seconds: float, now: float) -> bool:
        """Return whether this monitor has watched for that many seconds. Before that, it must not report the
        end of something that only an earlier monitor knew."""
        return self.watching_since is not None and now - self.watching_since >= seconds

    def list_waiting_ids(self) -> set[str]:
        """Return the ids of containers that wait for a dependency, or for the next health check of one."""
        held_ids = {each.container.id for each in self.incidents if each.held is HoldReason.DEPENDENCY}
        return held_ids | {
            each.ref.id for each in self if each.awaits_check and each.info.health == "unhealthy"
        }
