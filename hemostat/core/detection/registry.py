"""Holds the watched containers, their incidents, and what the monitor must remember about them.

All failures are reported here, so that each is checked for its root cause and for being part of a storm. An
open incident is reviewed in every round: it has ended, its hold is gone, or it continues.
"""

from collections.abc import Iterable, Iterator
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
from hemostat.core.detection.incidents import Incident, IncidentAlert, IncidentRegister
from hemostat.core.detection.jobs import explain_job, is_session
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
from hemostat.core.model import ContainerInfo
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
        self.register = self._build_register()
        self.relations = Relations(trust)
        self.stops: dict[str, StopRequest] = {}
        self.deaths: dict[str, tuple[float, ...]] = {}
        self.clean_ends: dict[str, int] = {}
        """Number of times that each container ended with 0 by itself."""
        self.runs: dict[str, tuple[EndedRun, ...]] = {}
        self.ooms: dict[str, float] = {}
        """When the kernel last killed a process of the container because memory ran out."""
        self.held: dict[str, PendingExit] = {}
        """Deaths that cannot be judged yet."""
        self.awaited: dict[str, PendingExit] = {}
        """Deaths that the container's owner should handle, and the time by which it should have acted."""
        self.kills = False
        """Whether the engine is known to report kills."""
        self.podman = False
        self.mode = ""
        """Mode of the responders, as far as known."""
        self.disk = gauge.Gauge()
        """Gauge of the filesystem with the engine's data."""
        self._containers: dict[str, WatchedContainer] = {}
        self._projects: dict[str, str] = {}
        """The project of each container."""
        self._baselines: dict[str, Baseline] = {}
        self._reached_ids: frozenset[str] = frozenset()
        self.storms = Storms()
        self.began: float | None = None
        self.unheld_since: dict[tuple[str, Kind], float] = {}
        """Since when an incident that was held has had no hold."""

    # --- containers ---------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[WatchedContainer]:
        return iter(tuple(self._containers.values()))

    def get(self, container_id: str) -> WatchedContainer | None:
        return self._containers.get(container_id)

    def restore(self, past: RestoredContainers) -> None:
        asked = {
            name: StopRequest(time=time, until=time + SIGNAL_MARGIN_SECONDS)
            for name, time in past.asked.items()
        }
        self.stops, self.deaths, self._baselines = asked | past.stops, dict(past.deaths), dict(past.habits)
        self.runs, self.ooms = dict(past.runs), dict(past.ooms)
        self.held, self.awaited = dict(past.held), dict(past.awaited)
        self.kills, self.podman, self.mode = past.kills, past.podman, past.mode
        self._reached_ids = frozenset(past.reached)
        self.register = self._build_register(past.incidents, past.ended)
        self.relations.began = past.began
        self.clean_ends = dict(past.clean_ends)

    def _build_register(
        self, incidents: Iterable[Incident] = (), ended: Iterable[Incident] = ()
    ) -> IncidentRegister:
        window = self.thresholds.relapse_window
        return IncidentRegister(self.host.name, incidents, ended=ended, relapse_window=window)

    def past(self) -> RestoredContainers:
        habits = {each.ref.id: round_baseline(each.habit, each.tuned) for each in self if each.habit.levels}
        return RestoredContainers(
            stops=self.stops,
            deaths=self.deaths,
            runs=self.runs,
            ooms=self.ooms,
            held=self.held,
            awaited=self.awaited,
            kills=self.kills,
            podman=self.podman,
            mode=self.mode,
            habits=habits,
            incidents=tuple(self.register),
            ended=self.register.ended,
            reached=tuple(each.ref.id for each in self if each.probing.reached),
            began=self.relations.began,
            clean_ends=self.clean_ends,
        )

    def upsert(self, info: ContainerInfo, now: float) -> WatchedContainer:
        """Add a container, or update one, with its current state."""
        self.relations.update(info)
        patient = self._containers.get(info.ref.id)
        self._projects[info.ref.id] = get_project(info.ref)
        if patient is not None and patient.info.started_at == info.started_at:
            patient.info = info
            if info.health == "healthy" and patient.health.passed is None:
                patient.health = msgspec.structs.replace(patient.health, passed=now)
            return patient
        newly = self._containers[info.ref.id] = create_watched_container(
            info,
            self.thresholds,
            self.register.of(info.ref.id),
            self._baselines,
            reached=info.ref.id in self._reached_ids,
            now=now,
        )
        if patient is not None:
            newly.habit = patient.habit
            newly.probing = patient.probing.of_next_process()
        return newly

    def remove(self, container_id: str) -> list[IncidentAlert]:
        """Remove a container that is gone, and close its incidents."""
        self._containers.pop(container_id, None)
        self._projects.pop(container_id, None)
        self.relations.remove(container_id)
        for known in (
            self.stops,
            self.deaths,
            self.runs,
            self.ooms,
            self.held,
            self.awaited,
            self.clean_ends,
        ):
            known.pop(container_id, None)
        told = self.register.closed(container_id)
        self.register.forget(container_id)
        return told

    def known(self) -> set[str]:
        """Return the ids of all containers that are watched, are related to a watched container, or have an
        open incident."""
        return (self.relations.known() | {each.container.id for each in self.register}) - {""}

    @property
    def itself(self) -> Container:
        """The host as the subject of an alert."""
        return Container(id="", name=self.host.name)

    # --- failures -----------------------------------------------------------------------------------

    def fail(
        self,
        patient: WatchedContainer,
        kind: Kind,
        *,
        since: float,
        now: float,
        window: float = 0.0,
        evidence: Iterable[Evidence] = (),
    ) -> list[IncidentAlert]:
        """Report a failure with its root cause, and report a storm if this failure begins one."""
        busy = is_session(patient.info) or self._is_ending(patient, now)
        if busy or self._should_await_check(patient, kind, since, now):
            patient.unraise(kind)
            return []
        told, cause = self._check_storm(patient, kind, now)
        cause = cause or self.find_cause(patient, kind, now)
        return [*told, self.open_incident(patient, kind, since, window, evidence, cause)]

    def tell(
        self, patient: WatchedContainer, kind: Kind, *, since: float, evidence: Iterable[Evidence]
    ) -> IncidentAlert:
        """Report a state from before the first look, as no part of a storm and without another root cause."""
        return self.open_incident(patient, kind, since, 0.0, evidence, OWN_FAULT)

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
            for each in self.register
        )

    def open_incident(
        self,
        patient: WatchedContainer,
        kind: Kind,
        since: float,
        window: float,
        evidence: Iterable[Evidence],
        cause: RootCause,
        *,
        relapsed: bool = True,
    ) -> IncidentAlert:
        downstream = tuple(info.ref.name for info in self.relations.topology.downstream(patient.ref.id))
        return self.register.opened(
            patient.ref,
            kind,
            since=since,
            window=window,
            evidence=evidence,
            cause=cause,
            downstream=downstream,
            relapsed=relapsed,
        )

    def job_reason(self, info: ContainerInfo) -> str:
        """Return what shows that a container is a job; empty if nothing does."""
        needed_by = self.relations.topology.must_complete(info.ref.id)
        return explain_job(info, needed_by=needed_by, clean_ends=self.clean_ends.get(info.ref.id, 0))

    def _check_storm(
        self, patient: WatchedContainer, kind: Kind, now: float
    ) -> tuple[list[IncidentAlert], RootCause | None]:
        """Return whether this failure is one of many that only a fault in something shared explains."""
        project = get_project(patient.ref)
        watched = WatchedCounts(len(self._containers), len(set(self._projects.values())))
        failure = StormFailure(now, patient.ref.id, kind, project)
        found, verdict = self.storms.add(failure, self._storm_limits, watched)
        if not verdict.raging:
            return [], None
        told = []
        if verdict.began:
            names = {each.ref.id: each.ref.name for each in self}
            since, evidence = (
                found.since or now,
                storm.build_storm_evidence(found.failures, names, verdict.project),
            )
            told.append(self.register.opened(self.itself, Kind.STORM, since=since, evidence=evidence))
        return told, RootCause(self.host.name, HoldReason.STORM, (Evidence("storm", len(found.failures)),))

    @property
    def _storm_limits(self) -> storm.StormLimits:
        return storm.StormLimits(self.thresholds.storm_count, self.thresholds.storm_window)

    def is_in_storm(self, patient: WatchedContainer, now: float) -> bool:
        """Return whether a storm of the host or of the container's project lasts."""
        return self.storms.holds(get_project(patient.ref), now, self.thresholds.storm_window)

    def find_cause(self, patient: WatchedContainer, kind: Kind, now: float) -> RootCause:
        return find_root_cause(
            patient.info,
            kind,
            self.relations.topology,
            self.host,
            observations=self.observations(),
            cpu=patient.cpu,
            now=now,
        )

    def observations(self) -> Observations:
        unreliable = (
            each for each in self.register if each.kind in RECOVERING_KINDS and not each.says_nothing
        )
        recovering = {each.container.id for each in unreliable}
        return self.relations.observations(recovering, self._was_stopped)

    def _was_stopped(self, info: ContainerInfo) -> bool:
        """Return whether a user had asked a container that has ended to stop."""
        return is_requested_death(self.stops.get(info.ref.id), info.finished_at)

    def _should_await_check(self, patient: WatchedContainer, kind: Kind, since: float, now: float) -> bool:
        """Return whether to delay the report of a failing check, because the next check of a dependency may
        show that the dependency is the root cause."""
        if kind not in STARVATION_KINDS:
            return False
        began = patient.info.failing_since if kind is Kind.UNHEALTHY else 0.0
        patient.awaits_check = should_await_check(
            began or since, self.relations.upstream(patient.ref.id), now
        )
        return patient.awaits_check

    def _is_ending(self, patient: WatchedContainer, now: float) -> bool:
        """Return whether a running container is stopping on request. Failures meanwhile are not reported."""
        return patient.info.running and is_stopping(self.stops.get(patient.ref.id), now)

    # --- waiting ------------------------------------------------------------------------------------

    def has_watched(self, seconds: float, now: float) -> bool:
        """Return whether this monitor has watched for that many seconds. Before that, it must not report the
        end of something that only an earlier monitor knew."""
        return self.began is not None and now - self.began >= seconds

    def waiting(self) -> set[str]:
        """Return the ids of containers that wait for a dependency, or for the next health check of one."""
        held = {each.container.id for each in self.register if each.held is HoldReason.DEPENDENCY}
        return held | {each.ref.id for each in self if each.awaits_check and each.info.health == "unhealthy"}
