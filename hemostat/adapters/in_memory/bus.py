"""The Bus port in memory, for tests and for a loop in one process. Safe to use from several threads."""

import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import inf

import msgspec

from hemostat.core.evidence.snapshot import MAX_POINTS, POINTS_TTL_SECONDS, MetricPoint
from hemostat.core.ledger.alert_notes import build_notes
from hemostat.core.notify.dead_letters import DeadLetter
from hemostat.errors import DecodeError
from hemostat.events import ContainerStats, Event, Order, decode, encode, seal
from hemostat.ports import Clock, DueEntries, Entry
from hemostat.streams import find_mismatch


@dataclass
class Pending:
    """A delivered entry that is not acknowledged. `since` is the last sign of its consumer."""

    entry: Entry
    consumer: str
    since: float


@dataclass
class ConsumerGroup:
    position: int = 0
    pending: dict[str, Pending] = field(default_factory=dict)


class InMemoryBus:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._streams: dict[str, list[Entry]] = defaultdict(list)
        self._groups: dict[tuple[str, str], ConsumerGroup] = defaultdict(ConsumerGroup)
        self._states: dict[str, bytes] = {}
        self._last_values: dict[tuple[str, str], tuple[Event, float]] = {}
        self._points: dict[tuple[str, str], deque[MetricPoint]] = defaultdict(
            lambda: deque(maxlen=MAX_POINTS)
        )
        self._deferred: list[tuple[str, float, Entry]] = []
        """Role, due time and entry."""
        self._published: list[tuple[str, Event]] = []
        """Channel and event."""
        self._ids = count(1)
        self.dead_letters: list[tuple[Entry, str]] = []
        self._dead_letter_at = 0.0
        self.incidents: dict[tuple[str, str | None], str] = {}
        """Monitors' notes, by host and by incident with the note's suffix (core.ledger.alert_notes)."""
        self.seals: dict[tuple[str, str | None], str] = {}
        """The seals of orders, by the same keys."""

    def put_raw(self, stream: str, raw: bytes, notes: tuple[str, ...] = ()) -> None:
        """Append raw bytes, as a malicious client might."""
        with self._changed:
            event, error = None, ""
            try:
                event = decode(raw)
                error = find_mismatch(stream, event.type, event.source)
            except DecodeError as wrong:
                error = str(wrong)
            name = f"{next(self._ids)}-0"
            entry = Entry(
                stream=stream, id=name, raw=raw, event=None if error else event, error=error, notes=notes
            )
            self._streams[stream].append(entry)
            self._changed.notify_all()

    def publish_as(self, channel: str, event: Event) -> None:
        """Publish an event on any channel, as a malicious client might."""
        with self._changed:
            self._published.append((channel, event))
            self._changed.notify_all()

    def publish(self, events: Sequence[Event], *, state: tuple[str, bytes] | None = None) -> None:
        with self._changed:
            for event in events:
                self.put_raw(event.type, encode(event))
                for suffix, note in build_notes(event):
                    self.incidents[event.host, f"{event.incident}{suffix}"] = note
                if isinstance(event.data, Order):
                    self.seals[event.host, event.incident] = seal(event.data, event.time)
            self._published += ((event.type, event) for event in events)
            if state is not None:
                self._states[state[0]] = state[1]

    def load_state(self, key: str) -> bytes | None:
        with self._changed:
            return self._states.get(key)

    def publish_live(self, events: Sequence[Event], ttl: float) -> None:
        with self._changed:
            for event in events:
                self._last_values[event.type, _name_value(event)] = event, self._clock.now() + ttl
                if isinstance(event.data, ContainerStats):
                    point = MetricPoint.from_stats(event.data, event.time)
                    self._points[event.host, event.data.container.name].append(point)
            self._published += ((event.type, event) for event in events)
            self._changed.notify_all()

    def read_last_values(self, stream: str) -> list[Event]:
        with self._changed:
            now = self._clock.now()
            return [
                event
                for (kind, _), (event, until) in self._last_values.items()
                if kind == stream and until > now and not find_mismatch(kind, event.type, event.source)
            ]

    def read_metrics(self, host: str, container: str, count: int = MAX_POINTS) -> list[MetricPoint]:
        with self._changed:
            points = list(self._points[host, container])[-count:]
            return points if points and self._clock.now() < points[-1].time + POINTS_TTL_SECONDS else []

    def read(
        self, role: str, consumer: str, streams: Sequence[str], *, count: int, timeout: float
    ) -> list[Entry]:
        with self._changed:
            self._changed.wait_for(lambda: self._list_undelivered(role, streams), timeout)
            entries = self._list_undelivered(role, streams)[:count]
            for entry in entries:
                group = self._groups[role, entry.stream]
                group.position += 1
                group.pending[entry.id] = Pending(entry, consumer, self._clock.now())
            return entries

    def _list_undelivered(self, role: str, streams: Sequence[str]) -> list[Entry]:
        return [
            entry
            for stream in streams
            for entry in self._streams[stream][self._groups[role, stream].position :]
        ]

    def read_unfinished(self, role: str, consumer: str, streams: Sequence[str]) -> list[Entry]:
        with self._changed:
            own_pending = [p for p in self._list_pending(role, streams) if p.consumer == consumer]
            return [_count_delivery(pending) for pending in own_pending]

    def claim(self, role: str, consumer: str, streams: Sequence[str], *, idle: float) -> list[Entry]:
        with self._changed:
            latest = self._clock.now() - idle
            dropped = [pending for pending in self._list_pending(role, streams) if pending.since <= latest]
            return [self._redeliver(pending, consumer) for pending in dropped]

    def _list_pending(self, role: str, streams: Sequence[str]) -> list[Pending]:
        return [pending for stream in streams for pending in self._groups[role, stream].pending.values()]

    def _redeliver(self, pending: Pending, consumer: str) -> Entry:
        pending.entry, pending.consumer, pending.since = _count_delivery(pending), consumer, self._clock.now()
        return pending.entry

    def extend_delivery(self, role: str, consumer: str, entries: Sequence[Entry]) -> None:
        with self._changed:
            for entry in entries:
                pending = self._groups[role, entry.stream].pending.get(entry.id)
                if pending is not None:
                    new_entry = msgspec.structs.replace(pending.entry, deliveries=entry.deliveries)
                    pending.entry, pending.consumer, pending.since = new_entry, consumer, self._clock.now()

    def release(self, role: str, consumer: str, streams: Sequence[str]) -> None:
        with self._changed:
            for pending in self._list_pending(role, streams):
                if pending.consumer == consumer:
                    pending.since = -inf

    def ack_all(self, role: str, finished_entries: Sequence[tuple[Entry, Sequence[Event]]]) -> None:
        with self._changed:
            for entry, outputs in finished_entries:
                self.publish(outputs)
                self._groups[role, entry.stream].pending.pop(entry.id, None)
            self._changed.notify_all()

    def defer(self, role: str, entry: Entry, until: float, outputs: Sequence[Event] = ()) -> None:
        with self._changed:
            self.ack_all(role, [(entry, outputs)])
            self._deferred.append((role, until, entry))

    def read_due(self, role: str, streams: Sequence[str], now: float, *, count: int) -> DueEntries:
        with self._changed:
            role_entries = [
                (until, entry)
                for by, until, entry in self._deferred
                if by == role and entry.stream in streams
            ]
            role_entries.sort(key=lambda each: each[0])
            due = [entry for until, entry in role_entries if until <= now]
            entries = [e for stream in streams for e in [d for d in due if d.stream == stream][:count]]
            return DueEntries(entries, min((until for until, _ in role_entries if until > now), default=None))

    def postpone(self, role: str, entries: Sequence[tuple[Entry, float]]) -> None:
        with self._changed:
            new_times = {(each.stream, each.id, each.raw): until for each, until in entries}
            self._deferred = [
                (by, new_times.get((e.stream, e.id, e.raw), until) if by == role else until, e)
                for by, until, e in self._deferred
            ]

    def requeue(self, role: str, entries: Sequence[Entry]) -> int:
        with self._changed:
            back = {(each.stream, each.id, each.raw) for each in entries}
            deferred_entries = [
                each
                for each in self._deferred
                if each[0] == role and (each[2].stream, each[2].id, each[2].raw) in back
            ]
            return self._requeue(deferred_entries)

    def requeue_due(self, role: str, streams: Sequence[str], now: float) -> int:
        with self._changed:
            role_entries = (each for each in self._deferred if each[0] == role and each[2].stream in streams)
            return self._requeue([each for each in role_entries if each[1] <= now])

    def _requeue(self, deferred_entries: Sequence[tuple[str, float, Entry]]) -> int:
        self._deferred = [each for each in self._deferred if each not in deferred_entries]
        for _, _, entry in deferred_entries:
            self.put_raw(entry.stream, entry.raw, entry.notes)
        return len(deferred_entries)

    def move_to_dead_letters(
        self,
        role: str,
        entry: Entry,
        error: str,
        now: float,
        outputs: Sequence[Event] = (),
    ) -> None:
        with self._changed:
            self.ack_all(role, [(entry, outputs)])
            self.dead_letters.append((entry, error))
            self._dead_letter_at = now

    def count_dead_letters(self) -> int:
        with self._changed:
            return len(self.dead_letters)

    def read_last_dead_letter(self) -> DeadLetter | None:
        with self._changed:
            if not self.dead_letters:
                return None
            entry, error = self.dead_letters[-1]
            return DeadLetter(
                id=f"{len(self.dead_letters)}-0", time=self._dead_letter_at, stream=entry.stream, error=error
            )

    def count_lag(self, role: str, streams: Sequence[str]) -> int:
        with self._changed:
            return len(self._list_undelivered(role, streams)) + len(self._list_pending(role, streams))

    def read_recent(self, stream: str, count: int) -> list[Event]:
        with self._changed:
            return [entry.event for entry in self._streams[stream][-count:] if entry.event is not None]

    def read_after(self, stream: str, position: str, count: int) -> list[Entry]:
        with self._changed:
            first = int(position.split("-", maxsplit=1)[0])
            return [e for e in self._streams[stream] if int(e.id.split("-")[0]) > first][:count]

    def subscribe(self, streams: Sequence[str], *, timeout: float) -> Iterator[Event | None]:
        with self._changed:
            return self._listen(streams, timeout, len(self._published))

    def _listen(self, streams: Sequence[str], timeout: float, position: int) -> Iterator[Event | None]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: len(self._published) > position, timeout)  # noqa: B023 - called here and now
                new_events = self._published[position:]
                position += len(new_events)
            stream_events: list[Event | None] = [
                event
                for channel, event in new_events
                if channel in streams and not find_mismatch(channel, event.type, event.source)
            ]
            yield from stream_events or [None]

    def ping(self) -> None:
        """Always available."""

    def close(self) -> None:
        """Nothing to release."""


def _count_delivery(pending: Pending) -> Entry:
    return msgspec.structs.replace(pending.entry, deliveries=pending.entry.deliveries + 1)


def _name_value(event: Event) -> str:
    container = getattr(event.data, "container", None)
    return f"{event.host}/{container.name}" if container else event.source
