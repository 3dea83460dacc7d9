"""The containers under watch, what is wrong with them, and what the monitor must remember of them.

Failures are told here and nowhere else, so that each is asked where it comes from, and whether it is one of
many. Told once, an incident is looked at in every round: it is over, or what held it has gone, or it goes on.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from hemostat.core import detect, storm
from hemostat.core.baseline import Baseline, rounded
from hemostat.core.blame import STARVED, Host, awaits_check, blame
from hemostat.core.dependency import Observations
from hemostat.core.finding import ParentLimits
from hemostat.core.health import Health, has_settled
from hemostat.core.healthcheck import has_always_failed
from hemostat.core.incidents import ITSELF, Cause, Held, Incident, Register, Told
from hemostat.core.intent import MARGIN, Death, Stop, stopping, wanted
from hemostat.core.jobs import job_reason
from hemostat.core.label_values import Target
from hemostat.core.labels import PROBE
from hemostat.core.model import ContainerInfo
from hemostat.core.owner import Run, is_calm, orchestrator, replacements, slow_loop, workload
from hemostat.core.probe import Probing
from hemostat.core.relations import Relations
from hemostat.core.storm import Storm
from hemostat.core.thresholds import Thresholds, tuned
from hemostat.core.track import GAUGED, Track, begin, unraise
from hemostat.core.traffic import Traffic
from hemostat.events import Container, Evidence, Kind

DEATHS: Final = frozenset({Kind.EXITED, Kind.OOM})
UNRELIABLE: Final = DEATHS | {Kind.CRASH_LOOP, Kind.HUNG}
"""Kinds of which a container is over only some time after it runs again."""
HOLD_SECONDS: Final = 900.0
"""For which a container waits at most for one that it depends on and that fails."""


DRY_RUN: Final = "dry-run"
COUNTED: Final = frozenset({Kind.CRASH_LOOP, Kind.FLAPPING})
"""Kinds about which nothing is done, in whatever mode."""


class Patient(msgspec.Struct, kw_only=True):
    """One container. What is known of its process begins anew with every start. `cpu` is percent of one
    core."""

    info: ContainerInfo
    tuned: Thresholds
    track: Track = Track()
    health: Health = Health()
    target: Target | None = None
    """What it asks to be probed on."""
    probing: Probing = Probing()
    cpu: float | None = None
    traffic: Traffic = Traffic()
    parents: ParentLimits = ParentLimits()
    """Limits of the cgroups above its own."""
    habit: Baseline = Baseline()
    """Outlives the process."""
    awaits_check: bool = False
    """Whether its failing check waits for a check of what it depends on."""

    @property
    def ref(self) -> Container:
        return self.info.ref

    def unraise(self, kind: Kind) -> None:
        """It was found and not told: let it be found anew."""
        if kind is Kind.HUNG:
            self.probing = msgspec.structs.replace(self.probing, failures=0, raised=False)
        if kind in GAUGED:
            self.track = unraise(self.track, kind)


class Past(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a monitor must know of the time before it was started, by container id, in epoch seconds."""

    asked: dict[str, float] = {}
    """Of an earlier version: when somebody asked it to stop."""
    stops: dict[str, Stop] = {}
    deaths: dict[str, tuple[float, ...]] = {}
    """Failures, and below all runs that an owner followed by another, by workload (core.owner)."""
    runs: dict[str, tuple[Run, ...]] = {}
    ooms: dict[str, float] = {}
    held: dict[str, Death] = {}
    awaited: dict[str, Death] = {}
    kills: bool = False
    podman: bool = False
    mode: str = ""
    habits: dict[str, Baseline] = {}
    incidents: tuple[Incident, ...] = ()
    began: float = 0.0
    clean_ends: dict[str, int] = {}
    ended: tuple[Incident, ...] = ()
    """Those that are over and may relapse."""
    reached: tuple[str, ...] = ()
    """Containers that a probe has reached."""


class Ward:
    def __init__(self, thresholds: Thresholds, host: Host) -> None:
        self.thresholds = thresholds
        self.host = host
        self.register = self._register()
        self.relations = Relations()
        self.stops: dict[str, Stop] = {}
        self.deaths: dict[str, tuple[float, ...]] = {}
        self.clean_ends: dict[str, int] = {}
        """How often each has ended with 0 of itself."""
        self.runs: dict[str, tuple[Run, ...]] = {}
        self.ooms: dict[str, float] = {}
        """When the kernel last killed a process in it for want of memory."""
        self.held: dict[str, Death] = {}
        """Deaths that cannot be judged yet."""
        self.awaited: dict[str, Death] = {}
        """Deaths that the container's owner is to make good, and until when it has time."""
        self.kills = False
        """Whether the engine is known to tell of kills."""
        self.podman = False
        self.mode = ""
        """Of the responders, as far as it is known."""
        self.disk = detect.Gauge()
        """Of the filesystem of the engine's data."""
        self._patients: dict[str, Patient] = {}
        self._habits: dict[str, Baseline] = {}
        self._reached: frozenset[str] = frozenset()
        self._storm = Storm()
        self._began: float | None = None
        self._free: dict[tuple[str, Kind], float] = {}
        """Since when nothing has held an incident that was held."""

    # --- who is here --------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Patient]:
        return iter(tuple(self._patients.values()))

    def get(self, container_id: str) -> Patient | None:
        return self._patients.get(container_id)

    def restore(self, past: Past) -> None:
        asked = {name: Stop(time=time, until=time + MARGIN) for name, time in past.asked.items()}
        self.stops, self.deaths, self._habits = asked | past.stops, dict(past.deaths), dict(past.habits)
        self.runs, self.ooms = dict(past.runs), dict(past.ooms)
        self.held, self.awaited = dict(past.held), dict(past.awaited)
        self.kills, self.podman, self.mode = past.kills, past.podman, past.mode
        self._reached = frozenset(past.reached)
        self.register = self._register(past.incidents, past.ended)
        self.relations.began = past.began
        self.clean_ends = dict(past.clean_ends)

    def _register(self, incidents: Iterable[Incident] = (), ended: Iterable[Incident] = ()) -> Register:
        window = self.thresholds.relapse_window
        return Register(self.host.name, incidents, ended=ended, relapse_window=window)

    def past(self) -> Past:
        habits = {each.ref.id: rounded(each.habit, each.tuned) for each in self if each.habit.levels}
        return Past(
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

    def admit(self, info: ContainerInfo, now: float) -> Patient:
        """A container as it is now, new or known."""
        self.relations.update(info)
        patient = self._patients.get(info.ref.id)
        if patient is not None and patient.info.started_at == info.started_at:
            patient.info = info
            if info.health == "healthy" and patient.health.passed is None:
                patient.health = msgspec.structs.replace(patient.health, passed=now)
            return patient
        newly = self._patients[info.ref.id] = self._newly(info, now)
        if patient is not None:
            newly.habit = patient.habit
            newly.probing = patient.probing.of_next_process()
        return newly

    def _newly(self, info: ContainerInfo, now: float) -> Patient:
        """What was alerted before, and is not older than the process, stays alerted."""
        known = {each.kind: each for each in self.register.of(info.ref.id) if info.started_at <= each.since}
        failing = passed = None
        if info.health == "unhealthy":
            failing = known[Kind.UNHEALTHY].since if Kind.UNHEALTHY in known else now
            # Whether it has ever passed, nobody has seen: the engine's count tells.
            passed = None if has_always_failed(info) else info.started_at
        elif info.health == "healthy":
            passed = now
        return Patient(
            info=info,
            tuned=tuned(self.thresholds, info.ref),
            track=begin(known, info.started_at),
            health=Health(failing, passed),
            target=PROBE.of(info.ref.labels),
            probing=Probing(
                raised=Kind.HUNG in known,
                reached=info.ref.id in self._reached,
                astray=Kind.HUNG in known and known[Kind.HUNG].says_nothing,
            ),
            habit=self._habits.get(info.ref.id, Baseline()),
        )

    def discharge(self, container_id: str) -> list[Told]:
        """It is gone, and all that was wrong with it."""
        self._patients.pop(container_id, None)
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
        """The ids of all containers that are here or related to one, or that something is told of."""
        return (self.relations.known() | {each.container.id for each in self.register}) - {""}

    @property
    def itself(self) -> Container:
        """The host as the subject of an alert."""
        return Container(id="", name=self.host.name)

    # --- what is wrong ------------------------------------------------------------------------------

    def fail(
        self,
        patient: Patient,
        kind: Kind,
        *,
        since: float,
        now: float,
        window: float = 0.0,
        evidence: Iterable[Evidence] = (),
    ) -> list[Told]:
        """Tell it, with where it comes from; and the storm, if it is the one too many."""
        if self._is_ending(patient, now) or self._awaits_check(patient, kind, since, now):
            patient.unraise(kind)
            return []
        told, cause = self._weather(patient, kind, now)
        cause = cause or self._blame(patient, kind, now)
        return [*told, self._opened(patient, kind, since, window, evidence, cause)]

    def tell(self, patient: Patient, kind: Kind, *, since: float, evidence: Iterable[Evidence]) -> Told:
        """Tell what was so before anybody looked: it is no part of a storm, and nobody else is to blame."""
        return self._opened(patient, kind, since, 0.0, evidence, ITSELF)

    def is_looping(self, container: Container) -> bool:
        """Whether a crash loop of the container, or of one that it replaces, is told already."""
        key = workload(container)
        return any(each.kind is Kind.CRASH_LOOP and workload(each.container) == key for each in self.register)

    def _opened(
        self,
        patient: Patient,
        kind: Kind,
        since: float,
        window: float,
        evidence: Iterable[Evidence],
        cause: Cause,
        *,
        relapsed: bool = True,
    ) -> Told:
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
        """What shows that a container is a job; empty where nothing does."""
        needed_by = self.relations.topology.must_complete(info.ref.id)
        return job_reason(info, needed_by=needed_by, clean_ends=self.clean_ends.get(info.ref.id, 0))

    def _weather(self, patient: Patient, kind: Kind, now: float) -> tuple[list[Told], Cause | None]:
        """Whether this failure is one of many, which only a fault of the host or the engine explains."""
        limits = self.thresholds
        self._storm, verdict = storm.gather(
            self._storm,
            patient.ref.id,
            kind,
            now,
            count=limits.storm_count,
            window=limits.storm_window,
            running=len(self._patients),
        )
        if not verdict.raging:
            return [], None
        told = []
        if verdict.began:
            names = {each.ref.id: each.ref.name for each in self}
            since, evidence = self._storm.since or now, storm.evidence(self._storm, names)
            told.append(self.register.opened(self.itself, Kind.STORM, since=since, evidence=evidence))
        return told, Cause(self.host.name, Held.STORM, (Evidence("storm", len(self._storm.failures)),))

    def _blame(self, patient: Patient, kind: Kind, now: float) -> Cause:
        return blame(
            patient.info,
            kind,
            self.relations.topology,
            self.host,
            observations=self._observations(),
            cpu=patient.cpu,
            now=now,
        )

    def _observations(self) -> Observations:
        unreliable = (each for each in self.register if each.kind in UNRELIABLE and not each.says_nothing)
        recovering = {each.container.id for each in unreliable}
        return self.relations.observations(recovering, self._was_stopped)

    def _was_stopped(self, info: ContainerInfo) -> bool:
        """Whether a person had asked a container to stop that has ended."""
        return wanted(self.stops.get(info.ref.id), info.finished_at)

    def _awaits_check(self, patient: Patient, kind: Kind, since: float, now: float) -> bool:
        """Whether a failing check is not told yet, for the next check of what the container depends on may
        show whose fault it is."""
        if kind not in STARVED:
            return False
        began = patient.info.failing_since if kind is Kind.UNHEALTHY else 0.0
        patient.awaits_check = awaits_check(began or since, self.relations.upstream(patient.ref.id), now)
        return patient.awaits_check

    def _is_ending(self, patient: Patient, now: float) -> bool:
        """Whether somebody has asked it to stop and it is still at it: what it does meanwhile is no news."""
        return patient.info.running and stopping(self.stops.get(patient.ref.id), now)

    # --- what becomes of it -------------------------------------------------------------------------

    def has_watched(self, seconds: float, now: float) -> bool:
        """Whether this monitor has watched for so long: before that it must not tell that something of which
        only an earlier one knew is over."""
        return self._began is not None and now - self._began >= seconds

    def review(self, now: float) -> list[Told]:
        """Close what is over, and tell anew what is held no longer."""
        self._began = now if self._began is None else self._began
        told: list[Told] = []
        self.register.expire(now)
        for incident in self.register:
            if self._is_over(incident, now):
                told += self.register.closed(incident.container.id, [incident.kind])
            elif incident.held in {Held.DEPENDENCY, Held.HOST}:
                told += self._released(incident, now)
        return told

    def change_mode(self, mode: str, now: float) -> list[Told]:
        """The responders may do this by now. What they only rehearsed, and still fails, is told once more."""
        rehearsed, self.mode = self.mode == DRY_RUN and mode != DRY_RUN, mode
        return [told for each in self.register if rehearsed for told in self._told_again(each, now)]

    def _told_again(self, incident: Incident, now: float) -> list[Told]:
        patient = self._patients.get(incident.container.id)
        before = any(fact.name == "dead_before" for fact in incident.evidence)
        if patient is None or before or incident.held or incident.kind in COUNTED:
            return []
        cause = self._blame(patient, incident.kind, now)
        return [self._opened(patient, incident.kind, now, incident.window, incident.evidence, cause)]

    def waiting(self) -> set[str]:
        """The ids of containers that wait for what they depend on, or for its next health check."""
        held = {each.container.id for each in self.register if each.held is Held.DEPENDENCY}
        return held | {each.ref.id for each in self if each.awaits_check and each.info.health == "unhealthy"}

    def _released(self, incident: Incident, now: float) -> list[Told]:
        patient = self._patients.get(incident.container.id)
        if patient is None or not (patient.info.running or incident.kind in DEATHS | {Kind.CRASH_LOOP}):
            return []
        cause = self._blame(patient, incident.kind, now)
        if _has_passed(incident, patient) or (cause.held and not self._has_waited(incident, now)):
            self._free.pop(incident.key, None)
            return []
        if cause.held:
            cause = Cause(evidence=(*cause.evidence, Evidence("waited", round(now - incident.since, 1), "s")))
        elif now - self._free.setdefault(incident.key, now) < patient.tuned.settle:
            return []
        self._free.pop(incident.key, None)
        facts = incident.evidence
        return [self._opened(patient, incident.kind, now, incident.window, facts, cause, relapsed=False)]

    def _has_waited(self, incident: Incident, now: float) -> bool:
        """Whether it has waited long enough for a dependency that fails. What a person has stopped is waited
        for until it is started again."""
        if incident.held is not Held.DEPENDENCY or now - incident.since < HOLD_SECONDS:
            return False
        observations = self._observations()
        root = self.relations.topology.root(incident.container.id, observations)
        return root is not None and root.ref.id not in observations.stopped

    def _is_over(self, incident: Incident, now: float) -> bool:
        """A crash when the container has run long enough since, a high value when the process that had it is
        gone, and anything at all when a person has stopped the container."""
        if incident.kind is Kind.STORM:
            window = self.thresholds.storm_window
            return self.has_watched(window, now) and storm.is_over(self._storm, now, window=window)
        patient = self._patients.get(incident.container.id)
        if patient is None:
            return False
        info, settle = patient.info, patient.tuned.settle
        if not info.running:
            return self._rests(incident, info, now) > settle or self._is_replaced(incident, patient, now)
        return min(now - info.started_at, now - incident.since) >= settle and self._is_calm(
            incident, patient, now
        )

    def _is_replaced(self, incident: Incident, patient: Patient, now: float) -> bool:
        """Whether its orchestrator has replaced it, and its place is calm."""
        if incident.kind not in DEATHS | {Kind.CRASH_LOOP} or orchestrator(patient.ref) is None:
            return False
        running = [each.info for each in self if each.info.running]
        replaced = replacements(patient.ref, incident.since, running)
        settled = any(now - each.started_at >= patient.tuned.settle for each in replaced)
        return settled and not self._loops(patient, now)

    def _loops(self, patient: Patient, now: float) -> bool:
        key = workload(patient.ref)
        runs = slow_loop(self.runs.get(key, ()), patient.tuned.loop_window, now)
        going = bool(runs) and not is_calm(runs, patient.info.started_at, now)
        return going or detect.looping(self.deaths.get(key, ()), patient.tuned, now)

    def _is_calm(self, incident: Incident, patient: Patient, now: float) -> bool:
        if incident.kind in GAUGED:
            return patient.track.calm(incident.kind)
        if incident.kind is Kind.CRASH_LOOP:
            return not self._loops(patient, now)
        if incident.kind is Kind.UNHEALTHY:
            return has_settled(patient.health, patient.tuned, now)
        if incident.kind is Kind.HUNG:
            return _has_passed(incident, patient)
        return incident.kind in DEATHS

    def _rests(self, incident: Incident, info: ContainerInfo, now: float) -> float:
        """Seconds for which the container has been at rest and meant to be; what only a running one can have
        ends with it, unless a restart of ours has taken it down."""
        stop = self.stops.get(info.ref.id)
        if stop is not None and stop.ours:
            return 0.0
        if incident.kind not in DEATHS | {Kind.CRASH_LOOP} and info.status in {"exited", "dead"}:
            return now - info.finished_at
        return now - stop.time if stop is not None and wanted(stop, info.finished_at) else 0.0


def _has_passed(incident: Incident, patient: Patient) -> bool:
    """Whether what failed passes at this moment, settled or not."""
    match incident.kind:
        case Kind.UNHEALTHY:
            return patient.health.failing is None and patient.health.passed is not None
        case Kind.HUNG:
            return patient.probing.succeeded and not patient.probing.failures
    return False
