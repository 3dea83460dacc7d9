"""The Bus port on Redis streams and pub/sub. It retries nothing and decides nothing."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
import redis

from hemostat.adapters.redis import last_values
from hemostat.adapters.redis.client import PREFIX, Client, Command
from hemostat.adapters.redis.deferred import Deferred, make_defer_command
from hemostat.adapters.redis.entries import decode_event, parse_entries
from hemostat.adapters.redis.incident_notes import IncidentNoteWriter
from hemostat.adapters.redis.lag import Lag
from hemostat.adapters.redis.parts import Entries, find_start, read_pages
from hemostat.adapters.redis.subscription import subscribe
from hemostat.core.evidence.snapshot import MAX_POINTS, MetricPoint
from hemostat.core.notify.dead_letters import DeadLetter
from hemostat.errors import DecodeError
from hemostat.events import Event, encode
from hemostat.ports import DueEntries, Entry

MAX_STREAM_LENGTH: Final = 100_000
MAX_DEAD_LETTERS: Final = 10_000
MAX_DEAD_LETTER_BYTES: Final = 16 * 1024
"""Bytes kept of a dead letter's event: a sender of malformed events must not fill the memory."""
DEAD_LETTER_STREAM: Final = f"{PREFIX}dead"
MAX_PENDING_READ: Final = 1000
"""Entries of one consumer that are read: more than a consumer is ever given at once."""
RELEASED_IDLE_MS: Final = 86_400_000
"""Idle time, in milliseconds, that an entry has after its consumer has released it."""
GROUP_LOST_ERRORS: Final = ("NOGROUP", "UNBLOCKED")
"""Redis's errors for a group lost with its stream, by eviction or FLUSHALL, also in a waiting read."""


class RedisBus:
    """The bus. Safe to use from several threads at once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._deferred = Deferred(client)
        self._entries = Entries(client)
        self._count_stream_lag = Lag(client)
        self._notes = IncidentNoteWriter()
        self._show_script = client.raw.register_script(last_values.SHOW_SCRIPT)

    def publish(self, events: Sequence[Event], *, state: tuple[str, bytes] | None = None) -> None:
        state_commands = [] if state is None else [("SET", f"{PREFIX}memo:{state[0]}", state[1])]
        self._client.transact([*self._make_publish_commands(events), *state_commands])

    def load_state(self, key: str) -> bytes | None:
        with self._client.call() as raw:
            value = raw.get(f"{PREFIX}memo:{key}")
        return value if isinstance(value, bytes) else None

    def publish_live(self, events: Sequence[Event], ttl: float) -> None:
        args: Any = last_values.make_arguments(events, ttl, shared=not self._client.is_of_one_host)
        with self._client.call():
            self._show_script(args=args)

    def read_last_values(self, stream: str) -> list[Event]:
        with self._client.call() as raw:
            values = last_values.read_values(raw, stream)
        return [
            event
            for key, value in values
            for event in _decode_events(stream, [value])
            if last_values.make_value_key(event) == key
        ]

    def read_metrics(self, host: str, container: str, count: int = MAX_POINTS) -> list[MetricPoint]:
        with self._client.call() as raw:
            values: Any = raw.lrange(last_values.make_history_key(host, container), -count, -1)
        return last_values.read_points(values)

    def read(
        self, role: str, consumer: str, streams: Sequence[str], *, count: int, timeout: float
    ) -> list[Entry]:
        names: Any = dict.fromkeys((PREFIX + stream for stream in streams), ">")
        block = int(timeout * 1000) or None
        with self._client.call() as raw:
            try:
                answer: Any = raw.xreadgroup(role, consumer, names, count=count, block=block)
            except redis.ResponseError as error:
                if not str(error).startswith(GROUP_LOST_ERRORS):
                    raise
                for stream in streams:
                    self._ensure_group(role, stream)
                answer = raw.xreadgroup(role, consumer, names, count=count, block=block)
        named = [(name.decode().removeprefix(PREFIX), rows) for name, rows in answer or ()]
        return [entry for stream, rows in named for entry in parse_entries(stream, rows)]

    def read_unfinished(self, role: str, consumer: str, streams: Sequence[str]) -> list[Entry]:
        """Reads pending entries without claiming them.

        A claim counts as a delivery, although its answer may be lost.
        """
        return [entry for stream in streams for entry in self._read_given(role, consumer, stream)]

    def claim(self, role: str, consumer: str, streams: Sequence[str], *, idle: float) -> list[Entry]:
        claimed: list[Entry] = []
        for stream in streams:
            self._ensure_group(role, stream)
            with self._client.call() as raw:
                answer: Any = raw.xautoclaim(PREFIX + stream, role, consumer, int(idle * 1000))
            claimed += self._count_deliveries(role, stream, parse_entries(stream, answer[1]))
        return claimed

    def extend_delivery(self, role: str, consumer: str, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        with self._client.call() as raw, raw.pipeline(transaction=False) as batch:
            for entry in entries:
                stream, tries = PREFIX + entry.stream, entry.deliveries
                batch.xclaim(stream, role, consumer, 0, [entry.id], retrycount=tries, justid=True)
            answers = batch.execute(raise_on_error=False)
            for answer in answers:
                if isinstance(answer, redis.RedisError) and not str(answer).startswith(GROUP_LOST_ERRORS):
                    raise answer

    def release(self, role: str, consumer: str, streams: Sequence[str]) -> None:
        left = self.read_unfinished(role, consumer, streams)
        if not left:
            return
        with self._client.call() as raw, raw.pipeline(transaction=False) as batch:
            for entry in left:
                stream = PREFIX + entry.stream
                batch.xclaim(stream, role, consumer, 0, [entry.id], idle=RELEASED_IDLE_MS, justid=True)
            batch.execute()

    def ack_all(self, role: str, finished_entries: Sequence[tuple[Entry, Sequence[Event]]]) -> None:
        publish_commands = self._make_publish_commands(
            [event for _, outputs in finished_entries for event in outputs]
        )
        self._client.atomic(
            [*publish_commands, *_make_ack_commands(role, [entry for entry, _ in finished_entries])]
        )

    def defer(self, role: str, entry: Entry, until: float, outputs: Sequence[Event] = ()) -> None:
        self._client.atomic(
            [
                *self._make_publish_commands(outputs),
                make_defer_command(role, entry, until),
                *_make_ack_commands(role, [entry]),
            ]
        )

    def read_due(self, role: str, streams: Sequence[str], now: float, *, count: int) -> DueEntries:
        return self._deferred.read_due(role, streams, now, count=count)

    def postpone(self, role: str, entries: Sequence[tuple[Entry, float]]) -> None:
        self._deferred.postpone(role, entries)

    def requeue(self, role: str, entries: Sequence[Entry]) -> int:
        return self._deferred.requeue(role, entries)

    def requeue_due(self, role: str, streams: Sequence[str], now: float) -> int:
        return self._deferred.requeue_due(role, streams, now)

    def move_to_dead_letters(
        self, role: str, entry: Entry, error: str, now: float, outputs: Sequence[Event] = ()
    ) -> None:
        origin_fields = ("stream", entry.stream, "id", entry.id, "error", error, "time", now)
        fields = (*origin_fields, "event", entry.raw[:MAX_DEAD_LETTER_BYTES])
        dead = ("XADD", DEAD_LETTER_STREAM, *_limit_length(MAX_DEAD_LETTERS), *fields)
        self._client.atomic([*self._make_publish_commands(outputs), dead, *_make_ack_commands(role, [entry])])

    def count_dead_letters(self) -> int:
        with self._client.call() as raw:
            return int(raw.xlen(DEAD_LETTER_STREAM))

    def read_last_dead_letter(self) -> DeadLetter | None:
        with self._client.call() as raw:
            untyped_client: Any = raw
            rows = read_pages(
                lambda _, some: untyped_client.xrevrange(DEAD_LETTER_STREAM, count=some),
                1,
                raw.ping,
                required=False,
            )
        return next((_make_dead_letter(*row) for row in rows), None)

    def count_lag(self, role: str, streams: Sequence[str]) -> int:
        return sum(self._count_stream_lag.read(stream, role) for stream in streams)

    def read_recent(self, stream: str, count: int) -> list[Event]:
        def ask(last: bytes | None, some: int) -> Any:
            return raw.xrevrange(PREFIX + stream, max=b"(" + last if last else "+", count=some)

        with self._client.call() as raw:
            entries = read_pages(ask, count, raw.ping, required=False)
        return _decode_events(stream, (fields.get(b"event", b"") for _, fields in reversed(entries)))

    def read_after(self, stream: str, position: str, count: int) -> list[Entry]:
        def ask(last: bytes | None, some: int) -> Any:
            return raw.xrange(PREFIX + stream, min=b"(" + (last or start or b""), count=some)

        with self._client.call() as raw:
            start = find_start(raw, PREFIX + stream, position.encode())
            rows = read_pages(ask, count, raw.ping, required=True) if start else []
        return parse_entries(stream, rows)

    def subscribe(self, streams: Sequence[str], *, timeout: float) -> Iterator[Event | None]:
        with self._client.call() as raw:
            yield from subscribe(raw, streams, timeout)

    def ping(self) -> None:
        with self._client.call() as raw:
            raw.ping()

    def close(self) -> None:
        self._client.close()

    def _make_publish_commands(self, events: Sequence[Event]) -> list[Command]:
        """The commands that publish. Notes of an alert and the seal of an order precede the event."""
        said = [(PREFIX + event.type, encode(event)) for event in events]
        return [
            *self._notes.make_commands(events),
            *(("XADD", key, *_limit_length(MAX_STREAM_LENGTH), "event", value) for key, value in said),
            *(("PUBLISH", key, value) for key, value in said),
        ]

    # --- groups -------------------------------------------------------------------------------------

    def _read_given(self, role: str, consumer: str, stream: str) -> Iterator[Entry]:
        self._ensure_group(role, stream)
        with self._client.call() as raw:
            pending: Any = raw.xpending_range(PREFIX + stream, role, "-", "+", MAX_PENDING_READ, consumer)
        tries = {each["message_id"].decode(): each["times_delivered"] for each in pending}
        for entry in self._entries.read(stream, [*tries]):
            yield msgspec.structs.replace(entry, deliveries=tries[entry.id] + 1)

    def _ensure_group(self, role: str, stream: str) -> None:
        """Create the group at the stream's beginning: a role's first start handles earlier events too."""
        self._count_stream_lag.own_groups.add((stream, role))
        with self._client.call() as raw:
            try:
                raw.xgroup_create(PREFIX + stream, role, id="0", mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def _count_deliveries(self, role: str, stream: str, entries: Sequence[Entry]) -> Iterator[Entry]:
        """The entries with their numbers of deliveries."""
        with self._client.call() as raw, raw.pipeline(transaction=False) as batch:
            for entry in entries:
                batch.xpending_range(PREFIX + stream, role, entry.id, entry.id, 1)
            answers = batch.execute()
        for entry, answer in zip(entries, answers, strict=True):
            tries = answer[0]["times_delivered"] if answer else 1
            yield msgspec.structs.replace(entry, deliveries=tries)


def _make_dead_letter(name: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    """The dead letter. Its time is that of the entry's id, whatever the fields contain."""
    stream, error = (fields.get(each, b"").decode(errors="replace") for each in (b"stream", b"error"))
    milliseconds = int(name.partition(b"-")[0])
    return DeadLetter(id=name.decode(), time=milliseconds / 1000, stream=stream, error=error)


def _make_ack_commands(role: str, entries: Sequence[Entry]) -> list[Command]:
    """The commands that acknowledge. They come last: an acknowledged entry is not delivered again."""
    ids: dict[str, list[str]] = {}
    for entry in entries:
        ids.setdefault(entry.stream, []).append(entry.id)
    return [("XACK", PREFIX + stream, role, *names) for stream, names in ids.items()]


def _limit_length(length: int) -> Command:
    """Arguments of XADD: an approximate length, and an id generated by Redis."""
    return "MAXLEN", "~", length, "*"


def _decode_events(stream: str, values: Any) -> list[Event]:
    """The events of a stream, without those that cannot be read."""
    events = []
    for value in values:
        with suppress(DecodeError):
            events.append(decode_event(stream, value))
    return events
