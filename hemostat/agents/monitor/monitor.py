"""The monitor: what the engine says and the samplers measure, turned into alerts.

What it must remember over a restart is its memo: how far it has seen the engine's events, and what the ward
remembers of the containers. What a failure is and where it comes from is the core's to say; whether an alert
deserves an action is not decided here.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import msgspec

from hemostat.agents.monitor.death_watch import DeathWatch
from hemostat.agents.monitor.inspector import Inspector
from hemostat.agents.monitor.last_stats import LastStats
from hemostat.core import deaths, lifecycle, listing, probe, vitals
from hemostat.core.blame import Host
from hemostat.core.cursor import Cursor
from hemostat.core.dossier import Point
from hemostat.core.incidents import Told
from hemostat.core.label_mistakes import find_mistakes
from hemostat.core.label_values import Target
from hemostat.core.model import (
    Answering,
    Connected,
    ContainerInfo,
    Disconnected,
    DiskUse,
    EngineEvent,
    HostSample,
    ListedContainer,
    Listing,
    Mode,
    Observation,
    Peers,
    Probed,
    Sample,
    Samples,
    Waited,
)
from hemostat.core.thresholds import Thresholds, watched
from hemostat.core.topology import Absent
from hemostat.core.track import interrupted
from hemostat.core.veil import veiled
from hemostat.core.ward import Past, Patient, Ward
from hemostat.errors import EngineError, HemoStatError, NoSuchContainerError
from hemostat.events import Container, Event, Payload, Phase
from hemostat.ports import Engine, Ledger, Sampler

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
        warnings: tuple[str, ...] = (),
    ) -> None:
        """`history` is what has been kept of the numbers of the container of a name, oldest first. `ledger`
        tells which stops are HemoStat's own; without it all of them are people's. `warnings`: what is known
        from the beginning to be missing."""
        self._engine = engine
        self._warnings = warnings
        self._inspector = Inspector(engine)
        self._sampler = sampler
        self._host = host
        self._source = source
        self._host_memory = host_memory
        self._history = history
        self._ward = Ward(thresholds, Host(name=host, cores=host_cores))
        self._deaths = DeathWatch(
            self._ward, ledger, host=host, look=self._look, look_upstream=self._look_upstream
        )
        self._last_stats = LastStats()
        self._listed: frozenset[str] = frozenset()
        """The ids of the last list."""
        self._subject = Container(id="", name="")
        """Of the last event."""
        self._cursor = Cursor()
        self._asked_for: set[Absent] = set()
        """What was asked of the engine since the last listing, and was not there."""
        self._blind_since: float | None = 0.0
        """Up to when events had been seen before the connection was lost; None once all have been listed."""
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
        self._blind_since = past.cursor.until
        self._ward.restore(past.past)

    def memo(self) -> bytes:
        return msgspec.json.encode(Memo(cursor=self._cursor, past=self._ward.past()))

    def due(self) -> float | None:
        """When `Waited` is to be told next (epoch seconds); None while nothing waits for that."""
        return self._deaths.due()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the monitor does without."""
        return self._warnings + self._inspector.warnings

    def retry(self, now: float) -> list[str]:
        """Ask the engine again about containers that it did not answer about: which it answers about now.
        Blocks, and is safe to call from another thread."""
        return self._inspector.retry(now)

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
            case Connected():
                return self.step(Listing(tuple(self._engine.listing()), thorough=True), now)
            case Listing(rows=rows, thorough=thorough):
                told = self._reconcile(rows, now, thorough=thorough)
            case Answering(container_id=container_id):
                told = self._look_again(container_id, now)
            case Disconnected(error=error):
                self._blind_since = self._cursor.until if self._blind_since is None else self._blind_since
                self.lost = error
            case Mode(mode=mode):
                told = self._ward.change_mode(mode, now)
            case _:
                told = self._measured(observation, now)
        return self._wrap(told + self._deaths.judge_held(now), now) + self._show_removed(now)

    def _measured(
        self, observation: DiskUse | Probed | Peers | HostSample | Waited, now: float
    ) -> list[Told]:
        match observation:
            case DiskUse():
                return vitals.disk_used(self._ward, observation, now)
            case Probed():
                if observation.error:
                    self._glance_upstream(observation.container_id, now)
                return vitals.probed(self._ward, observation, now)
            case Peers():
                self._ward.relations.connect(observation, now)
                return []
            case HostSample():
                return vitals.host_measured(self._ward, observation)
            case Waited():
                return []

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
        self._subject = event.container
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
        """Inspect, and remember; None if it is gone, or the engine does not answer about it now."""
        try:
            info = self._inspector.inspect(container_id, self._name(container_id), now)
        except NoSuchContainerError:
            return None
        return None if info is None else self._admit(info, now)

    def _name(self, container_id: str) -> str:
        known = self._ward.relations.get(container_id)
        if known is not None:
            return known.ref.name
        return self._subject.name if self._subject.id == container_id else container_id[:12]

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
            info = self._inspector.inspect(container_id, self._name(container_id), now)
        except NoSuchContainerError:
            relations.remove(container_id)
            self._find_absent()
            return
        if info is not None:
            relations.update(info, watched=False)

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
        answers = self._engine.inspect_all([wanted.name]) if wanted.name and not members else {}
        return [*members, *(each for each in answers.values() if isinstance(each, ContainerInfo))]

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
        return self._discharge(event.container.id)

    def _discharge(self, container_id: str) -> list[Told]:
        self._inspector.forget(container_id)
        self._last_stats.remove(container_id)
        return self._ward.discharge(container_id)

    def _changed(self, event: EngineEvent, now: float) -> list[Told]:
        patient = self._look(event.container.id, now)
        if patient is not None and event.action in {"pause", "unpause"}:
            patient.track = interrupted(patient.track)
        return []

    # --- listing --------------------------------------------------------------------------------------

    def _reconcile(self, rows: Iterable[ListedContainer], now: float, *, thorough: bool) -> list[Told]:
        """By a list: what is there, what is gone, and what failed while nobody looked. A list may be older
        than the last events: what has changed by it is inspected before anything is made of it."""
        present, relations = {row.ref.id: row for row in rows}, self._ward.relations
        self._listed = frozenset(present)
        asked = {
            key: row.ref.name
            for key, row in present.items()
            if thorough or listing.has_changed(relations.get(key), row, now)
        }
        asked |= {key: self._name(key) for key in self._ward.known() - present.keys()}
        self._inspector.keep_only(asked.keys() | present.keys())
        gone: list[str] = []
        found = list(self._inspector.inspect_all(asked, now, gone.append))
        told = [each for key in sorted(gone) for each in self._discharge(key)]
        told += self._found(found, now, thorough=thorough)
        if thorough:
            self.lost, self._blind_since = "", None
        if not self._cursor.until:
            self._cursor = Cursor(now)
            self._ward.relations.began = now
        return told

    def _found(self, found: Sequence[ContainerInfo], now: float, *, thorough: bool) -> list[Told]:
        """All are admitted before any is judged: some depend on others."""
        relations, until = self._ward.relations, self._cursor.until
        lost_at = until if self._blind_since is None else self._blind_since
        since = lost_at if thorough else now - listing.LOOK_BACK_SECONDS
        waiting = not (thorough or self.lost)
        ours = [each for each in found if self._is_under_watch(each)]
        ready = [each for each in ours if not (waiting and listing.is_left_to_events(each, until, now))]
        unseen = {each.ref.id for each in ready if listing.is_unseen_death(relations.get(each.ref.id), each)}
        for bystander in (info for info in found if not self._is_under_watch(info)):
            relations.update(bystander, watched=False)
        patients = [self._admit(info, now) for info in ready]
        if thorough:
            self._asked_for.clear()
        self._find_absent()
        told: list[Told] = []
        for patient in patients:
            if thorough or patient.ref.id in unseen:
                told += self._deaths.found_dead(patient, since, now)
            told += lifecycle.judge_health(self._ward, patient, now)
        return told

    def _is_under_watch(self, info: ContainerInfo) -> bool:
        """Of what was not listed, only what is known to be: it may be outside the filter of the list."""
        known = self._ward.get(info.ref.id) is not None
        return watched(info.ref) and (known or info.ref.id in self._listed)

    def _look_again(self, container_id: str, now: float) -> list[Told]:
        """The engine answers about it again."""
        try:
            info = self._inspector.inspect(container_id, self._name(container_id), now)
        except NoSuchContainerError:
            return self._discharge(container_id)
        return [] if info is None else self._found([info], now, thorough=False)

    # --- measurements ---------------------------------------------------------------------------------

    def _sampled(self, samples: Iterable[Sample], now: float) -> list[Event]:
        by_id = {sample.container_id: sample for sample in samples}
        shown: list[Event] = []
        told: list[Told] = []
        for patient in self._ward:
            sample = by_id.get(patient.ref.id) if patient.info.running else None
            told += [] if sample is None else self._observed(patient, sample, now)
            told += lifecycle.judge_health(self._ward, patient, now)
            if (stats := self._last_stats.update(patient, sample, now)) is not None:
                shown.append(self._event(stats, now))
        for waiting in self._ward.waiting():
            self._glance_upstream(waiting, now)
        told += (
            self._deaths.judge_held(now) + self._deaths.look_again(now) + deaths.unreplaced(self._ward, now)
        )
        return shown + self._wrap(told + self._ward.review(now), now) + self._show_removed(now)

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

    def _show_removed(self, now: float) -> list[Event]:
        removed = self._last_stats.take_removed(patient.ref.name for patient in self._ward)
        return [self._event(stats, now) for stats in removed]


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
