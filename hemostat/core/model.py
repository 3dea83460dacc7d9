"""Facts about containers, host and engine, independent of vendors. Other modules decide what they mean."""

from enum import StrEnum
from math import nan
from typing import Final, NamedTuple

import msgspec

from hemostat.events import Container, State


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How the engine runs a container's health check. Times are seconds; the defaults are the engine's."""

    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0
    on_failure: str = ""
    """What the engine itself does when the container becomes unhealthy: `kill`, `restart` or `stop`, empty
    for nothing. Podman's `--health-on-failure`."""


OVERDUE_SECONDS: Final = 10.0
"""Seconds by which a first health check may be late."""


class PortBinding(NamedTuple):
    """A TCP port of the container that is forwarded from a port of the engine's host. `address` is the IP
    address of the host that it is bound to, empty or unspecified for all."""

    port: int
    address: str
    host_port: int


class ContainerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One container, as inspected. Times are epoch seconds, 0 for never. Limits are None if not set."""

    ref: Container
    status: str
    """created, running, paused, restarting, removing, exited or dead, in Docker's terms."""
    health: str | None = None
    """starting, healthy or unhealthy; None without a health check."""
    exit_code: int = 0
    oom_killed: bool = False
    started_at: float = 0.0
    finished_at: float = 0.0
    restart_policy: str = "no"
    """no, always, unless-stopped or on-failure."""
    max_retries: int = 0
    """Maximum retries of `on-failure`; 0 means no limit."""
    restart_count: int = 0
    pid: int = 0
    cpu_limit: float | None = None
    """Cores."""
    memory_limit: int | None = None
    """Bytes."""
    pids_limit: int | None = None
    network_mode: str = ""
    stop_signal: int | None = None
    """The signal that `docker stop` sends, if the image or the container sets one."""
    stop_timeout: float | None = None
    """Seconds that the container has to stop, if it sets a timeout."""
    failing_streak: int = 0
    """Number of the latest health checks that failed in a row."""
    health_output: str = ""
    """The output of the last health check."""
    check_exit_code: int | None = None
    """Exit code of the last health check; -1 if the engine could not run it or it took too long, None before
    the first."""
    check: HealthCheck | None = None
    """None without a health check."""
    checked_at: float = 0.0
    """When the last health check began."""
    failing_since: float = 0.0
    """When the first health check of the present failing streak began, as far back as the engine reports
    (five checks)."""
    address: str = ""
    """An IP address on one of the container's own networks, IPv4 before IPv6; empty without one."""
    addresses: tuple[str, ...] = ()
    """The container's IP addresses on all of its networks, including IPv6."""
    gateways: tuple[str, ...] = ()
    """The host's IP addresses on these networks."""
    networks: tuple[str, ...] = ()
    """Names of the container's networks, without those that the engine itself creates."""
    bindings: tuple[PortBinding, ...] = ()
    """The container's published ports."""
    joined: tuple[str, ...] = ()
    """Ids or names of the containers whose namespaces (network, processes, IPC) this one uses."""
    host_paths: tuple[tuple[str, str], ...] = ()
    """Paths on the engine's host that the container needs to start, sources of bind mounts and devices, each
    with its path in the container, empty for a device."""
    log_path: str = ""
    """Path of the json-file log on the engine's host."""
    created_at: float = 0.0
    interactive: bool = False
    """Whether the container is attached to a person's input, which ends it, as with `docker run -i`."""
    auto_remove: bool = False
    """Whether the engine removes the container as soon as it has ended."""
    is_infra: bool = False
    """Whether the engine created the container for itself, as Podman does to hold the namespaces of a pod."""
    error: str = ""
    """Why the engine's last attempt to start the container failed."""

    @property
    def published(self) -> tuple[int, ...]:
        """Return the TCP ports of the host that are forwarded to the container."""
        return tuple(sorted({each.host_port for each in self.bindings}))

    @property
    def is_running(self) -> bool:
        return self.status == "running"

    def is_check_overdue(self, now: float) -> bool:
        """Return whether the engine does not run its health check, as Podman without systemd: the first one
        of this process should have ended by `now` (epoch seconds), and has not begun."""
        if self.check is None or self.health != "starting" or self.checked_at > self.started_at:
            return False
        due = self.started_at + self.check.start_period + self.check.interval + self.check.timeout
        return now > due + OVERDUE_SECONDS

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
    """Whether the event has Podman's form. Podman sends no `kill` before a stop."""


REMOVED_STATUS: Final = "removed"
"""The status of a container that is gone, in its last displayed state."""


class ListedContainer(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the engine's container list, which needs no inspection."""

    ref: Container
    status: str
    health: str | None = None
    """Health of a running container; None if it has no health check."""
    exit_code: int | None = None
    """Exit code of a container that has ended."""
    age: float | None = None
    """Maximum seconds since the container was started or stopped; None if the engine does not report it."""


class Connected(msgspec.Struct, frozen=True):
    """The engine's event stream is open, for the first time or again. Listing finds what was missed."""


class Listing(msgspec.Struct, frozen=True):
    """The engine's list of all containers. `thorough`: all of them must be inspected, as after a connection;
    otherwise only those for which the list shows a change."""

    rows: tuple[ListedContainer, ...]
    thorough: bool = False
    connected: bool = False
    """Whether the list was requested after the event stream was connected."""


class Answering(msgspec.Struct, frozen=True):
    """The engine answers again about a container after it had not answered."""

    container_id: str


class Disconnected(msgspec.Struct, frozen=True):
    error: str


class ParentLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The least limits of the cgroups above a container's own, None if there is no limit: bytes, cores,
    processes. `memory_of` is the path of the cgroup with the memory limit."""

    memory: int | None = None
    memory_of: str = ""
    cpu: float | None = None
    pids: int | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Counters and levels of one container at one moment, None if not read this time or not available.

    Values that are expensive to read and change slowly (network, descriptors) are not read in every round.
    """

    container_id: str
    time: float
    cpu: float
    """Seconds of CPU used since the container started; NaN if the host does not count them."""
    memory: int
    """The working set in bytes, as shown by `docker stats`: usage less inactive file cache; 0 if the host
    does not count it."""
    cache: int = 0
    """Bytes of the working set that are file cache nevertheless, and would be freed under pressure."""
    periods: int = 0
    """Scheduler periods since the container started; 0 without a CPU quota."""
    throttled: int = 0
    """Periods in which the container was throttled."""
    pids: int | None = None
    received: int | None = None
    """Bytes received on the container's network interfaces, without the loopback interface."""
    sent: int | None = None
    descriptors: int | None = None
    """Open files of the main process."""
    descriptors_limit: int | None = None
    oom_kills: int | None = None
    """Processes of the container that the kernel killed because memory ran out."""
    pressure: float | None = None
    """Share of the last 10 s, in percent, in which some process waited for memory (PSI `some avg10`)."""
    parents: ParentLimits | None = None

    def drop_cgroup_values(self) -> "Sample":
        """Return the values that are read elsewhere: a container without a cgroup of its own is counted
        together with other processes."""
        return Sample(
            container_id=self.container_id,
            time=self.time,
            cpu=nan,
            memory=0,
            received=self.received,
            sent=self.sent,
            descriptors=self.descriptors,
            descriptors_limit=self.descriptors_limit,
        )


class Samples(msgspec.Struct, frozen=True):
    """One round of sampling. It also tells the monitor that time has passed."""

    samples: tuple[Sample, ...]


class Waited(msgspec.Struct, frozen=True):
    """Time has passed, so that what could not be judged at once can be judged now."""


class Mode(msgspec.Struct, frozen=True):
    """The current mode of this host's responders: `off`, `dry-run`, `approve` or `auto`. `rehearsed` are
    actions, and projects as `project NAME`, on which no automatic action runs. `since` is when the responder
    started, or a window last changed its modes, 0 if unknown."""

    mode: str
    rehearsed: tuple[str, ...] = ()
    since: float = 0.0


class DiskUse(msgspec.Struct, frozen=True):
    """Bytes of a container's writable layer and of its log, None if not measured."""

    container_id: str
    size: int | None = None
    log: int | None = None


class HostSample(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's host, if it is the local one. `cpu` is the share of all cores that was busy since the
    previous sample, 0 to 1. `disk_size` and `disk_used` are bytes of the filesystem of the engine's data
    directory."""

    time: float
    cpu: float | None = None
    disk_size: int = 0
    disk_used: int = 0


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a probe of a container, with or without an answer. `error` is empty after a success."""

    container_id: str
    time: float
    error: str = ""


class ConnectionPeers(msgspec.Struct, frozen=True, kw_only=True):
    """The IP addresses with which one container has TCP connections: `clients` opened one to it, and it
    opened one to `servers`, given with the port."""

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
"""Any observation that the monitor handles."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service of a swarm or of Compose. `replicas` is None if the service runs once on every node."""

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
    """An unused object on the engine. The build cache is one item, without an id."""

    what: PrunableKind
    id: str = ""
    name: str = ""
    size: int = 0
    """Bytes that its removal frees."""
    since: float = 0.0
    """When it was stopped or created (epoch seconds)."""
    labels: dict[str, str] = {}
