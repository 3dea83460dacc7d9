"""The engine, what it runs on, and its counters."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

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
    """Both 0 where they are not known."""
    local: bool = False
    """Whether it is reached by a unix socket, and so is on this host."""
    process: int = 0
    """Id of the process that listens there; 0 where that is not known."""
    time: float = 0.0
    """The engine's clock, epoch seconds; 0 where it does not tell."""
    forbidden: tuple[str, ...] = ()
    """What may not be asked of it, so that the rest is as far as it is known otherwise."""


class Engine(Protocol):
    """A Docker Engine. Containers are named by id or name; NoSuchContainerError where there is none."""

    def version(self) -> EngineVersion: ...

    def forbidden(self) -> Sequence[str]:
        """The endpoints that HemoStat needs and that somebody in front of the engine forbids, each as
        `POST /containers/ID/restart`. Changes nothing."""
        ...

    def listing(self) -> Sequence[ListedContainer]:
        """Every container, stopped ones too, as one call tells of them; within a short time."""
        ...

    def inspect_all(
        self, containers: Sequence[str], *, brief: bool = False
    ) -> Mapping[str, ContainerInfo | EngineError]:
        """Each of them, or why it cannot be inspected. Each is given a short time, where `brief` a very
        short one, and several that hang do not add up. Raises EngineError where that
        is not a matter of one container."""
        ...

    def containers(self) -> Sequence[ContainerInfo]:
        """Every container, stopped ones too; one removed meanwhile, or that cannot be inspected, is left
        out."""
        ...

    def inspect(self, container: str) -> ContainerInfo: ...

    def members(self, project: str, service: str) -> list[ContainerInfo]:
        """The containers of a compose service, whatever bounds `containers`; stopped ones too."""
        ...

    def was_stopped(self, container: str) -> bool:
        """Whether the engine remembers that it stopped the container as somebody asked. Podman does, and
        tells of it by no event; of others False."""
        ...

    def details(self, container: str) -> ContainerDetails:
        """How it was made, with the secrets in its environment: for evidence, which masks them."""
        ...

    def attached(self) -> Sequence[ContainerInfo]:
        """The running containers that live in another's network namespace; as `containers`."""
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

    def exec(self, container: str, command: Sequence[str], timeout: float = 60.0) -> tuple[int, str]:
        """Run a command inside and wait: exit code and the beginning of its output (both streams).

        EngineError, not transient, where it is not done within `timeout` seconds; it may then go on.
        """
        ...

    def writable_size(self, container: str) -> int:
        """Bytes of the container's writable layer. Costs the engine a walk over it."""
        ...

    def reclaimable(self, labels: Mapping[str, str] = {}) -> list[PrunableItem]:
        """What nothing uses and carries all `labels`; so the build cache, which has none, only without them.
        Costs the engine a walk over all its files."""
        ...

    def discard(self, leftover: PrunableItem) -> int:
        """Remove it, never by force; the bytes freed. What is gone or in use by now stays as it is: 0."""
        ...

    def service(self, service: str) -> Service:
        """A swarm's service by its id, or Compose's by the id of `core.remediation.scaling.service`.
        EngineError where there is none, or no swarm managed here; NotApplicableError where it can have but
        one replica."""
        ...

    def set_replicas(self, service: str, replicas: int) -> None:
        """Of compose's, only replicas that were made by this are removed again."""
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
    network: str = "bridge"


class TestContainers(Protocol):
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


class Sampler(Protocol):
    """Counters of running containers."""

    def sample(self, containers: Sequence[ContainerInfo], now: float) -> list[Sample]:
        """One sample a container; those that cannot be read (any more) are left out. The engine's own clock
        may have stamped them, and one that it took may be told twice. A container's first sample is whole,
        later ones are so every few rounds."""
        ...

    def activity(self, container: ContainerInfo, now: float) -> Activity | None:
        """What its processes have done since it started, as far as that can be known. Dear: to be asked only
        where CPU is too high."""
        ...


class HostProbe(Protocol):
    """What is around the containers: the network, and the engine's host, of which nothing is known where it
    is another one. Safe to use from several threads at once."""

    def measure(self, now: float) -> HostSample | None: ...

    def size(self, path: str) -> int | None:
        """Bytes of a file on the engine's host."""
        ...

    def peers(self, containers: Sequence[ContainerInfo], now: float) -> ConnectionPeers | None:
        """The connections of one of these running containers, in turn; None while it is not time for the next
        one, and where they cannot be read. To be used by one thread."""
        ...

    def missing(self, info: ContainerInfo) -> str:
        """What of the paths on the engine's host that the container's start needs is not there; empty where
        nothing is known to be missing."""
        ...

    def probe(self, target: ProbeTarget, address: str, timeout: float) -> str:
        """Whether the target answers at this address within `timeout` seconds: what is wrong, or nothing."""
        ...
