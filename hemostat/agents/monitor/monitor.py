"""The monitor: what the engine says and the samplers measure, turned into alerts.

What it must remember over a restart is its memo: how far it has seen the engine's events, and what the ward
remembers of the containers. What a failure is and where it comes from is the core's to say; whether an alert
deserves an action is not decided here.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from hemostat.agents.monitor.container_errors import ContainerErrors
from hemostat.agents.monitor.death_watch import DeathWatch
from hemostat.agents.monitor.inspections import Inspections
from hemostat.agents.monitor.last_stats import LastStats
from hemostat.agents.monitor.reconciler import Reconciler
from hemostat.agents.monitor.sample_round import SampleRound
from hemostat.core.dependencies.root_cause import HostState
from hemostat.core.detection import on_event, on_sample, probe, review
from hemostat.core.detection.alert_rate import MINUTE_SECONDS, AlertRate
from hemostat.core.detection.event_cursor import Cursor
from hemostat.core.detection.event_queue import EventSpan
from hemostat.core.detection.incidents import IncidentAlert
from hemostat.core.detection.monitor_state import MonitorState, decode_state, encode_state
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.labels.masking import veiled
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import (
    Answering,
    Connected,
    ConnectionPeers,
    ContainerInfo,
    Disconnected,
    DiskUse,
    EngineEvent,
    HostSample,
    Listing,
    Mode,
    Observation,
    Probed,
    Sample,
    Samples,
    Waited,
)
from hemostat.core.settings.monitor import MonitorSettings, should_watch
from hemostat.core.settings.trust import TRUST_OWN, TrustSettings
from hemostat.core.usage.tracker import interrupt_tracker
from hemostat.events import Container, ContainerStats, Event, HealthAlert, Payload, encode
from hemostat.ports import Engine, Ledger, Sampler

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Monitor:
    """`step` takes one observation and answers with alerts and stats; it changes nothing when it raises."""

    def __init__(
        self,
        engine: Engine,
        sampler: Sampler,
        thresholds: MonitorSettings,
        *,
        host: str,
        source: str,
        host_memory: int,
        host_cores: int = 1,
        history: Callable[[str], Sequence[MetricPoint]] = lambda _: (),
        ledger: Ledger | None = None,
        warnings: tuple[str, ...] = (),
        trust: TrustSettings = TRUST_OWN,
        stopwatch: Callable[[], float] = float,
    ) -> None:
        """`history` is what has been kept of the numbers of the container of a name, oldest first. `ledger`
        tells which stops are HemoStat's own; without it all of them are people's. `warnings`: what is known
        from the beginning to be missing."""
        self._engine = engine
        self._warnings = warnings
        self._host = host
        self._source = source
        self._ward = ContainerRegistry(thresholds, HostState(name=host, cores=host_cores), trust)
        self._faults = ContainerErrors()
        self._lookups = Inspections(engine, self._ward, self._faults, stopwatch)
        self._deaths = DeathWatch(
            self._ward,
            ledger,
            self._faults,
            host=host,
            was_stopped=engine.was_stopped,
            look=self._lookups.look,
            look_upstream=self._lookups.look_upstream,
            count_hung=lambda: self._lookups.inspector.hung,
        )
        self._reconciler = Reconciler(self._ward, self._lookups, self._deaths, self._faults, self._discharge)
        self._last_stats = LastStats()
        self._rounds = SampleRound(
            self._ward,
            self._lookups,
            self._deaths,
            self._faults,
            self._last_stats,
            sampler,
            host_memory=host_memory,
            history=history,
            stopwatch=stopwatch,
        )
        self._rate = AlertRate(self._is_new)
        self._cursor = Cursor()
        self._unwritten = ""
        """What the last memo had to leave out."""
        self._blind_since: float | None = 0.0
        """Up to when events had been seen before the connection was lost; None once all have been listed."""
        self.arrivals: EventSpan | None = None
        """Which of the engine's events have come in, while this one is handled; None where each is handled as
        it comes."""
        self._now = 0.0
        self.lost = ""
        """Why the engine's events are not coming in, if they are not."""

    @property
    def since(self) -> float | None:
        """From when on the engine's events are to be asked for; None is from now on."""
        return self._cursor.since

    def restore(self, memo: bytes) -> None:
        """As far as it can be read. Raises ValueError for what is no memo."""
        read, lost = decode_state(memo)
        if lost:
            logger.warning("memo.partly_unreadable lost=%s", lost)
            self._warnings += (f"forgot at its start what could not be read of its memory: {lost}",)
        self._cursor = read.cursor
        self._blind_since = read.cursor.until
        self._ward.restore(read.past)
        self._rate.restore(read.waiting)

    def memo(self) -> bytes:
        memo = MonitorState(cursor=self._cursor, past=self._ward.past(), waiting=self._rate.waiting)
        raw, lost = encode_state(memo)
        if lost and str(lost) != self._unwritten:
            logger.error("memo.partly_unwritable lost=%s", lost)
        self._unwritten = str(lost)
        return raw

    def due(self) -> float | None:
        """When `Waited` is to be told next (epoch seconds); None while nothing waits for that."""
        return self._deaths.due()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the monitor does without."""
        return self._warnings + self._lookups.inspector.warnings + self._faults.warnings + self._rate.warnings

    def retry(self, now: float) -> list[str]:
        """Ask the engine again about containers that it did not answer about: which it answers about now.
        Blocks, and is safe to call from another thread."""
        return self._lookups.inspector.retry(now)

    # --- what is to be measured: safe to call from other threads -------------------------------------

    def running(self) -> list[ContainerInfo]:
        """The containers to be sampled."""
        return [patient.info for patient in self._ward if patient.info.running]

    def measured(self) -> list[ContainerInfo]:
        """The containers whose writable layer or log is to be measured."""
        running = [patient for patient in self._ward if patient.info.running]
        return [patient.info for patient in running if patient.tuned.disk or patient.tuned.log]

    def probed(self) -> list[tuple[str, ProbeTarget, str]]:
        """The containers that ask to be probed: id, target, address."""
        asking = [each for each in self._ward if each.target and each.info.running]
        if not asking:
            return []
        everyone = {each.ref.name: each.info for each in self._ward}
        everyone |= {each.ref.id: each.info for each in self._ward}  # A name may look like an id.
        addresses = ((each, self._address(each, everyone)) for each in asking)
        return [(each.ref.id, each.target, address) for each, address in addresses if each.target and address]

    def _address(self, patient: WatchedContainer, everyone: dict[str, ContainerInfo]) -> str:
        return self.attempt(patient.ref, "probe", partial(probe.find_address, patient.info, everyone)) or ""

    # --- steps ----------------------------------------------------------------------------------------

    def step(self, observation: Observation, now: float) -> list[Event]:
        told: list[IncidentAlert] = []
        self._now = now
        match observation:
            case Samples(samples=samples):
                return self._sampled(samples, now)
            case EngineEvent():
                told = self._happened(observation, now)
            case Connected():
                return self.step(Listing(tuple(self._engine.listing()), thorough=True, connected=True), now)
            case Listing():
                told = self._reconcile(observation, now)
            case Answering(container_id=container_id):
                told = self._reconciler.look_again(container_id, now, self._cursor.until, wait=not self.lost)
            case Disconnected(error=error):
                self._blind_since = self._cursor.until if self._blind_since is None else self._blind_since
                self.lost = error
                self._deaths.engine_lost(now)
            case Mode(mode=mode):
                told = review.change_mode(self._ward, mode, now)
            case _:
                told = self._measured(observation, now)
        return self._wrap(told + self._deaths.judge_held(now), now) + self._show_removed(now)

    def _measured(
        self, observation: DiskUse | Probed | ConnectionPeers | HostSample | Waited, now: float
    ) -> list[IncidentAlert]:
        match observation:
            case DiskUse():
                return on_sample.check_disk_use(self._ward, observation, now)
            case Probed():
                return on_sample.record_probe(self._ward, observation, now, self._lookups.glance_upstream)
            case ConnectionPeers():
                self._ward.relations.connect(observation, now)
                return []
            case HostSample():
                return on_sample.check_host(self._ward, observation)
            case Waited():
                return []

    def _wrap(self, told: Iterable[IncidentAlert], now: float) -> list[Event]:
        events = (
            self.attempt(alert.container, "tell an alert of", partial(self._alert, alert, now, incident))
            for incident, alert in (*self._rate.due(now), *self._rate.admit(told, now))
        )
        return [event for event in events if event is not None]

    def _is_new(self, container: Container) -> bool:
        patient = self._ward.get(container.id)
        return patient is not None and 0 <= self._now - patient.info.created_at < MINUTE_SECONDS

    def _alert(self, alert: HealthAlert, now: float, incident: str) -> Event:
        shown = msgspec.structs.replace(alert, container=veiled(alert.container))
        event = self._event(shown, now, incident)
        encode(event)  # What cannot be encoded fails here, and not with the alerts of others.
        return event

    def attempt(self, ref: Container, doing: str, call: Callable[[], T]) -> T | None:
        """What is done for one container must not fail for the others. Safe to call from another thread."""
        return self._faults.attempt(ref.id, ref.name, doing, call)

    def _event(self, data: Payload, now: float, incident: str | None = None) -> Event:
        return Event.make(data, time=now, host=self._host, source=self._source, incident=incident)

    # --- events ---------------------------------------------------------------------------------------

    def _happened(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        if self._cursor.knows(event):
            return []
        handlers: dict[str, Callable[[EngineEvent, float], list[IncidentAlert]]] = {
            "die": self._deaths.died,
            "oom": self._deaths.oomed,
            "unhealthy": self._turned,
            "healthy": self._turned,
            "kill": self._deaths.killed,
            "stop": self._deaths.stopped,
            "start": self._started,
            "destroy": self._destroyed,
        }
        told: list[IncidentAlert] = []
        self._lookups.note(event.container)
        if should_watch(event.container) or event.action == "destroy":
            handle = partial(handlers.get(event.action, self._changed), event, now)
            told = self.attempt(event.container, f"handle the event {event.action} of", handle) or []
        elif event.action in {"kill", "stop"}:
            on_event.record_stop_request(self._ward, event, ours=False)
        self._cursor = self._cursor.past(event, *(self.arrivals or ()))
        return told

    def _turned(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        patient = self._lookups.look(event.container.id, now)
        if patient is None:
            return []
        if event.action == "unhealthy":
            self._lookups.look_upstream(patient.ref.id, now)
        on_event.record_health_event(patient, event)
        return on_event.judge_health(self._ward, patient, now)

    def _started(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        told = self._deaths.started(event, now)
        self._faults.attempt("", "all", "find the dependencies of", self._lookups.find_absent)
        return told

    def _destroyed(self, event: EngineEvent, _: float) -> list[IncidentAlert]:
        return self._discharge(event.container.id)

    def _discharge(self, container_id: str) -> list[IncidentAlert]:
        self._lookups.inspector.forget(container_id)
        self._deaths.forget(container_id)
        self._faults.forget(container_id)
        self._last_stats.remove(container_id)
        return self._ward.discharge(container_id)

    def _changed(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        patient = self._lookups.look(event.container.id, now)
        if patient is not None and event.action in {"pause", "unpause"}:
            patient.track = interrupt_tracker(patient.track)
        # Told under its former name, an incident would be taken for that of the container that has it now.
        return self._ward.register.closed(event.container.id) if event.action == "rename" else []

    # --- listing --------------------------------------------------------------------------------------

    def _reconcile(self, listing: Listing, now: float) -> list[IncidentAlert]:
        until = self._cursor.until
        if listing.thorough:
            since = until if self._blind_since is None else self._blind_since
            told = self._reconciler.reconcile_all(listing.rows, now, since)
            self.lost, self._blind_since = "" if listing.connected else self.lost, None
        else:
            told = self._reconciler.reconcile(listing.rows, now, until, wait=not self.lost)
        if not self._cursor.until:
            self._cursor = Cursor(now)
            self._ward.relations.began = now
        return told

    # --- measurements ---------------------------------------------------------------------------------

    def _sampled(self, samples: Sequence[Sample], now: float) -> list[Event]:
        told = self._rounds.judge(samples, now)
        stats = self._rounds.show(samples, now)
        return self._show(stats, now) + self._wrap(told, now) + self._show_removed(now)

    def _show_removed(self, now: float) -> list[Event]:
        names = (patient.ref.name for patient in self._ward)
        return self._show(self._last_stats.take_removed(names), now)

    def _show(self, stats: Iterable[ContainerStats], now: float) -> list[Event]:
        events = (self.attempt(each.container, "show", partial(self._event, each, now)) for each in stats)
        return [event for event in events if event is not None]
