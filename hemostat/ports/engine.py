"""The engine, its host, and the counters of its containers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from hemostat.core.detection.probe import ProbeRoute
from hemostat.core.evidence.snapshot import ContainerDetails
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import (
    Connected,
    ConnectionPeers,
    ContainerInfo,
    Disconnected,
    EngineEvent,
    HostSample,
    ListedContainer,
    PrunableItem,
    Sample,
    Service,
)
from hemostat.core.usage.process_activity import Activity
from hemostat.errors import EngineError

MEMORY_LIMIT: Final = "memory"
CPU_LIMIT: Final = "CPU"
PIDS_LIMIT: Final = "processes"


class EngineVersion(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    is_podman: bool = False
    """Whether the engine is Podman, by its answer."""
    api: str
    name: str
    """The engine's host name."""
    root: str
    """The engine's data directory."""
    cgroup_version: str
    cpus: int
    memory: int
    """Bytes. `cpus` and `memory` are 0 where unknown."""
    address: str = ""
    """The engine's address, without secrets."""
    risk: str = ""
    """What others on the network could do to the connection, empty if nothing."""
    local: bool | None = None
    """Whether the engine runs on this machine. None while no running container shows it."""
    process: int = 0
    """Id of the process that starts the containers, on this machine; 0 where unknown."""
    rootless: bool = False
    """Whether the engine runs as a user without root's rights."""
    reaches_host_network: bool | None = None
    """Whether this process is in the network namespace of containers with the network `host`; None where
    unknown."""
    reaches_container_networks: bool | None = None
    """Whether addresses of the engine's networks lead to its containers from here; None where unknown."""
    has_cgroups: bool = True
    """Whether the containers have cgroups of their own. Without, no limit applies, and the CPU and memory
    that the engine reports are not theirs."""
    missing_limits: tuple[str, ...] = ()
    """Limits that the engine cannot set, as its answer says: MEMORY_LIMIT, CPU_LIMIT or PIDS_LIMIT."""
    time: float = 0.0
    """The engine's clock, epoch seconds; 0 where the engine does not report it."""
    forbidden: tuple[str, ...] = ()
    """Requests that are forbidden, so that the values here are incomplete."""


class LogStream(Protocol):
    """Lines of a container's log, to be read once: each after the time at which the engine received it, as
    `2026-11-24T00:26:00.123456789Z `, in UTC with nine digits. Raises EngineError while it is read."""

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """End the stream; a blocked read ends, maybe with an EngineError. Any thread may call this."""
        ...


class EngineReader(Protocol):
    """The requests to a Docker Engine that change nothing. Containers are named by id or name;
    NoSuchContainerError where no container has that name."""

    def version(self) -> EngineVersion: ...

    def ping(self) -> None:
        """Ask for a fact of the engine that depends on no container. Raises EngineError without an answer."""
        ...

    def locate(self) -> EngineVersion:
        """As `version`. An engine that has answered before is asked for its location only."""
        ...

    def find_forbidden(self, endpoints: Iterable[str]) -> Sequence[str]:
        """Return which of the `endpoints` (as in `engine_access`) a proxy in front of the engine forbids.
        Changes nothing."""
        ...

    def list_containers(self) -> Sequence[ListedContainer]:
        """Return every container, stopped ones included, as one call lists them; within a short time."""
        ...

    def inspect_all(
        self, containers: Sequence[str], *, brief: bool = False
    ) -> Mapping[str, ContainerInfo | EngineError]:
        """Return each container, or why it cannot be inspected. Each inspection gets a short time, a very
        short one where `brief`, and several that hang do not add up. Raises EngineError where the failure
        affects all containers."""
        ...

    def inspect_everything(self) -> Sequence[ContainerInfo]:
        """Return every container, stopped ones included. A container that was removed meanwhile, or cannot be
        inspected, is left out."""
        ...

    def inspect(self, container: str) -> ContainerInfo: ...

    def inspect_service(self, project: str, service: str, *, brief: bool = False) -> list[ContainerInfo]:
        """Return the containers of a Compose service, stopped ones included, whatever filter applies to
        `containers`. `brief`: as in `inspect_all`."""
        ...

    def was_stopped(self, container: str, *, brief: bool = False) -> bool | None:
        """Return whether the engine records that it stopped the container on request, as Podman does. None
        for another engine or a container that is gone. `brief`: as in `inspect_all`."""
        ...

    def read_details(self, container: str) -> ContainerDetails:
        """Return how the container was created, with the secrets in its environment: for evidence, which
        masks them."""
        ...

    def list_attached(self) -> Sequence[ContainerInfo]:
        """Return the running containers that use another container's network namespace; otherwise as
        `containers`."""
        ...

    def events(self, since: float | None = None) -> Iterator[EngineEvent | Connected | Disconnected]:
        """Yield events about containers forever, across lost connections. Each (re)connection yields
        Connected, each loss Disconnected, and the events that the engine recorded in between follow. `since`
        (epoch seconds) starts in the past. Blocks; ends when `close` is called."""
        ...

    @property
    def is_behind(self) -> bool:
        """Return whether the engine sends more events than are read, so that events are late or missed."""
        ...

    def logs(self, container: str, tail: int = 100) -> str: ...

    def open_log(
        self, container: str, *, tail: int | None = None, since: float = 0.0, follow: bool = False
    ) -> LogStream:
        """Return the last `tail` lines, None for all, that were received since then (epoch seconds), and with
        `follow` also those to come while the container runs."""
        ...

    def top(self, container: str) -> list[str]:
        """Return the command lines running in the container."""
        ...

    def writable_size(self, container: str, *, brief: bool = False) -> int:
        """Return the bytes of the container's writable layer. The engine has to walk over all its files. With
        `brief`, this gets a short time."""
        ...

    def close(self) -> None:
        """Close the connection; a blocked `events` ends."""
        ...


class Engine(EngineReader, Protocol):
    """A Docker Engine, with the requests that only the responder sends."""

    def start(self, container: str) -> None: ...

    def stop(self, container: str, timeout: float | None = None) -> None:
        """`timeout`: seconds before SIGKILL; None is the container's own."""
        ...

    def restart(self, container: str, timeout: float | None = None) -> None: ...

    def update(self, container: str, *, cpus: float | None = None, memory: int | None = None) -> None:
        """Set limits: `cpus` in cores, `memory` in bytes."""
        ...

    def exec(self, container: str, command: Sequence[str], timeout: float = 60.0) -> tuple[int, str]:
        """Run a command inside and wait. Returns the exit code and the beginning of its output (both
        streams).

        Raises EngineError, not transient, where the command takes longer than `timeout` seconds; it may
        continue to run.
        """
        ...

    def list_reclaimable(self, labels: Mapping[str, str] = {}) -> list[PrunableItem]:
        """Return unused items that have all `labels`. The build cache has no labels, so it is included only
        without `labels`. The engine has to walk over all its files."""
        ...

    def discard(self, item: PrunableItem) -> int:
        """Remove an item, never by force, and return the bytes freed. An item that is removed or in use by
        now is left as it is: 0."""
        ...

    def read_service(self, service: str) -> Service:
        """Return a Swarm service by its id, or a Compose service by the id of
        `core.remediation.scaling.get_service_id`. Raises EngineError where it does not exist, or no swarm is
        managed here; NotApplicableError where it can have only one replica."""
        ...

    def set_replicas(self, service: str, replicas: int) -> None:
        """Set the number of replicas. Of a Compose service, only replicas that this method created are
        removed again."""
        ...


class ContainerShell(Protocol):
    """Connects the terminal of this process to a shell in a container."""

    def find_obstacle(self, container: str, name: str) -> str:
        """Return why no shell can be opened in the container with this id and name, empty if one can.

        May take seconds."""
        ...

    def run(self, container: str) -> None:
        """Return when the shell has ended. To be called in the main thread."""
        ...


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A container to create. `memory` is in bytes. `health` runs every second, and one failure counts."""

    name: str
    image: str
    command: tuple[str, ...]
    labels: dict[str, str]
    memory: int | None = None
    cpus: float | None = None
    health: tuple[str, ...] | None = None
    restart_policy: str = "no"
    environment: dict[str, str] = {}
    network: str = "bridge"


class TestContainers(Protocol):
    """Creates and removes containers, for demos and tests. No role uses this."""

    def make_image(self, tag: str, program: str) -> None:
        """Build an image, unless it exists: one static program, busybox, with its applets as links."""
        ...

    def run(self, spec: ContainerSpec) -> str:
        """Create and start a container, and return its id."""
        ...

    def find(self, label: str) -> list[ContainerInfo]:
        """Return all containers with this label, `key` or `key=value`, stopped ones included."""
        ...

    def remove(self, container: str) -> None:
        """Kill and remove a container; does nothing if it does not exist."""
        ...


class Sampler(Protocol):
    """Counters of running containers."""

    def sample(self, containers: Sequence[ContainerInfo], now: float) -> list[Sample]:
        """Return one sample per container. Containers that cannot be read (any more) are left out. A sample
        may have the time of the engine's own clock, and may be returned twice. A container's first sample is
        complete; later ones are complete every few rounds."""
        ...

    def read_activity(self, container: ContainerInfo, now: float) -> Activity | None:
        """Return what its processes have done since it started, as far as known. Expensive: call it only
        where CPU is too high."""
        ...


class HostProbe(Protocol):
    """The environment of the containers: the network, and the engine's host. Of a remote engine's host
    nothing is known. Safe to use from several threads at once."""

    def measure(self, now: float) -> HostSample | None: ...

    def measure_file(self, path: str) -> int | None:
        """Return the bytes of a file on the engine's host."""
        ...

    def read_peers(self, containers: Sequence[ContainerInfo], now: float) -> ConnectionPeers | None:
        """Return the connections of one of these running containers, in turn; None while the next one is not
        due, and where they cannot be read. To be used by one thread."""
        ...

    def find_missing_path(self, info: ContainerInfo) -> str:
        """Return which paths on the engine's host, needed by the container's start, do not exist; empty where
        none is known to be missing."""
        ...

    def probe(self, target: ProbeTarget, route: ProbeRoute, timeout: float) -> str:
        """Return why the target does not answer within `timeout` seconds, or why it cannot be reached from
        here; empty where it answers."""
        ...
