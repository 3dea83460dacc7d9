"""The backends of the roles in a process: Redis and Docker, or everything in memory."""

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from hemostat.config import Settings
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import ConnectionPeers, ContainerInfo, HostSample, Sample
from hemostat.core.usage.process_activity import Activity
from hemostat.errors import ConfigError, RedisNotStartedError
from hemostat.ports import (
    AuditAnchor,
    Bus,
    ControlStore,
    Engine,
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

HISTORY_FILE: Final = "history.db"
"""The file in the state directory where events are stored if no database is configured."""


class FallbackSampler:
    """A Sampler that reads from the first, and from the second where the first could not read."""

    def __init__(self, first: Sampler, second: Sampler) -> None:
        self._first = first
        self._second = second

    def sample(self, containers: Sequence[ContainerInfo], now: float) -> list[Sample]:
        samples = self._first.sample(containers, now)
        if len(samples) == len(containers):
            return samples
        read = {sample.container_id for sample in samples}
        unread = [info for info in containers if info.ref.id not in read]
        return samples + self._second.sample(unread, now)

    def read_activity(self, container: ContainerInfo, now: float) -> Activity | None:
        return self._first.read_activity(container, now) or self._second.read_activity(container, now)


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

    def probe(self, target: ProbeTarget, address: str, timeout: float) -> str:
        from hemostat.adapters.sampling.probe import probe

        return probe(target, address, timeout)


class LocalHost(UnknownHost):
    """A HostProbe of an engine on this host, whose data are in `directory`, and whose process id is
    `process`."""

    def __init__(self, directory: str, process: int) -> None:
        from hemostat.adapters.sampling.host import HostPaths, HostSampler
        from hemostat.adapters.sampling.sockets import SocketReader

        self._sampler = HostSampler(directory)
        self._sockets = SocketReader()
        self._paths = HostPaths(process)

    def measure(self, now: float) -> HostSample | None:
        return self._sampler.sample(now)

    def read_peers(self, containers: Sequence[ContainerInfo], now: float) -> ConnectionPeers | None:
        return self._sockets.read_next(containers, now)

    def find_missing_path(self, info: ContainerInfo) -> str:
        return self._paths.missing(info)

    def measure_file(self, path: str) -> int | None:
        try:
            return os.stat(path).st_size  # noqa: PTH116
        except OSError:
            return None


def make_host_probe(engine: EngineVersion) -> HostProbe:
    """Return a probe of this host if the engine is local, else one that knows nothing."""
    return LocalHost(engine.root, engine.process) if engine.local else UnknownHost()


class Backends(Protocol):
    """The backends of the roles in a process."""

    @property
    def bus(self) -> Bus: ...

    def get_engine(self) -> tuple[Engine, Sampler]: ...

    def get_host_probe(self, engine: EngineVersion) -> HostProbe: ...

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

    def get_engine(self) -> tuple[Engine, Sampler]:
        """Return the engine and a sampler: cgroup files where this host has them, else the engine's stats."""
        from hemostat.adapters.docker_engine import DockerEngine
        from hemostat.adapters.sampling.cgroups import CgroupSampler
        from hemostat.adapters.sampling.docker_stats import StatsSampler

        settings = self._settings
        engine = DockerEngine.connect(
            settings.engine.url or None,
            label=settings.monitor.only,
            stop_timeout_max=settings.responder.stop_timeout_max,
        )
        return engine, FallbackSampler(CgroupSampler(), StatsSampler(engine.read_stats, engine.follow_stats))

    def get_host_probe(self, engine: EngineVersion) -> HostProbe:
        return make_host_probe(engine)

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

    def get_host_probe(self, engine: EngineVersion) -> HostProbe:  # noqa: ARG002
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
