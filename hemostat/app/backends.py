"""The backends of the roles in a process: Redis and Docker, or everything in memory."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

from hemostat.app.engines import EnginePool, make_engine_address
from hemostat.background import run_in_background
from hemostat.config import Settings
from hemostat.core.detection.probe import ProbeRoute
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import ConnectionPeers, ContainerInfo, HostSample, PortBinding, Sample
from hemostat.core.usage.process_activity import Activity
from hemostat.errors import ConfigError, EngineError, RedisNotStartedError
from hemostat.ports import (
    AuditAnchor,
    Bus,
    ControlStore,
    Engine,
    EngineReader,
    EngineVersion,
    EventStore,
    EvidenceStore,
    HostProbe,
    Ledger,
    LlmBudget,
    Outbox,
    PrecedentStore,
    RecentEvents,
    Sampler,
)
from hemostat.private_files import check_directory

if TYPE_CHECKING:
    from hemostat.adapters.in_memory.engine import InMemoryEngine
    from hemostat.adapters.redis import Client
    from hemostat.adapters.sampling.host import HostSampler

logger = logging.getLogger(__name__)

HISTORY_FILE: Final = "history.db"
"""The file in the state directory where events are stored if no database is configured."""


UNKNOWN_RETRY_SECONDS: Final = 5.0
REMOTE_RETRY_SECONDS: Final = 60.0
"""Seconds until an engine that is not known to run on this machine is asked again. A container that showed it
may have ended in between."""
MAX_EARLY_RETRIES: Final = 12
"""How often an engine that seems to run on another machine is asked again after UNKNOWN_RETRY_SECONDS."""


def _ask_in_background(ask: Callable[[], None]) -> None:
    run_in_background(ask, "engine-location")


class EngineHost:
    """Where the engine runs. `locate` is called until one of the engine's containers shows that the engine is
    on this machine: the first time at once, then by `start`, which must not wait for it. An engine of a busy
    host takes seconds, and measurements must not wait meanwhile. Safe to use from several threads.
    """

    def __init__(
        self,
        locate: Callable[[], EngineVersion],
        read_seconds: Callable[[], float] = monotonic,
        start: Callable[[Callable[[], None]], object] = _ask_in_background,
    ) -> None:
        self._locate = locate
        self._read_seconds = read_seconds
        self._start = start
        self._is_asking = False
        self._lock = threading.Lock()
        self._version: EngineVersion | None = None
        self._due = 0.0
        self._remote_count = 0
        """How often in a row the engine seemed to run on another machine."""

    def find_local(self) -> EngineVersion | None:
        """Return the engine if it is known to run on this machine."""
        version = self._version
        if version is not None and version.local:
            return version
        with self._lock:
            is_first = not self._due
            is_due = not self._is_asking and self._read_seconds() >= self._due
            self._is_asking = self._is_asking or is_due
            if is_first and is_due:
                self._ask()
        if is_due and not is_first:
            self._start(self._ask)
        version = self._version
        return version if version is not None and version.local else None

    @property
    def version(self) -> EngineVersion | None:
        """The engine as it answered last."""
        return self._version

    @property
    def is_remote(self) -> bool:
        """Whether the engine is known to run on another machine."""
        return self.find_local() is None and self._version is not None and self._version.local is False

    def _ask(self) -> None:
        try:
            self._version = self._locate()
        except EngineError as error:
            logger.debug("engine_version.failed error=%s", error)
        finally:
            self._schedule()

    def _schedule(self) -> None:
        is_remote = self._version is not None and self._version.local is False
        self._remote_count = self._remote_count + 1 if is_remote else 0
        is_certain = self._remote_count > MAX_EARLY_RETRIES
        self._due = self._read_seconds() + (REMOTE_RETRY_SECONDS if is_certain else UNKNOWN_RETRY_SECONDS)
        self._is_asking = False


class FallbackSampler:
    """A Sampler that reads from the first where the engine runs on this machine, and from the second
    elsewhere, and where the first could not read."""

    def __init__(self, first: Sampler, second: Sampler, is_local: Callable[[], object]) -> None:
        self._first = first
        self._second = second
        self._is_local = is_local

    def sample(self, containers: Sequence[ContainerInfo], now: float) -> list[Sample]:
        samples = self._first.sample(containers, now) if containers and self._is_local() else []
        if len(samples) == len(containers):
            return samples
        read = {sample.container_id for sample in samples}
        unread = [info for info in containers if info.ref.id not in read]
        return samples + self._second.sample(unread, now)

    def read_activity(self, container: ContainerInfo, now: float) -> Activity | None:
        own = self._first.read_activity(container, now) if self._is_local() else None
        return own or self._second.read_activity(container, now)


class OwnCountersSampler:
    """A Sampler that leaves out CPU, memory and block I/O where the containers have no cgroups: the engine's
    answer counts other processes too, up to those of the whole host."""

    def __init__(self, sampler: Sampler, host: EngineHost) -> None:
        self._sampler = sampler
        self._host = host

    @property
    def _has_cgroups(self) -> bool:
        return self._host.version is None or self._host.version.has_cgroups

    def sample(self, containers: Sequence[ContainerInfo], now: float) -> list[Sample]:
        samples = self._sampler.sample(containers, now)
        return samples if self._has_cgroups else [sample.drop_cgroup_values() for sample in samples]

    def read_activity(self, container: ContainerInfo, now: float) -> Activity | None:
        return self._sampler.read_activity(container, now) if self._has_cgroups else None


class UnknownHost:
    """A HostProbe of a host about which nothing is known."""

    def measure(self, now: float) -> HostSample | None:  # noqa: ARG002
        return None

    def measure_file(self, path: str) -> int | None:  # noqa: ARG002
        return None

    def read_peers(self, containers: Sequence[ContainerInfo], now: float) -> ConnectionPeers | None:  # noqa: ARG002
        return None

    def find_missing_path(self, info: ContainerInfo) -> str:  # noqa: ARG002
        return ""

    def probe(self, target: ProbeTarget, route: ProbeRoute, timeout: float) -> str:
        from hemostat.adapters.sampling.probe import probe
        from hemostat.core.detection.probe import NO_ADDRESS_ERROR

        return probe(target, route.address, timeout) if route.address else NO_ADDRESS_ERROR


class LocalHost(UnknownHost):
    """What a HostProbe knows of the containers of an engine on this host, which are started by the process
    with the id `process`."""

    def __init__(self, process: int) -> None:
        from hemostat.adapters.sampling.host import HostPaths
        from hemostat.adapters.sampling.sockets import SocketReader

        self._sockets = SocketReader()
        self._paths = HostPaths(process)

    def read_peers(self, containers: Sequence[ContainerInfo], now: float) -> ConnectionPeers | None:
        return self._sockets.read_next(containers, now)

    def find_missing_path(self, info: ContainerInfo) -> str:
        return self._paths.missing(info)

    def measure_file(self, path: str) -> int | None:
        try:
            return os.stat(path).st_size  # noqa: PTH116
        except OSError:
            return None


class EngineHostProbe:
    """A HostProbe of this host once the engine is known to run here. Before, nothing is known of the engine's
    containers. The host's own load is measured unless the engine is known to run on another machine: a busy
    host holds actions back, and ignorance must not let them through."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._local: LocalHost | None = None
        self._sampler: HostSampler | None = None
        self._unknown = UnknownHost()

    def _find_probe(self) -> UnknownHost:
        version = self._host.find_local()
        if version is None:
            return self._unknown
        with self._lock:
            if self._local is None:
                self._local = LocalHost(version.process)
            return self._local

    def measure(self, now: float) -> HostSample | None:
        from hemostat.adapters.sampling.host import HostSampler

        version = self._host.find_local() or self._host.version
        if version is None or version.local is False:
            return None
        with self._lock:
            # One sampler, whatever is learned later: it compares a measurement with the one before.
            self._sampler = self._sampler or HostSampler(version.root)
            return self._sampler.sample(now)

    def measure_file(self, path: str) -> int | None:
        return self._find_probe().measure_file(path)

    def read_peers(self, containers: Sequence[ContainerInfo], now: float) -> ConnectionPeers | None:
        return self._find_probe().read_peers(containers, now)

    def find_missing_path(self, info: ContainerInfo) -> str:
        return self._find_probe().find_missing_path(info)

    def probe(self, target: ProbeTarget, route: ProbeRoute, timeout: float) -> str:
        """On this machine the addresses of an engine with another network belong to others."""
        from hemostat.adapters.sampling.probe import probe_binding

        version = self._host.find_local() or self._host.version
        if version is None or not (obstacle := find_address_obstacle(version, route)):
            return self._unknown.probe(target, route, timeout)
        binding = find_binding(version, route, target)
        return obstacle if binding is None else probe_binding(target, binding, timeout)


def find_obstacle(engine: EngineVersion, route: ProbeRoute, target: ProbeTarget) -> str:
    """Return why no probe can be sent from here; empty where one can be sent."""
    return "" if find_binding(engine, route, target) else find_address_obstacle(engine, route)


def find_address_obstacle(engine: EngineVersion, route: ProbeRoute) -> str:
    """Return why no probe can be sent to the container's address from here; empty where one can be sent."""
    from hemostat.core.detection import probe

    if engine.local is False:
        return probe.REMOTE_ENGINE_ERROR
    if not route.address:
        return probe.NO_ADDRESS_ERROR
    if route.address == probe.LOOPBACK_ADDRESS:
        return probe.OTHER_NETWORK_ERROR if engine.reaches_host_network is False else ""
    if engine.reaches_container_networks is not False:
        return ""
    return probe.ROOTLESS_ENGINE_ERROR if engine.rootless else probe.OTHER_NETWORK_ERROR


def find_binding(engine: EngineVersion, route: ProbeRoute, target: ProbeTarget) -> PortBinding | None:
    """Return the published port through which a rootless engine's container is reached from its host."""
    is_outside = engine.rootless and engine.process > 0
    if not is_outside or (engine.is_podman and engine.reaches_host_network is False):
        return None
    return route.find_binding(target)


def make_host_probe(engine: Engine) -> HostProbe:
    """Return a probe of this host if the engine runs here, else one that knows nothing."""
    return EngineHostProbe(EngineHost(engine.locate))


class Backends(Protocol):
    """The backends of the roles in a process."""

    @property
    def bus(self) -> Bus: ...

    def get_engine(self) -> tuple[Engine, Sampler]: ...

    def get_engine_of(self, host: str) -> EngineReader:
        """Return the engine of a host, to read evidence. Raises EngineError for a host whose engine is not
        configured here."""
        ...

    def get_host_probe(self, engine: Engine) -> HostProbe: ...

    def get_ledger(self) -> Ledger: ...

    def get_control_store(self) -> ControlStore: ...

    def get_recent_events(self) -> RecentEvents: ...

    def get_outbox(self) -> Outbox: ...

    def get_event_store(self) -> tuple[EventStore, AuditAnchor] | None:
        """Return the database, and where the ends of its audit trail are noted; None if nothing is stored."""
        ...

    def get_evidence_store(self) -> EvidenceStore: ...

    def get_precedent_store(self) -> PrecedentStore: ...

    def get_llm_budget(self) -> LlmBudget: ...

    def close(self) -> None: ...


class RealBackends:
    """Redis and Docker, as configured."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis = make_redis_client(settings, start=True)
        self.bus = make_bus(self._redis)
        self._engine_pool = EnginePool.from_settings(settings)
        self._engine_host: EngineHost | None = None

    def get_engine(self) -> tuple[Engine, Sampler]:
        """Return the engine, which connects at its first request, and a sampler: cgroup files where this host
        has them, else the engine's stats."""
        from hemostat.adapters.docker_engine import DockerEngine
        from hemostat.adapters.sampling.cgroups import CgroupSampler
        from hemostat.adapters.sampling.docker_stats import StatsSampler

        settings = self._settings
        engine = DockerEngine.make(
            **make_engine_address(settings),
            label=settings.monitor.only,
            stop_timeout_max=settings.responder.stop_timeout_max,
        )
        self._engine_host = host = EngineHost(engine.locate)
        stats = OwnCountersSampler(StatsSampler(engine.read_stats, engine.follow_stats), host)
        return engine, FallbackSampler(CgroupSampler(), stats, host.find_local)

    def get_engine_of(self, host: str) -> EngineReader:
        return self._engine_pool.get(host)

    def get_host_probe(self, engine: Engine) -> HostProbe:
        host = self._engine_host
        return make_host_probe(engine) if host is None else EngineHostProbe(host)

    def get_ledger(self) -> Ledger:
        from hemostat.adapters.redis import RedisLedger

        return RedisLedger(self._redis)

    def get_control_store(self) -> ControlStore:
        from hemostat.adapters.redis import RedisControls

        return RedisControls(self._redis)

    def get_recent_events(self) -> RecentEvents:
        from hemostat.adapters.redis import RedisRecentEvents

        return RedisRecentEvents(self._redis)

    def get_outbox(self) -> Outbox:
        from hemostat.adapters.redis import RedisOutbox

        return RedisOutbox(self._redis)

    def get_event_store(self) -> tuple[EventStore, AuditAnchor] | None:
        from hemostat.adapters.redis import RedisAuditAnchor

        return make_event_store(self._settings, write=True), RedisAuditAnchor(self._redis)

    def get_evidence_store(self) -> EvidenceStore:
        from hemostat.adapters.redis import RedisEvidence

        return RedisEvidence(self._redis)

    def get_precedent_store(self) -> PrecedentStore:
        from hemostat.adapters.redis import RedisPrecedents

        return RedisPrecedents(self._redis)

    def get_llm_budget(self) -> LlmBudget:
        from hemostat.adapters.redis import RedisLlmBudget

        return RedisLlmBudget(self._redis)

    def close(self) -> None:
        self._engine_pool.close()
        self.bus.close()
        stop_embedded_redis(self._settings)


class SimulatedBackends:
    """Everything in memory, for all roles in one process."""

    def __init__(self, engine: "InMemoryEngine") -> None:
        from hemostat.adapters.in_memory.bus import InMemoryBus
        from hemostat.adapters.in_memory.controls import InMemoryControls
        from hemostat.adapters.in_memory.evidence import InMemoryEvidence
        from hemostat.adapters.in_memory.ledger import InMemoryLedger
        from hemostat.adapters.in_memory.outbox import InMemoryOutbox
        from hemostat.adapters.in_memory.precedents import InMemoryLlmBudget, InMemoryPrecedents
        from hemostat.adapters.in_memory.recent_events import InMemoryRecentEvents

        self._engine = engine
        self._precedent_store = InMemoryPrecedents(engine.clock)
        self._llm_budget = InMemoryLlmBudget()
        self.bus = InMemoryBus(engine.clock)
        self._control_store = InMemoryControls()
        self._ledger = InMemoryLedger(self._control_store, self.bus.incidents, self.bus.seals)
        self._recent_events = InMemoryRecentEvents()
        self._outbox = InMemoryOutbox()
        self._evidence_store = InMemoryEvidence()

    def get_engine(self) -> tuple[Engine, Sampler]:
        return self._engine, self._engine

    def get_engine_of(self, host: str) -> EngineReader:  # noqa: ARG002
        return self._engine

    def get_host_probe(self, engine: Engine) -> HostProbe:  # noqa: ARG002
        return UnknownHost()

    def get_ledger(self) -> Ledger:
        return self._ledger

    def get_control_store(self) -> ControlStore:
        return self._control_store

    def get_recent_events(self) -> RecentEvents:
        return self._recent_events

    def get_outbox(self) -> Outbox:
        return self._outbox

    def get_event_store(self) -> tuple[EventStore, AuditAnchor] | None:
        return None

    def get_evidence_store(self) -> EvidenceStore:
        return self._evidence_store

    def get_precedent_store(self) -> PrecedentStore:
        return self._precedent_store

    def get_llm_budget(self) -> LlmBudget:
        return self._llm_budget

    def close(self) -> None:
        """Do nothing: the backends are shared, and their creator closes them."""


def stop_embedded_redis(settings: Settings) -> None:
    """Stop the embedded Redis if no process uses it any more. Its data stay."""
    from hemostat.adapters.redis import EmbeddedRedis

    EmbeddedRedis(settings.state_path).shut_down_if_unused()


def check_state_directory(settings: Settings) -> None:
    """Raise UnsafePathError where another user can change the content of the state directory, ConfigError
    where it cannot be read."""
    try:
        check_directory(settings.state_path)
    except OSError as error:
        message = f"the state directory {settings.state_path} cannot be used: {error.strerror}"
        raise ConfigError(message, hint="set state_dir") from None


def make_event_store(settings: Settings, *, write: bool) -> EventStore:
    """Return the configured database, else a file in the state directory, which connects on first use. Raises
    ConfigError."""
    import time

    from hemostat.adapters.sql_store import SqlStore

    if not settings.store_url:
        check_state_directory(settings)
    url = settings.store_url or f"sqlite:///{settings.state_path / HISTORY_FILE}"
    return SqlStore(url, time.time, write=write, keys=lambda: settings.audit_keys)


def make_bus(redis: "Client") -> Bus:
    from hemostat.adapters.redis import RedisBus

    return RedisBus(redis)


def make_redis_client(settings: Settings, *, start: bool) -> "Client":
    """Return a client of the configured Redis, or of the embedded one, which is restarted if it dies."""
    from hemostat.adapters.redis import EmbeddedRedis, Tls, connect, make_room, resolve_url

    embedded = EmbeddedRedis(settings.state_path)
    url = resolve_url(settings.redis.url or None, settings.state_path, start=start)
    if url is None:
        raise RedisNotStartedError("Redis is not running", hint="start HemoStat with: hemostat all")
    revive = embedded.ensure_running if start and url == embedded.url else None
    redis = settings.redis
    tls = Tls(ca_file=redis.ca_file, cert_file=redis.cert_file, key_file=redis.key_file)
    login: dict[str, Any] = {"username": redis.username, "password": settings.redis_password, "tls": tls}
    return connect(url, revive=revive, relieve=partial(make_room, url, **login), **login)
