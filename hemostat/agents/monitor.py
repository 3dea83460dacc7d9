"""The monitor: what the engine says and the samplers measure, turned into alerts.

What it must remember over a restart is its memo: how far it has seen the engine's events, whom somebody
asked to stop, and which incidents are open. Whether an alert deserves an action is not decided here.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from hemostat.core import detect
from hemostat.core.cursor import Cursor
from hemostat.core.detect import Thresholds
from hemostat.core.incidents import Incident, Register, Told
from hemostat.core.model import (
    Connected,
    ContainerInfo,
    Disconnected,
    DiskUse,
    EngineEvent,
    Observation,
    Sample,
    Samples,
)
from hemostat.core.track import GAUGED, Limits, Track, begin, busy, observe
from hemostat.errors import NoSuchContainerError
from hemostat.events import ContainerStats, Event, Evidence, Kind, Payload, Phase
from hemostat.ports import Engine, Sampler

DEATHS: Final = frozenset({Kind.EXITED, Kind.OOM})


class Memo(msgspec.Struct, frozen=True, kw_only=True):
    cursor: Cursor
    asked: dict[str, float]
    incidents: tuple[Incident, ...]


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
    ) -> None:
        self._engine = engine
        self._sampler = sampler
        self._thresholds = thresholds
        self._host = host
        self._source = source
        self._host_memory = host_memory
        self._known: dict[str, ContainerInfo] = {}
        self._tracks: dict[str, Track] = {}
        self._asked: dict[str, float] = {}
        self._register = Register(host)
        self._cursor = Cursor()
        self.lost = ""
        """Why the engine's events are not coming in, if they are not."""

    @property
    def since(self) -> float | None:
        """From when on the engine's events are to be asked for; None is from now on."""
        return self._cursor.since

    def restore(self, memo: bytes) -> None:
        """Raises msgspec.DecodeError for a memo of another shape."""
        past = msgspec.json.decode(memo, type=Memo)
        self._cursor, self._asked = past.cursor, past.asked
        self._register = Register(self._host, past.incidents)

    def memo(self) -> bytes:
        incidents = tuple(self._register)
        return msgspec.json.encode(Memo(cursor=self._cursor, asked=self._asked, incidents=incidents))

    def running(self) -> list[ContainerInfo]:
        """The containers to be sampled. Safe to call from another thread."""
        return [info for info in tuple(self._known.values()) if info.running]

    def measured(self) -> list[ContainerInfo]:
        """The containers whose writable layer is to be measured. Safe to call from another thread."""
        return [info for info in self.running() if self._tuned(info).disk]

    def step(self, observation: Observation, now: float) -> list[Event]:
        match observation:
            case Samples(samples=samples):
                return self._sampled(samples, now)
            case EngineEvent():
                return self._happened(observation, now)
            case DiskUse(container_id=container_id, size=size):
                return self._wrap(self._disk(container_id, size, now), now)
            case Connected():
                alerts = self._reconcile(now)
                self.lost = ""
                return self._wrap(alerts, now)
            case Disconnected(error=error):
                self.lost = error
                return []

    def _tuned(self, info: ContainerInfo) -> Thresholds:
        return detect.tuned(self._thresholds, info.ref.labels)

    def _wrap(self, told: Iterable[Told], now: float) -> list[Event]:
        return [self._event(alert, now, incident) for incident, alert in told]

    def _event(self, data: Payload, now: float, incident: str | None = None) -> Event:
        return Event.make(data, time=now, host=self._host, source=self._source, incident=incident)

    # --- events -------------------------------------------------------------------------------------

    def _happened(self, event: EngineEvent, now: float) -> list[Event]:
        if self._cursor.knows(event):
            return []
        handlers: dict[str, Callable[[EngineEvent, float], list[Told]]] = {
            "die": self._died,
            "unhealthy": self._unhealthy,
            "healthy": self._healthy,
            "kill": self._killed,
            "start": self._started,
            "destroy": self._destroyed,
        }
        alerts: list[Told] = []
        if detect.watched(event.container):
            alerts = handlers.get(event.action, self._changed)(event, now)
        self._cursor = self._cursor.past(event)
        return self._wrap(alerts, now)

    def _look(self, container_id: str) -> ContainerInfo | None:
        """Inspect, and remember; None if it is gone."""
        try:
            info = self._engine.inspect(container_id)
        except NoSuchContainerError:
            self._known.pop(container_id, None)
            return None
        self._known[container_id] = info
        return info

    def _died(self, event: EngineEvent, now: float) -> list[Told]:
        container_id = event.container.id
        info = self._look(container_id)
        self._tracks.pop(container_id, None)
        if info is None or now - event.time > detect.STALE or self._is_told(info):
            return []
        exit_code = info.exit_code if event.exit_code is None else event.exit_code
        kind = detect.failure(info, exit_code, asked_at=self._asked.get(container_id), died_at=event.time)
        return [] if kind is None else [self._death(info, kind, event.time)]

    def _is_told(self, info: ContainerInfo) -> bool:
        """Whether the death of this very process was found by listing, before its event came."""
        return any(
            incident.container.id == info.ref.id
            and incident.kind in DEATHS
            and incident.since == info.finished_at > info.started_at
            for incident in self._register
        )

    def _death(self, info: ContainerInfo, kind: Kind, since: float) -> Told:
        evidence = [Evidence("exit_code", info.exit_code)]
        if kind is Kind.OOM and info.memory_limit:
            evidence.append(Evidence("memory_limit", info.memory_limit, "B"))
        if info.started_at:
            evidence.append(Evidence("ran", round(max(0.0, since - info.started_at), 3), "s"))
        return self._register.opened(info.ref, kind, since=since, evidence=evidence)

    def _unhealthy(self, event: EngineEvent, _: float) -> list[Told]:
        info = self._look(event.container.id)
        if info is None or not info.running or info.health != "unhealthy":
            return []
        return [self._register.opened(info.ref, Kind.UNHEALTHY, since=event.time)]

    def _healthy(self, event: EngineEvent, _: float) -> list[Told]:
        self._look(event.container.id)
        return self._register.closed(event.container.id, [Kind.UNHEALTHY])

    def _killed(self, event: EngineEvent, _: float) -> list[Told]:
        if detect.intended(event):
            self._asked[event.container.id] = event.time
        return []

    def _started(self, event: EngineEvent, _: float) -> list[Told]:
        self._look(event.container.id)
        self._asked.pop(event.container.id, None)
        self._tracks.pop(event.container.id, None)
        return []

    def _destroyed(self, event: EngineEvent, _: float) -> list[Told]:
        return self._forget(event.container.id)

    def _changed(self, event: EngineEvent, _: float) -> list[Told]:
        self._look(event.container.id)
        if event.action in {"pause", "unpause"}:
            self._tracks.pop(event.container.id, None)
        return []

    def _forget(self, container_id: str) -> list[Told]:
        self._known.pop(container_id, None)
        self._tracks.pop(container_id, None)
        self._asked.pop(container_id, None)
        return self._register.closed(container_id)

    # --- listing ------------------------------------------------------------------------------------

    def _reconcile(self, now: float) -> list[Told]:
        """After a (re)connection: what is there, what is gone, and what failed while nobody looked."""
        everything = self._engine.containers()
        found = [info for info in everything if detect.watched(info.ref)]
        self._known = {info.ref.id: info for info in found}
        gone = {incident.container.id for incident in self._register} - self._known.keys()
        told = [each for container_id in sorted(gone) for each in self._forget(container_id)]
        for info in found:
            told += self._missed(info, now)
        if not self._cursor.until:
            self._cursor = Cursor(now)
        return told

    def _missed(self, info: ContainerInfo, now: float) -> list[Told]:
        if info.running and info.health == "unhealthy":
            known = (info.ref.id, Kind.UNHEALTHY) in self._register
            return [] if known else [self._register.opened(info.ref, Kind.UNHEALTHY, since=now)]
        if not self._cursor.until or info.ref.id in self._asked:
            return []
        if any((info.ref.id, kind) in self._register for kind in DEATHS):
            return []
        kind = detect.missed_failure(info, seen_until=max(self._cursor.until, now - detect.STALE))
        return [] if kind is None else [self._death(info, kind, info.finished_at)]

    # --- samples ------------------------------------------------------------------------------------

    def _sampled(self, samples: Iterable[Sample], now: float) -> list[Event]:
        by_id = {sample.container_id: sample for sample in samples}
        events: list[Event] = []
        told: list[Told] = []
        for container_id, info in self._known.items():
            sample = by_id.get(container_id) if info.running else None
            cpu = None
            if sample is not None:
                cpu, findings = self._observed(info, sample)
                told += findings
            events.append(self._event(_stats(info, sample, cpu), now))
        return events + self._wrap(told + self._settled(now), now)

    def _observed(self, info: ContainerInfo, sample: Sample) -> tuple[float | None, list[Told]]:
        limits = Limits(info.cpu_limit or 1.0, info.memory_limit or self._host_memory)
        tuned = self._tuned(info)
        track = self._track(info)
        if sample.received is None and busy(track, sample, limits, tuned):
            sample = msgspec.structs.replace(sample, received=self._sampler.received(info))
        reading = observe(track, sample, limits, tuned)
        self._tracks[info.ref.id] = reading.track
        told: list[Told] = []
        for kind, phase, since, evidence in reading.findings:
            if phase is Phase.RAISED:
                told.append(
                    self._register.opened(info.ref, kind, since=since, window=tuned.window, evidence=evidence)
                )
            else:
                told += self._register.closed(info.ref.id, [kind])
        return reading.cpu, told

    def _track(self, info: ContainerInfo) -> Track:
        """The track of this process: what was alerted before the monitor restarted stays alerted."""
        if (track := self._tracks.get(info.ref.id)) is not None:
            return track
        mine = (incident for incident in self._register if incident.container.id == info.ref.id)
        return begin({incident.kind for incident in mine if info.started_at <= incident.since})

    def _disk(self, container_id: str, size: int, now: float) -> list[Told]:
        info = self._known.get(container_id)
        if info is None:
            return []
        threshold = self._tuned(info).disk
        if (container_id, Kind.DISK_HIGH) in self._register:
            over = size < threshold * detect.RELEASE
            return self._register.closed(container_id, [Kind.DISK_HIGH]) if over else []
        if not threshold or size < threshold:
            return []
        evidence = [Evidence("disk_bytes", size, "B"), Evidence("threshold", threshold, "B")]
        return [self._register.opened(info.ref, Kind.DISK_HIGH, since=now, evidence=evidence)]

    def _settled(self, now: float) -> list[Told]:
        """Close what is over: a crash when the container has run long enough since, a high value when the
        process that had it is gone, and anything at all when a person has stopped the container."""
        over = [incident for incident in self._register if self._is_over(incident, now)]
        return [
            told
            for incident in over
            for told in self._register.closed(incident.container.id, [incident.kind])
        ]

    def _is_over(self, incident: Incident, now: float) -> bool:
        info = self._known.get(incident.container.id)
        if info is None:
            return False
        settle = self._tuned(info).settle
        if not info.running:
            return now - self._asked.get(info.ref.id, now) > settle
        if now - info.started_at < settle:
            return False
        if incident.kind in GAUGED:
            return self._tracks.get(info.ref.id, Track()).calm(incident.kind)
        return incident.kind in DEATHS


def _stats(info: ContainerInfo, sample: Sample | None, cpu: float | None) -> ContainerStats:
    return ContainerStats(
        container=info.ref,
        state=info.state,
        cpu=None if cpu is None else round(cpu, 2),
        cpu_limit=info.cpu_limit,
        memory=None if sample is None else sample.memory,
        memory_limit=info.memory_limit,
    )
