"""How events travel."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from hemostat.core.evidence.snapshot import MAX_POINTS, MetricPoint
from hemostat.core.notify.dead_letters import DeadLetter
from hemostat.events import Event


class Defer(msgspec.Struct, frozen=True):
    """A step's answer: not now, deliver this event again at `until` (epoch seconds). `told` is to be
    published meanwhile; `event` is what is to be delivered in its place, None for the same."""

    until: float
    why: str
    told: tuple[Event, ...] = ()
    event: Event | None = None


class RunInBackground(msgspec.Struct, frozen=True):
    """A step's answer: this takes long. `work` gives the answer proper, at the time it is called with, apart
    from whatever is quick; where there is no room for it, `otherwise` is the answer."""

    work: Callable[[float], Sequence[Event] | Defer]
    otherwise: Callable[[float], Sequence[Event] | Defer]


class DueEntries(NamedTuple):
    """Deferred entries whose time has come, and when the next one's comes (epoch seconds); None where no
    other is deferred."""

    entries: "list[Entry]"
    next: float | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One undone entry of a stream. `event` is None where the bytes are no event; `error` says why."""

    stream: str
    id: str
    raw: bytes
    event: Event | None
    error: str = ""
    deliveries: int = 1


class Listener(Protocol):
    """What a screen asks of a bus. `stream` is an event type."""

    def recent(self, stream: str, count: int) -> list[Event]:
        """The newest events of a stream, oldest first; what is no event is left out."""
        ...

    def last(self, stream: str) -> list[Event]:
        """The last values that `show` kept of this type and that have not expired."""
        ...

    def history(self, host: str, container: str, count: int = MAX_POINTS) -> list[MetricPoint]:
        """The latest numbers of the container of this name, at most `count`, oldest first; none where it has
        not been seen for some minutes."""
        ...

    def subscribe(self, streams: Sequence[str], *, timeout: float) -> Iterator[Event | None]:
        """Events published from now on; None whenever `timeout` seconds pass in silence."""
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class Bus(Listener, Protocol):
    """Streams with a group per role, and pub/sub of the same names. `stream` is an event type."""

    def publish(self, events: Sequence[Event], *, memo: tuple[str, bytes] | None = None) -> None:
        """Append and publish in one transaction; `memo` (key, value) is kept in the same one."""
        ...

    def recall(self, key: str) -> bytes | None:
        """The last memo of this key."""
        ...

    def show(self, events: Sequence[Event], ttl: float) -> None:
        """Publish what only refreshes a screen, and keep each as the last value for `ttl` seconds. Of a
        container's numbers, the latest few hundred are kept as its history."""
        ...

    def read(
        self, role: str, consumer: str, streams: Sequence[str], *, count: int, timeout: float
    ) -> list[Entry]:
        """New entries for this role, waiting at most `timeout` seconds for the first."""
        ...

    def claim(self, role: str, consumer: str, streams: Sequence[str], *, idle: float) -> list[Entry]:
        """Take over entries that some consumer (this one too) got `idle` seconds ago or earlier and has
        neither acknowledged nor kept; `deliveries` is counted up."""
        ...

    def unfinished(self, role: str, consumer: str, streams: Sequence[str]) -> list[Entry]:
        """What was delivered to this very consumer and not acknowledged. `deliveries` is counted up only when
        it is kept: this answer may be lost."""
        ...

    def keep(self, role: str, consumer: str, entries: Sequence[Entry]) -> None:
        """Say that these are being worked on, and at which delivery each is, so that nobody claims them."""
        ...

    def ack(self, role: str, entry: Entry, outputs: Sequence[Event] = ()) -> None:
        """Publish the outputs and acknowledge the entry, in one transaction."""
        ...

    def ack_all(self, role: str, done: Sequence[tuple[Entry, Sequence[Event]]]) -> None:
        """The same for several entries with their outputs, in one transaction."""
        ...

    def defer(self, role: str, entry: Entry, until: float, outputs: Sequence[Event] = ()) -> None:
        """Publish the outputs, acknowledge the entry and keep it for this role until `until` (epoch seconds),
        in one transaction."""
        ...

    def due(self, role: str, streams: Sequence[str], now: float, *, count: int) -> DueEntries:
        """At most `count` of each stream that this role has deferred and that are due, earliest first. They
        stay where they are until they are put off or put back."""
        ...

    def put_off(self, role: str, entries: Sequence[tuple[Entry, float]]) -> None:
        """Keep these, of those that are deferred, until a later time (epoch seconds) each."""
        ...

    def put_back(self, role: str, entries: Sequence[Entry]) -> int:
        """Put these, of those that are deferred, back on their streams; how many."""
        ...

    def promote(self, role: str, streams: Sequence[str], now: float) -> int:
        """Put all that this role has deferred and that is due back on these streams; how many. An empty role:
        what earlier versions deferred, which kept one list for all roles."""
        ...

    def bury(self, role: str, entry: Entry, error: str, now: float, outputs: Sequence[Event] = ()) -> None:
        """Publish the outputs and move the entry to the dead-letter stream, with its error, in one
        transaction."""
        ...

    def buried(self) -> int:
        """How many entries the dead-letter stream holds."""
        ...

    def last_buried(self) -> DeadLetter | None:
        """The newest entry of the dead-letter stream."""
        ...

    def lag(self, role: str, streams: Sequence[str]) -> int:
        """How many entries this role has not acknowledged, undelivered ones included."""
        ...

    def after(self, stream: str, position: str, count: int) -> list[Entry]:
        """At most so many entries that follow the one of this id, oldest first, whoever else reads them; from
        the beginning for 0-0."""
        ...
