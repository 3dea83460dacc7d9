"""What the engine and the ledger tell us, in our own words. Facts only; others decide what they mean."""

from enum import StrEnum
from typing import Final

import msgspec

from hemostat.events import Container, State


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How the engine runs a container's health check. Seconds; the defaults are the engine's."""

    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0


class ContainerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One container, inspected. Times are epoch seconds, 0 for never; limits None where there is none."""

    ref: Container
    status: str
    """created, running, paused, restarting, removing, exited or dead, as Docker says it."""
    health: str | None = None
    """starting, healthy or unhealthy; None without a health check."""
    exit_code: int = 0
    oom_killed: bool = False
    started_at: float = 0.0
    finished_at: float = 0.0
    restart_policy: str = "no"
    """no, always, unless-stopped or on-failure."""
    max_retries: int = 0
    """Of `on-failure`; 0 is no limit."""
    restart_count: int = 0
    pid: int = 0
    cpu_limit: float | None = None
    """Cores."""
    memory_limit: int | None = None
    """Bytes."""
    pids_limit: int | None = None
    network_mode: str = ""
    stop_signal: int | None = None
    """What `docker stop` sends, where the image or the container says so."""
    stop_timeout: float | None = None
    """Seconds that it is given to stop, where the container says so."""
    failing_streak: int = 0
    """Health checks that have failed in a row, up to now."""
    health_output: str = ""
    """What the last health check printed."""
    check_exit_code: int | None = None
    """Of the last health check; -1 where the engine could not run it or it took too long, None before the
    first."""
    check: HealthCheck | None = None
    """None without a health check."""
    checked_at: float = 0.0
    """When the last health check began."""
    failing_since: float = 0.0
    """When the first health check of the present failing streak began, as far back as the engine tells (five
    checks)."""
    address: str = ""
    """Its IP address on one of its networks, IPv4 before IPv6; empty where it has none of its own."""
    addresses: tuple[str, ...] = ()
    """Its IP addresses, IPv6 too, on all of its networks."""
    gateways: tuple[str, ...] = ()
    """The host's IP addresses on these networks."""
    networks: tuple[str, ...] = ()
    """Names of the networks on which it is, without those that the engine itself has made."""
    published: tuple[int, ...] = ()
    """TCP ports of the host that are forwarded to it."""
    joined: tuple[str, ...] = ()
    """Ids or names of the containers whose namespaces (network, processes, IPC) it lives in."""
    host_paths: tuple[tuple[str, str], ...] = ()
    """Paths on the engine's host that its start needs, sources of bind mounts and devices, and where they are
    in the container, empty for a device."""
    log_path: str = ""
    """Of the json-file log, on the engine's host."""
    created_at: float = 0.0
    interactive: bool = False
    """Whether it was made to be attached to a person's input, which ends it: `docker run -i`."""
    auto_remove: bool = False
    """Whether the engine removes it as soon as it has ended."""
    error: str = ""
    """Why the engine could not start it, when it last tried."""

    @property
    def running(self) -> bool:
        return self.status == "running"

    @property
    def state(self) -> State:
        return State(
            status=self.status,
            health=self.health,
            exit_code=self.exit_code,
            started_at=self.started_at,
            restart_count=self.restart_count,
        )


class EngineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the engine about a container. `time` is epoch seconds to the microsecond."""

    time: float
    action: str
    """create, start, kill, die, stop, oom, pause, unpause, update, rename, destroy, or a health status:
    `healthy`, `unhealthy`."""
    container: Container
    exit_code: int | None = None
    signal: int | None = None
    podman: bool = False
    """Whether it has the form that Podman gives it: Podman tells of no `kill` before a stop."""


REMOVED_STATUS: Final = "removed"
"""The status of a container that is gone, in the last that is shown of it."""


class ListedContainer(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the engine's list, which costs no inspection."""

    ref: Container
    status: str
    health: str | None = None
    """Of a running container; None where it has no health check."""
    exit_code: int | None = None
    """Of one that has ended."""
    age: float | None = None
    """Seconds at most for which it has been running, or at rest; None where the engine does not say."""


class Connected(msgspec.Struct, frozen=True):
    """The engine's event stream is open (again): whatever happened unseen is to be found by listing."""


class Listing(msgspec.Struct, frozen=True):
    """The engine's list of all containers. `thorough`: all are to be inspected, as after a (re)connection;
    else those of which the list tells something new."""

    rows: tuple[ListedContainer, ...]
    thorough: bool = False
    connected: bool = False
    """Whether it was asked for since the event stream has been (re)connected."""


class Answering(msgspec.Struct, frozen=True):
    """The engine answers again about a container that it had not answered about."""

    container_id: str


class Disconnected(msgspec.Struct, frozen=True):
    error: str


class ParentLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The least limits of the cgroups above a container's own, None where there is none: bytes, cores,
    processes. `memory_of` is the path of the cgroup that has the limit of memory."""

    memory: int | None = None
    memory_of: str = ""
    cpu: float | None = None
    pids: int | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Counters and levels of one container at one moment, None where not read this time or not to be had.

    What costs more to read than it changes (network, block I/O, descriptors) is not read in every round.
    """

    container_id: str
    time: float
    cpu: float
    """Seconds of CPU used since it started; NaN where the host does not count them."""
    memory: int
    """The working set in bytes: usage less inactive file cache, as `docker stats` shows it; 0 where the host
    does not count it."""
    cache: int = 0
    """Bytes of the working set that are file cache all the same, and would be given back under pressure."""
    periods: int = 0
    """Scheduler periods since it started; 0 where it has no CPU quota."""
    throttled: int = 0
    """Those of them in which it was held back."""
    pids: int | None = None
    received: int | None = None
    """Bytes its network interfaces took in; those of the loopback interface do not count."""
    sent: int | None = None
    read: int | None = None
    """Bytes read from block devices."""
    written: int | None = None
    descriptors: int | None = None
    """Open files of its main process."""
    descriptors_limit: int | None = None
    oom_kills: int | None = None
    """Processes in it that the kernel has killed for want of memory."""
    pressure: float | None = None
    """Share of the last 10 s, in percent, in which some process waited for memory (PSI `some avg10`)."""
    parents: ParentLimits | None = None


class Samples(msgspec.Struct, frozen=True):
    """One round of sampling; also the monitor's sense of time passing."""

    samples: tuple[Sample, ...]


class Waited(msgspec.Struct, frozen=True):
    """Time has passed: what could not be judged at once is judged now."""


class Mode(msgspec.Struct, frozen=True):
    """What the responders of this host may do by now: `dry-run`, `approve` or `auto`."""

    mode: str


class DiskUse(msgspec.Struct, frozen=True):
    """Bytes of a container's writable layer and of its log, None where not measured."""

    container_id: str
    size: int | None = None
    log: int | None = None


class HostSample(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's host, where it is this one. `cpu` is the share of all cores that was busy since the sample
    before, 0 to 1; `disk_size` and `disk_used` are bytes of the filesystem of the engine's data
    directory."""

    time: float
    cpu: float | None = None
    disk_size: int = 0
    disk_used: int = 0


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, or none, to a probe of a container's own: `error` is empty where it is well."""

    container_id: str
    time: float
    error: str = ""


class ConnectionPeers(msgspec.Struct, frozen=True, kw_only=True):
    """The IP addresses with which one container has TCP connections: of those that opened one to it, and of
    those to which it has opened one, with the port."""

    container_id: str
    clients: tuple[str, ...] = ()
    servers: tuple[tuple[str, int], ...] = ()


Observation = (
    EngineEvent
    | Connected
    | Listing
    | Answering
    | Disconnected
    | Waited
    | Mode
    | Samples
    | DiskUse
    | HostSample
    | Probed
    | ConnectionPeers
)
"""Whatever the monitor is told."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service of a swarm, or of Compose. `replicas` is None where it runs once on every node."""

    id: str
    name: str
    replicas: int | None
    labels: dict[str, str] = {}
    members: tuple[str, ...] = ()
    """Ids of the containers that are its replicas, as far as the engine vouches for them."""


class PrunableKind(StrEnum):
    CONTAINER = "stopped container"
    IMAGE = "dangling image"
    VOLUME = "unused volume"
    BUILD_CACHE = "build cache"


class PrunableItem(msgspec.Struct, frozen=True, kw_only=True):
    """Something on the engine that nothing uses. The build cache is one, without an id."""

    what: PrunableKind
    id: str = ""
    name: str = ""
    size: int = 0
    """Bytes that its removal frees."""
    since: float = 0.0
    """When it was stopped, or made (epoch seconds)."""
    labels: dict[str, str] = {}
