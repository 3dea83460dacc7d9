"""A replay: the recorded input of the dashboard, and its state at any moment. Pure.

A replay file is text with one JSON object per line: a header, then events with the time at which the recorder
received them, by its clock. Events are kept as published, with their secrets masked again, because replay
files are passed on to others.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from sys import intern
from typing import Any, Final

import msgspec

from hemostat.core.evidence.snapshot import MAX_POINTS, POINTS_TTL_SECONDS, MetricPoint
from hemostat.core.history.status import get_replacement_key
from hemostat.core.redact import redact, redact_environment
from hemostat.core.text import truncate
from hemostat.errors import DecodeError
from hemostat.events import DURABLE, MAX_TIME, ContainerStats, Event, HealthAlert, Phase, decode, encode

FORMAT_NAME: Final = "hemostat-recording"
FORMAT_VERSION: Final = 1
LIVE_SECONDS: Final = 60.0
"""Seconds for which a last value is valid: long enough to see that a role fell silent."""
MAX_DAMAGED: Final = 10_000
"""Damaged lines of a file that can be played. A file with more contains something else than a replay."""
MAX_DAMAGE_CHARACTERS: Final = 200
UNMASKED_FIELDS: Final = frozenset({"id", "name", "host", "source", "role", "instance", "incident", "cause"})
"""Fields that other fields refer to, which must not be masked."""


class ReplayHeader(msgspec.Struct, frozen=True, kw_only=True):
    """`begin` is the first moment that can be shown (epoch seconds). Earlier events are history."""

    format: str
    version: int
    host: str
    begin: float


class _Line(msgspec.Struct, frozen=True):
    at: float
    event: msgspec.Raw


class ReplayedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as published, the time it was received (epoch seconds), and its keys: `name` is replaced by a
    newer event of the same type, `place` is host and name of the container measured, `opens` the incident
    raised. There may be very many, so nothing that can be decoded again is kept."""

    at: float
    type: str
    raw: bytes
    name: str
    place: tuple[str, str] | None
    opens: str


def encode_header(host: str, begin: float) -> bytes:
    return (
        msgspec.json.encode(ReplayHeader(format=FORMAT_NAME, version=FORMAT_VERSION, host=host, begin=begin))
        + b"\n"
    )


def encode_event_line(event: Event, at: float) -> bytes:
    return msgspec.json.encode(_Line(at, msgspec.Raw(encode_masked_event(event)))) + b"\n"


def encode_masked_event(event: Event) -> bytes:
    """The encoded event, with text that looks like a secret masked."""
    fields: dict[str, Any] = msgspec.json.decode(encode(event))
    return msgspec.json.encode({**fields, "data": _mask_value(fields["data"])})


def _mask_value(value: Any) -> Any:
    match value:
        case str():
            return _redact_cached(value)
        case list():
            return [_mask_value(each) for each in value]
        case dict():
            return {key: _mask_field(key, each) for key, each in value.items()}
    return value


def _mask_field(key: str, value: Any) -> Any:
    if key in UNMASKED_FIELDS and isinstance(value, str):
        return value
    return redact_environment(value) if key == "labels" and isinstance(value, dict) else _mask_value(value)


@lru_cache(maxsize=4096)
def _redact_cached(text: str) -> str:
    return redact(text)


class Replay:
    """Recorded events in order of time, readable at any moment. Times are epoch seconds.

    `notes` describe what was left out.
    """

    def __init__(
        self, header: ReplayHeader, events: Iterable[ReplayedEvent], notes: Sequence[str] = ()
    ) -> None:
        self.host = header.host
        self.begin = header.begin
        self.notes = tuple(notes)
        self._events = sorted(events, key=lambda each: each.at)
        self._durable_places: dict[str, list[int]] = defaultdict(list)
        self._live_places: dict[tuple[str, str], list[int]] = defaultdict(list)
        """Indexes of events that replace each other, by type and name."""
        self._point_places: dict[tuple[str, str], list[int]] = defaultdict(list)
        """Indexes of a container's measurements, by host and name."""
        first: dict[str, float] = {}
        for number, each in enumerate(self._events):
            self._index(number, each)
            if each.opens:
                first.setdefault(each.opens, each.at)
        self._times = [each.at for each in self._events]
        self.end = max(self.begin, self._times[-1]) if self._times else self.begin
        self.incident_starts = tuple(at for at in sorted(first.values()) if at >= self.begin)
        """When each incident began."""
        self.durable_times = tuple(
            sorted(self._times[index] for indices in self._durable_places.values() for index in indices)
        )
        """Times of durable events, which are more than a measurement or a heartbeat."""

    def _index(self, number: int, each: ReplayedEvent) -> None:
        if each.type in DURABLE:
            self._durable_places[each.type].append(number)
            return
        self._live_places[each.type, each.name].append(number)
        if each.place is not None:
            self._point_places[each.place].append(number)

    def __len__(self) -> int:
        return len(self._events)

    def iterate_between(self, after: float, until: float, streams: Sequence[str]) -> Iterator[Event]:
        """The events received after `after` and up to `until`, inclusive."""
        for index in range(bisect_right(self._times, after), bisect_right(self._times, until)):
            if self._events[index].type in streams:
                yield self._decode_event(index)

    def find_recent_events(self, stream: str, count: int, now: float) -> list[Event]:
        """The newest events of a stream as it was at `now`, oldest first."""
        return [
            self._decode_event(index)
            for index in self._take_until(self._durable_places[stream], now)[-count:]
        ]

    def find_last_values(self, stream: str, now: float) -> list[Event]:
        """The last values of a type as they were at `now`."""
        last_indices = (
            self._take_until(indices, now)[-1:]
            for (name, _), indices in self._live_places.items()
            if name == stream
        )
        return [
            self._decode_event(index) for index, *_ in last_indices if now - self._times[index] < LIVE_SECONDS
        ]

    def find_points(
        self, host: str, container: str, now: float, count: int = MAX_POINTS
    ) -> list[MetricPoint]:
        """The latest measurements of the container with this name, as known at `now`, oldest first."""
        indices = self._take_until(self._point_places.get((host, container), []), now)[-count:]
        points = [
            MetricPoint.from_stats(event.data, event.time)
            for event in map(self._decode_event, indices)
            if isinstance(event.data, ContainerStats)
        ]
        return points if indices and now - self._times[indices[-1]] < POINTS_TTL_SECONDS else []

    def _take_until(self, indices: Sequence[int], now: float) -> Sequence[int]:
        return indices[: bisect_left(indices, bisect_right(self._times, now))]

    def _decode_event(self, index: int) -> Event:
        return decode(self._events[index].raw)


def _make_replayed_event(at: float, event: Event, raw: bytes) -> ReplayedEvent:
    container_key, opens = None, ""
    match event.data:
        case ContainerStats(container=container):
            container_key = (intern(event.host), intern(container.name))
        case HealthAlert(phase=Phase.RAISED):
            opens = event.incident or ""
    return ReplayedEvent(
        at, intern(event.type), raw, intern(get_replacement_key(event)), container_key, opens
    )


def build_replay(header: ReplayHeader, events: Iterable[Event], latest: float = MAX_TIME) -> Replay:
    """A replay of the events that a bus holds. Each counts as received at its own time, at `latest` (epoch
    seconds) at the latest: the clock of a host may be wrong."""
    return Replay(
        header,
        [
            _make_replayed_event(min(event.time, latest), event, encode_masked_event(event))
            for event in events
        ],
    )


def parse(lines: Iterable[bytes]) -> Replay:
    """Reads a replay file. A last line without its end is left out, because the recorder may have been
    killed. So are damaged lines, because other users may have written what was recorded.

    Raises DecodeError for a file that is not a replay, is of another version, has only damaged lines, or has
    more than MAX_DAMAGED of them.
    """
    rows = iter(lines)
    header = _parse_header(next(rows, b""))
    events: list[ReplayedEvent] = []
    notes: list[str] = []
    first_damage, damaged_count = "", 0
    for number, row in enumerate(rows, 2):
        if not row.endswith(b"\n"):
            notes.append(f"line {number}, the last, is truncated and left out")
            continue
        try:
            line = msgspec.json.decode(row, type=_Line)
            raw = bytes(line.event)
            event = decode(raw)
            _check_times(line.at, event.time)
            events.append(_make_replayed_event(line.at, event, raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, DecodeError) as error:
            damaged_count += 1
            if damaged_count == 1:
                first_damage = f"line {number} is damaged: {truncate(str(error), MAX_DAMAGE_CHARACTERS)}"
            if damaged_count > MAX_DAMAGED:
                raise DecodeError(
                    f"more than {MAX_DAMAGED} of its lines are damaged: {first_damage}"
                ) from None
    if first_damage and not events:
        raise DecodeError(first_damage)
    return Replay(header, events, [*_describe_damage(first_damage, damaged_count), *notes])


def _describe_damage(first: str, count: int) -> Iterator[str]:
    """One note, however many lines are damaged: the dashboard shows each note over the screen."""
    more = count - 1
    if count:
        yield f"left out: {first}" + (f", and {more} more damaged line{'s' * (more > 1)}" if more else "")


def _check_times(*times: float) -> None:
    if not all(0 <= time <= MAX_TIME for time in times):
        raise DecodeError("timestamp out of range")


def _parse_header(row: bytes) -> ReplayHeader:
    try:
        header = msgspec.json.decode(row, type=ReplayHeader)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DecodeError("it is not a replay file", hint="create one with: hemostat record FILE") from None
    if header.format != FORMAT_NAME:
        raise DecodeError("it is not a replay file", hint="create one with: hemostat record FILE")
    if header.version != FORMAT_VERSION:
        raise DecodeError(
            f"it has version {header.version}, but this HemoStat reads version {FORMAT_VERSION}"
        )
    _check_times(header.begin)
    return header
