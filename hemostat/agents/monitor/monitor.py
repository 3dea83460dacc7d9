"""The monitor: what the engine says and the samplers measure, turned into alerts.

What it must remember over a restart is its memo: how far it has seen the engine's events, and what the ward
remembers of the containers. What a failure is and where it comes from is the core's to say; whether an alert
deserves an action is not decided here.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from hemostat.agents.monitor.death_watch import DeathWatch
from hemostat.core import deaths, lifecycle, probe, vitals
from hemostat.core.blame import Host
from hemostat.core.cursor import Cursor
from hemostat.core.dossier import Point
from hemostat.core.incidents import Told
from hemostat.core.label_mistakes import find_mistakes
from hemostat.core.label_values import Target
from hemostat.core.model import (
    Connected,
    ContainerInfo,
    Disconnected,
    DiskUse,
    EngineEvent,
    HostSample,
    Observation,
    Peers,
    Probed,
    Sample,
    Samples,
)
from hemostat.core.thresholds import Thresholds, watched
from hemostat.core.topology import Absent
from hemostat.core.track import interrupted
from hemostat.core.veil import veiled
from hemostat.core.ward import Past, Patient, Ward
from hemostat.errors import EngineError, HemoStatError, NoSuchContainerError
from hemostat.events import Container, ContainerStats, Event, Payload, Phase
from hemostat.ports import Engine, Ledger, Sampler

REFRESH: Final = 5.0
"""Seconds after which stats that have not changed are told again, so that they do not expire."""


logger = logging.getLogger(__name__)


class Memo(msgspec.Struct, frozen=True, kw_only=True):
    cursor: Cursor
    past: Past


class Monitor:
    """`step` takes one observation and answers with alerts and stats; it changes nothing when it raises."""

    def __init__(
        self,
        engine: Engine,
        sampler: Sampler,
        thresholds: Thresholds,
        *,
        host: str,
        source: str,
        host_memory: int,
        host_cores: int = 1,
        history: Callable[[str], Sequence[Point]] = lambda _: (),
        ledger: Ledger | None = None,
    ) -> None:
        """`history` is what has been kept of the numbers of the container of a name, oldest first. `ledger`
        tells which stops are HemoStat's own; without it all of them are people's."""
        self._engine = engine
        self._sampler = sampler
        self._host = host
        self._source = source
        self._host_memory = host_memory
        self._history = history
        self._ward = Ward(thresholds, Host(name=host, cores=host_cores))
        self._deaths = DeathWatch(
            self._ward, ledger, host=host, look=self._look, look_upstream=self._look_upstream
        )
        self._shown: dict[str, tuple[ContainerStats, float]] = {}
        self._cursor = Cursor()
        self._asked_for: set[Absent] = set()
        """What was asked of the engine since the last listing, and was not there."""
        self.lost = ""
        """Why the engine's events are not coming in, if they are not."""

    @property
    def since(self) -> float | None:
        """From when on the engine's events are to be asked for; None is from now on."""
        return self._cursor.since

    def restore(self, memo: bytes) -> None:
        """Raises msgspec.DecodeError for a memo of another shape."""
        past = msgspec.json.decode(memo, type=Memo)
        self._cursor = past.cursor
        self._ward.restore(past.past)

    def memo(self) -> bytes:
        return msgspec.json.encode(Memo(cursor=self._cursor, past=self._ward.past()))

    def due(self) -> float | None:
        """When `Waited` is to be told next (epoch seconds); None while nothing waits for that."""
        return self._deaths.due()

    # --- what is to be measured: safe to call from other threads -------------------------------------

    def running(self) -> list[ContainerInfo]:
        """The containers to be sampled."""
        return [patient.info for patient in self._ward if patient.info.running]

    def measured(self) -> list[ContainerInfo]:
        """The containers whose writable layer or log is to be measured."""
        running = [patient for patient in self._ward if patient.info.running]
        return [patient.info for patient in running if patient.tuned.disk or patient.tuned.log]

    def probed(self) -> list[tuple[str, Target, str]]:
        """The containers that ask to be probed: id, target, address."""
        asking = [each for each in self._ward if each.target and each.info.running]
        if not asking:
            return []
        everyone = {each.ref.id: each.info for each in self._ward}
        everyone |= {each.ref.name: each.info for each in self._ward}
        addresses = ((each, probe.address_of(each.info, everyone)) for each in asking)
        return [(each.ref.id, each.target, address) for each, address in addresses if each.target and address]

    # --- steps ----------------------------------------------------------------------------------------

    def step(self, observation: Observation, now: float) -> list[Event]:
        told: list[Told] = []
        match observation:
            case Samples(samples=samples):
                return self._sampled(samples, now)
            case EngineEvent():
                told = self._happened(observation, now)
            case DiskUse():
                told = vitals.disk_used(self._ward, observation, now)
            case Probed():
                if observation.error:
                    self._glance_upstream(observation.container_id, now)
                told = vitals.probed(self._ward, observation, now)
            case Peers():
                self._ward.relations.connect(observation, now)
            case HostSample():
                told = vitals.host_measured(self._ward, observation)
            case Connected():
                told = self._reconcile(now)
                self.lost = ""
            case Disconnected(error=error):
                self.lost = error
        return self._wrap(told + self._deaths.judge_held(now), now)

    def _wrap(self, told: Iterable[Told], now: float) -> list[Event]:
        shown = (
            (msgspec.structs.replace(alert, container=veiled(alert.container)), incident)
            for incident, alert in told
        )
        return [self._event(alert, now, incident) for alert, incident in shown]

    def _event(self, data: Payload, now: float, incident: str | None = None) -> Event:
        return Event.make(data, time=now, host=self._host, source=self._source, incident=incident)

    # --- events ---------------------------------------------------------------------------------------

    def _happened(self, event: EngineEvent, now: float) -> list[Told]:
        if self._cursor.knows(event):
            return []
        handlers: dict[str, Callable[[EngineEvent, float], list[Told]]] = {
            "die": self._deaths.died,
            "oom": self._deaths.oomed,
            "unhealthy": self._turned,
            "healthy": self._turned,
            "kill": self._deaths.killed,
            "stop": self._deaths.stopped,
            "start": self._started,
            "destroy": self._destroyed,
        }
        told: list[Told] = []
        if watched(event.container):
            told = handlers.get(event.action, self._changed)(event, now)
        elif event.action in {"kill", "stop"}:
            lifecycle.signalled(self._ward, event, ours=False)
        self._cursor = self._cursor.past(event)
        return told

    def _admit(self, info: ContainerInfo, now: float) -> Patient:
        if self._ward.get(info.ref.id) is None:
            log_mistakes(info.ref)
        return self._ward.admit(info, now)

    def _look(self, container_id: str, now: float) -> Patient | None:
        """Inspect, and remember; None if it is gone."""
        try:
            return self._admit(self._engine.inspect(container_id), now)
        except NoSuchContainerError:
            return None

    def _look_upstream(self, container_id: str, now: float) -> None:
        """Whether what it depends on is well is asked when it fails itself: a failing check makes no event
        before it has failed for good. One that the engine will not show is as it was."""
        for other in self._ward.relations.upstream(container_id):
            try:
                self._look_at(other.ref.id, now)
            except EngineError as error:
                if error.transient:
                    raise

    def _look_at(self, container_id: str, now: float) -> None:
        """Under watch or not."""
        relations = self._ward.relations
        if not relations.is_bystander(container_id):
            self._look(container_id, now)
            return
        try:
            relations.update(self._engine.inspect(container_id), watched=False)
        except NoSuchContainerError:
            relations.remove(container_id)
            self._find_absent()

    def _find_absent(self) -> None:
        """Ask for what the containers under watch need and the listing did not show: what HemoStat is not to
        touch may be the reason for a failure all the same."""
        for wanted in self._ward.relations.absent() - self._asked_for:
            self._asked_for.add(wanted)
            with suppress(EngineError):
                for info in self._outside(wanted):
                    self._ward.relations.update(info, watched=False)

    def _outside(self, wanted: Absent) -> list[ContainerInfo]:
        members = self._engine.members(wanted.project, wanted.service) if wanted.service else []
        return members or ([self._engine.inspect(wanted.name)] if wanted.name else [])

    def _glance_upstream(self, container_id: str, now: float) -> None:
        """The same amid a round, where a step that raised would not tell again what it has found: what cannot
        be asked now is as it was."""
        with suppress(EngineError):
            self._look_upstream(container_id, now)

    def _turned(self, event: EngineEvent, now: float) -> list[Told]:
        patient = self._look(event.container.id, now)
        if patient is None:
            return []
        if event.action == "unhealthy":
            self._look_upstream(patient.ref.id, now)
        lifecycle.turned(patient, event)
        return lifecycle.judge_health(self._ward, patient, now)

    def _started(self, event: EngineEvent, now: float) -> list[Told]:
        told = self._deaths.started(event, now)
        self._find_absent()
        return told

    def _destroyed(self, event: EngineEvent, _: float) -> list[Told]:
        self._shown.pop(event.container.id, None)
        return self._ward.discharge(event.container.id)

    def _changed(self, event: EngineEvent, now: float) -> list[Told]:
        patient = self._look(event.container.id, now)
        if patient is not None and event.action in {"pause", "unpause"}:
            patient.track = interrupted(patient.track)
        return []

    # --- listing --------------------------------------------------------------------------------------

    def _reconcile(self, now: float) -> list[Told]:
        """After a (re)connection: what is there, what is gone, and what failed while nobody looked."""
        listed = self._engine.containers()
        found = [info for info in listed if watched(info.ref)]
        told = self._ward.keep_only(info.ref.id for info in found)
        for bystander in (info for info in listed if not watched(info.ref)):
            self._ward.relations.update(bystander, watched=False)
        patients = [self._admit(info, now) for info in found]
        self._asked_for.clear()
        self._find_absent()
        for patient in patients:
            told += self._deaths.found_dead(patient, self._cursor.until, now)
            told += lifecycle.judge_health(self._ward, patient, now)
        if not self._cursor.until:
            self._cursor = Cursor(now)
            self._ward.relations.began = now
        return told

    # --- measurements ---------------------------------------------------------------------------------

    def _sampled(self, samples: Iterable[Sample], now: float) -> list[Event]:
        by_id = {sample.container_id: sample for sample in samples}
        shown: list[Event] = []
        told: list[Told] = []
        for patient in self._ward:
            sample = by_id.get(patient.ref.id) if patient.info.running else None
            told += [] if sample is None else self._observed(patient, sample, now)
            told += lifecycle.judge_health(self._ward, patient, now)
            shown += self._stats(patient, sample, now)
        for waiting in self._ward.waiting():
            self._glance_upstream(waiting, now)
        told += (
            self._deaths.judge_held(now) + self._deaths.look_again(now) + deaths.unreplaced(self._ward, now)
        )
        return shown + self._wrap(told + self._ward.review(now), now)

    def _observed(self, patient: Patient, sample: Sample, now: float) -> list[Told]:
        ward, bounds = self._ward, vitals.limits(patient, self._host_memory)
        if vitals.wants_history(patient, sample, bounds):
            self._recall(patient, sample)
        activity = None
        if vitals.wants_activity(patient, sample, bounds):
            activity = self._sampler.activity(patient.info, now)
        told: list[Told] = []
        for kind, phase, since, evidence in vitals.sampled(patient, sample, bounds, activity):
            if phase is Phase.CLEARED:
                told += ward.register.closed(patient.ref.id, [kind])
                continue
            self._glance_upstream(patient.ref.id, now)
            window = patient.tuned.window
            told += ward.fail(patient, kind, since=since, now=now, window=window, evidence=evidence)
        return told

    def _recall(self, patient: Patient, sample: Sample) -> None:
        """A restart of this monitor must not forget a trend; without what was kept it begins again."""
        with suppress(HemoStatError):
            vitals.recalled(patient, self._history(patient.ref.name), sample)

    def _stats(self, patient: Patient, sample: Sample | None, now: float) -> list[Event]:
        """What screens are to show: told when it has changed, and now and then."""
        stats = ContainerStats(
            container=veiled(patient.ref),
            state=patient.info.state,
            cpu=None if sample is None or patient.cpu is None else round(patient.cpu, 1),
            cpu_limit=patient.info.cpu_limit,
            memory=None if sample is None else sample.memory or None,
            memory_limit=patient.info.memory_limit,
            received=None if sample is None else patient.traffic.received,
            sent=None if sample is None else patient.traffic.sent,
        )
        before, told_at = self._shown.get(patient.ref.id, (None, 0.0))
        if stats == before and 0 <= now - told_at < REFRESH:
            return []
        self._shown[patient.ref.id] = stats, now
        return [self._event(stats, now)]


def log_mistakes(ref: Container) -> None:
    """Name each label that cannot be used: its container is not acted on without a person."""
    for each in find_mistakes(veiled(ref).labels):
        logger.warning(
            "label.unreadable container=%s label=%s value=%s nearest=%s why=%s",
            ref.name,
            each.label,
            each.value,
            each.nearest or "-",
            each.why,
        )
