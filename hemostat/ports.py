"""What the roles ask of the world. Adapters fulfil these; the fakes in adapters/memory pass the same tests.

Every method may raise AdapterError (EngineError, BusError …); `transient` says whether to wait and repeat.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from hemostat.core.control import Answer, Approval, Controls, Pause
from hemostat.core.dossier import Details, Dossier
from hemostat.core.model import (
    Attempt,
    Book,
    Connected,
    ContainerInfo,
    Disconnected,
    EngineEvent,
    HostSample,
    Sample,
)
from hemostat.core.probe import Target
from hemostat.events import Event


class Clock(Protocol):
    def now(self) -> float:
        """Epoch seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Interrupted when the process is told to stop."""
        ...


class Interrupted(BaseException):
    """The process is told to stop: what is in hand stays unacknowledged, for whoever comes next.

    A BaseException, so that nothing that handles failures takes it for one.
    """


class Later(msgspec.Struct, frozen=True):
    """A step's answer: not now, deliver this event again at `until` (epoch seconds). `told` is to be
    published meanwhile."""

    until: float
    why: str
    told: tuple[Event, ...] = ()


class Engine(Protocol):
    """A Docker Engine. Containers are named by id or name; NoSuchContainerError where there is none."""

    def version(self) -> "EngineVersion": ...

    def containers(self) -> list[ContainerInfo]:
        """Every container, stopped ones too; one removed meanwhile is left out."""
        ...

    def inspect(self, container: str) -> ContainerInfo: ...

    def details(self, container: str) -> Details:
        """How it was made, with the secrets in its environment: for evidence, which masks them."""
        ...

    def events(self, since: float | None = None) -> Iterator[EngineEvent | Connected | Disconnected]:
        """Events about containers as they happen, for ever, over lost connections: each (re)connection is
        told by Connected, each loss by Disconnected, and what the engine remembers of the time between
        follows. `since` (epoch seconds) begins with the past. Blocks; ends when `close` is called."""
        ...

    def start(self, container: str) -> None: ...

    def stop(self, container: str, timeout: float | None = None) -> None:
        """`timeout`: seconds before SIGKILL; None is the container's own."""
        ...

    def restart(self, container: str, timeout: float | None = None) -> None: ...

    def update(self, container: str, *, cpus: float | None = None, memory: int | None = None) -> None:
        """Set limits: `cpus` in cores, `memory` in bytes."""
        ...

    def logs(self, container: str, tail: int = 100) -> str: ...

    def top(self, container: str) -> list[str]:
        """The command lines running in the container."""
        ...

    def exec(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a command inside and wait: exit code and output (both streams)."""
        ...

    def writable_size(self, container: str) -> int:
        """Bytes of the container's writable layer. Costs the engine a walk over it."""
        ...

    def prune(self, *, labels: Mapping[str, str] = {}, older_than: float = 0.0) -> int:
        """Remove stopped containers carrying all `labels` that were created `older_than` seconds ago or
        earlier; the bytes freed."""
        ...

    def close(self) -> None:
        """Give up the connection; a blocked `events` ends."""
        ...


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A container to be made. `memory` in bytes; `health` runs every second, one failure counts."""

    name: str
    image: str
    command: tuple[str, ...]
    labels: dict[str, str]
    memory: int | None = None
    cpus: float | None = None
    health: tuple[str, ...] | None = None
    restart_policy: str = "no"
    environment: dict[str, str] = {}


class Workshop(Protocol):
    """Makes and removes containers. For demos and tests: no role has this."""

    def image(self, tag: str, program: str) -> None:
        """Make an image, unless it is there: one static program, busybox, with its applets as links."""
        ...

    def run(self, spec: ContainerSpec) -> str:
        """Create and start; the id."""
        ...

    def find(self, label: str) -> list[ContainerInfo]:
        """All containers with this label, `key` or `key=value`, stopped ones too."""
        ...

    def remove(self, container: str) -> None:
        """Kill and remove; nothing if it is gone."""
        ...


class EngineVersion(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    api: str
    name: str
    """The engine's host name."""
    root: str
    """The engine's data directory."""
    cgroup_version: str
    cgroup_driver: str
    cpus: int
    memory: int
    local: bool = False
    """Whether it is reached by a unix socket, and so is on this host."""
    time: float = 0.0
    """The engine's clock, epoch seconds; 0 where it does not tell."""


class Sampler(Protocol):
    """Counters of running containers."""

    def sample(self, containers: Sequence[ContainerInfo], now: float) -> list[Sample]:
        """One sample a container; those that cannot be read (any more) are left out. The engine's own clock
        may have stamped them, and one that it took may be told twice. A container's first sample is whole,
        later ones are so every few rounds."""
        ...

    def received(self, container: ContainerInfo) -> int | None:
        """Bytes its network interfaces took in since it started; None where that cannot be known."""
        ...


class Surroundings(Protocol):
    """What is around the containers: the network, and the engine's host, of which nothing is known where it
    is another one. Safe to use from several threads at once."""

    def measure(self, now: float) -> HostSample | None: ...

    def size(self, path: str) -> int | None:
        """Bytes of a file on the engine's host."""
        ...

    def probe(self, target: Target, address: str, timeout: float) -> str:
        """Whether the target answers at this address within `timeout` seconds: what is wrong, or nothing."""
        ...


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One undone entry of a stream. `event` is None where the bytes are no event; `error` says why."""

    stream: str
    id: str
    raw: bytes
    event: Event | None
    error: str = ""
    deliveries: int = 1


class Bus(Protocol):
    """Streams with a group per role, and pub/sub of the same names. `stream` is an event type."""

    def publish(self, events: Sequence[Event], *, memo: tuple[str, bytes] | None = None) -> None:
        """Append and publish in one transaction; `memo` (key, value) is kept in the same one."""
        ...

    def recall(self, key: str) -> bytes | None:
        """The last memo of this key."""
        ...

    def show(self, events: Sequence[Event], ttl: float) -> None:
        """Publish what only refreshes a screen, and keep each as the last value for `ttl` seconds."""
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
        """What was delivered to this very consumer and not acknowledged; `deliveries` is counted up."""
        ...

    def keep(self, role: str, consumer: str, entries: Sequence[Entry]) -> None:
        """Say that these are still being worked on, so that nobody claims them."""
        ...

    def ack(self, role: str, entry: Entry, outputs: Sequence[Event] = ()) -> None:
        """Publish the outputs and acknowledge the entry, in one transaction."""
        ...

    def ack_all(self, role: str, done: Sequence[tuple[Entry, Sequence[Event]]]) -> None:
        """The same for several entries with their outputs, in one transaction."""
        ...

    def defer(self, role: str, entry: Entry, until: float, outputs: Sequence[Event] = ()) -> None:
        """Publish the outputs, acknowledge the entry now and deliver it again at `until` (epoch seconds), in
        one transaction."""
        ...

    def promote(self, streams: Sequence[str], now: float) -> int:
        """Put deferred entries of these streams that are due back on them; how many."""
        ...

    def bury(self, role: str, entry: Entry, error: str, now: float) -> None:
        """Move the entry to the dead-letter stream, with its error."""
        ...

    def lag(self, role: str, streams: Sequence[str]) -> int:
        """How many entries this role has not acknowledged, undelivered ones included."""
        ...

    def recent(self, stream: str, count: int) -> list[Event]:
        """The newest events of a stream, oldest first; what is no event is left out."""
        ...

    def last(self, stream: str) -> list[Event]:
        """The last values that `show` kept of this type and that have not expired."""
        ...

    def subscribe(self, streams: Sequence[str], *, timeout: float) -> Iterator[Event | None]:
        """Events published from now on; None whenever `timeout` seconds pass in silence."""
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class Ledger(Protocol):
    """Attempts at remediation, by host and container. Time-outs are policy's business, not the ledger's."""

    def read(self, host: str, container: str) -> Book: ...

    def reserve(self, host: str, attempt: Attempt, version: int) -> bool:
        """Write an intent if the host's book is still at `version`; False if it is not, and nothing done."""
        ...

    def finish(self, host: str, attempt: Attempt) -> None:
        """Replace the intent of the same key by its outcome."""
        ...


class Desk(Protocol):
    """Where people tell the responders what they may do. Every responder reads it before every action."""

    def controls(self) -> Controls: ...

    def pause(self, container: str, pause: Pause) -> None:
        """`container` is a name, or EVERYTHING."""
        ...

    def resume(self, container: str) -> bool:
        """Lift the pause; False if there was none."""
        ...

    def reset(self, container: str, now: float) -> None:
        """Close the breaker."""
        ...

    def ask(self, approval: Approval) -> Approval:
        """Put a request on the desk, unless one of its key is there; the one that is there."""
        ...

    def answer(
        self, approval_id: str, answer: Answer, *, by: str, reason: str, now: float
    ) -> Approval | None:
        """Answer a request that is open; None if there is none of this id. One that was answered, or whose
        time is up, stays as it is."""
        ...

    def approvals(self) -> list[Approval]:
        """All on the desk, oldest first; they are kept for a while after the answer."""
        ...


class Store(Protocol):
    """Every event, kept for people who ask later."""

    def append(self, event: Event) -> bool:
        """Keep the event; False if it was kept before."""
        ...

    def kept(self, event_id: str) -> bool: ...


class Dossiers(Protocol):
    """The evidence kept with an incident: for a week, the newest ten dossiers."""

    def put(self, incident: str, dossier: Dossier) -> bool:
        """Keep the dossier; False if there is one of this occurrence and rung: the first one stays, for after
        an interruption the container may have been acted upon."""
        ...

    def get(self, incident: str) -> list[Dossier]:
        """Oldest first; none where nothing was kept, or not any more."""
        ...


class Notifier(Protocol):
    """One channel to people. `name` appears in logs."""

    name: str

    def notify(self, event: Event) -> None:
        """Tell about a finished remediation. Raises NotifyError."""
        ...
