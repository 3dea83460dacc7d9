"""The bus: streams and channels that carry events between roles."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from hemostat.core.evidence.snapshot import MAX_POINTS, MetricPoint
from hemostat.core.notify.dead_letters import DeadLetter
from hemostat.events import Event, read_earlier_note


class Defer(msgspec.Struct, frozen=True):
    """A step's answer: deliver this event again at `until` (epoch seconds). `outputs` are published
    meanwhile. `reported` is the reason that they report. The deferred entry stores the reason, and each later
    delivery passes the stored reasons to the step."""

    until: float
    why: str
    outputs: tuple[Event, ...] = ()
    reported: str = ""


class RunInBackground(msgspec.Struct, frozen=True):
    """A step's answer: this takes long. `work` returns the final answer, at the time it is called with, in a
    thread for long work. Where no thread is free, `otherwise` returns the answer."""

    work: Callable[[float], Sequence[Event] | Defer]
    otherwise: Callable[[float], Sequence[Event] | Defer]


class DueEntries(NamedTuple):
    """Deferred entries that are due, and when the next one is due (epoch seconds); None where no other is
    deferred."""

    entries: "list[Entry]"
    next: float | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One unfinished entry of a stream. `event` is None where the bytes cannot be decoded; `error` says
    why."""

    stream: str
    id: str
    raw: bytes
    event: Event | None
    error: str = ""
    deliveries: int = 1
    notes: tuple[str, ...] = ()
    """Reasons to wait that were reported when the entry was deferred, as stored with the entry."""

    @property
    def reported(self) -> tuple[str, ...]:
        """The reasons to wait that were reported already. Earlier versions stored them in the event."""
        return (*read_earlier_note(self.raw), *self.notes)


class Listener(Protocol):
    """What a screen reads from a bus. `stream` is an event type."""

    def read_recent(self, stream: str, count: int) -> list[Event]:
        """Return the newest events of a stream, oldest first; entries that cannot be decoded are left out."""
        ...

    def read_last_values(self, stream: str) -> list[Event]:
        """Return the last values of this type that `publish_live` stored and that have not expired."""
        ...

    def read_metrics(self, host: str, container: str, count: int = MAX_POINTS) -> list[MetricPoint]:
        """Return the latest measurements of the container of this name, at most `count`, oldest first. Empty
        where the container has not been seen for some minutes."""
        ...

    def subscribe(self, streams: Sequence[str], *, timeout: float) -> Iterator[Event | None]:
        """Yield events published from now on; None whenever `timeout` seconds pass without one."""
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class Bus(Listener, Protocol):
    """Streams with a consumer group per role, and pub/sub of the same names. `stream` is an event type."""

    def publish(self, events: Sequence[Event], *, state: tuple[str, bytes] | None = None) -> None:
        """Append and publish in one transaction, which also stores the state `state` (key, value)."""
        ...

    def load_state(self, key: str) -> bytes | None:
        """Return the state last stored under this key."""
        ...

    def publish_live(self, events: Sequence[Event], ttl: float) -> None:
        """Publish values that only refresh a screen, and store each as the last value for `ttl` seconds. The
        latest few hundred measurements of a container are stored as its history."""
        ...

    def read(
        self, role: str, consumer: str, streams: Sequence[str], *, count: int, timeout: float
    ) -> list[Entry]:
        """Return new entries for this role, after waiting at most `timeout` seconds for the first."""
        ...

    def claim(self, role: str, consumer: str, streams: Sequence[str], *, idle: float) -> list[Entry]:
        """Take over entries that any consumer (this one included) received `idle` seconds ago or earlier and
        has neither acknowledged nor kept; `deliveries` is incremented."""
        ...

    def read_unfinished(self, role: str, consumer: str, streams: Sequence[str]) -> list[Entry]:
        """Return the entries that were delivered to this consumer and not acknowledged. `deliveries` is
        incremented only when an entry is kept, because this answer may be lost."""
        ...

    def extend_delivery(self, role: str, consumer: str, entries: Sequence[Entry]) -> None:
        """Mark these entries as in progress, with the number of their delivery, so that no consumer claims
        them."""
        ...

    def release(self, role: str, consumer: str, streams: Sequence[str]) -> None:
        """Let any consumer claim this consumer's unfinished entries at once."""
        ...

    def ack_all(self, role: str, finished_entries: Sequence[tuple[Entry, Sequence[Event]]]) -> None:
        """Publish and acknowledge several entries with their outputs, in one transaction."""
        ...

    def defer(self, role: str, entry: Entry, until: float, outputs: Sequence[Event] = ()) -> None:
        """Publish the outputs, acknowledge the entry and store it for this role until `until` (epoch
        seconds), in one transaction."""
        ...

    def read_due(self, role: str, streams: Sequence[str], now: float, *, count: int) -> DueEntries:
        """Return at most `count` entries of each stream that this role has deferred and that are due,
        earliest first. They stay deferred until they are put off or put back."""
        ...

    def postpone(self, role: str, entries: Sequence[tuple[Entry, float]]) -> None:
        """Defer these deferred entries until a later time (epoch seconds) each."""
        ...

    def requeue(self, role: str, entries: Sequence[Entry]) -> int:
        """Put these deferred entries back on their streams, and return their number."""
        ...

    def requeue_due(self, role: str, streams: Sequence[str], now: float) -> int:
        """Put all due entries that this role has deferred back on these streams, and return their number. An
        empty role: entries deferred by earlier versions, which kept one list for all roles."""
        ...

    def move_to_dead_letters(
        self, role: str, entry: Entry, error: str, now: float, outputs: Sequence[Event] = ()
    ) -> None:
        """Publish the outputs and move the entry to the dead-letter stream, with its error, in one
        transaction."""
        ...

    def count_dead_letters(self) -> int:
        """Return the number of entries in the dead-letter stream."""
        ...

    def read_last_dead_letter(self) -> DeadLetter | None:
        """Return the newest entry of the dead-letter stream."""
        ...

    def count_lag(self, role: str, streams: Sequence[str]) -> int:
        """Return how many entries this role has not acknowledged, undelivered ones included."""
        ...

    def read_after(self, stream: str, position: str, count: int) -> list[Entry]:
        """Return at most `count` entries that follow the one of this id, oldest first, independent of other
        readers. Starts from the beginning for 0-0."""
        ...
