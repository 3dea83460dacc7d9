"""Opens the connections of commands: the bus, operator commands, stores and the engine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from hemostat.adapters.system_clock import SystemClock
from hemostat.app.backends import (
    make_bus,
    make_event_store,
    make_redis_client,
    stop_embedded_redis,
)
from hemostat.app.engines import EnginePool
from hemostat.config import Settings
from hemostat.operator import OperatorCommands
from hemostat.ports import AuditAnchor, Bus, ContainerShell, EventStore, EvidenceStore

if TYPE_CHECKING:
    from hemostat.adapters.redis import Client
    from hemostat.agents.analyzer.capture import EvalCapture


def open_bus(settings: Settings, *, start: bool) -> Bus:
    """Return the bus, after it has answered. Raises BusUnreachableError. `start`: start an embedded Redis if
    none is found."""
    bus = make_bus(make_redis_client(settings, start=start))
    bus.ping()
    return bus


@contextmanager
def open_redis(settings: Settings) -> "Iterator[Client]":
    """Yield a client of a running Redis, to query the server itself. Raises BusUnreachableError."""
    redis = make_redis_client(settings, start=False)
    try:
        yield redis
    finally:
        redis.close()


def is_redis_started(settings: Settings) -> bool:
    """Return whether the embedded Redis runs, or another Redis is configured."""
    from hemostat.adapters.redis import resolve_url

    return resolve_url(settings.redis.url or None, settings.state_path, start=False) is not None


def has_stored_data(settings: Settings) -> bool:
    """Return whether the embedded Redis has run before."""
    from hemostat.adapters.redis import EmbeddedRedis

    return EmbeddedRedis(settings.state_path).has_data()


@contextmanager
def open_operator(settings: Settings, *, start: bool = False) -> Iterator[OperatorCommands]:
    """Yield the operator commands, in a running Redis. Raises BusUnreachableError. `start`: if the embedded
    Redis does not run, start it, and stop it afterwards if no process uses it by then."""
    from hemostat.adapters.redis import RedisControls, RedisLedger

    start = start and not is_redis_started(settings)
    redis = make_redis_client(settings, start=start)
    clock = SystemClock(threading.Event())
    desk, ledger = RedisControls(redis), RedisLedger(redis)
    try:
        yield OperatorCommands(
            make_bus(redis), desk, ledger, clock, settings.responder, host=settings.host_name
        )
    finally:
        redis.close()
        if start:
            stop_embedded_redis(settings)


@contextmanager
def open_event_store(settings: Settings) -> Iterator[EventStore]:
    """Yield the event store, for reading. Raises ConfigError."""
    records = make_event_store(settings, write=False)
    try:
        yield records
    finally:
        records.close()


@contextmanager
def open_audit_anchor(settings: Settings) -> Iterator[AuditAnchor]:
    """Yield the store of the ends of audit trails. Raises BusUnreachableError."""
    from hemostat.adapters.redis import RedisAuditAnchor

    redis = make_redis_client(settings, start=False)
    try:
        yield RedisAuditAnchor(redis)
    finally:
        redis.close()


@contextmanager
def open_evidence_store(settings: Settings) -> Iterator[EvidenceStore]:
    """Yield the evidence snapshots in a running Redis. Raises BusUnreachableError."""
    from hemostat.adapters.redis import RedisEvidence

    redis = make_redis_client(settings, start=False)
    try:
        yield RedisEvidence(redis)
    finally:
        redis.close()


@contextmanager
def open_eval_capture(settings: Settings) -> Iterator["EvalCapture"]:
    """Yield the capture of past incidents, from a running Redis, and from the engines that answer. Raises
    BusUnreachableError."""
    from hemostat.adapters.redis import RedisBus, RedisEvidence, RedisPrecedents
    from hemostat.agents.analyzer.capture import EvalCapture

    redis = make_redis_client(settings, start=False)
    engines = EnginePool.from_settings(settings)
    try:
        yield EvalCapture(engines.get, RedisBus(redis), RedisEvidence(redis), RedisPrecedents(redis))
    finally:
        engines.close()
        redis.close()


def make_shell(settings: Settings) -> ContainerShell:
    """Return the opener of shells in containers of the engine. Raises UsageError where several engines are
    configured."""
    from hemostat.adapters.docker_engine.shell import DockerShell

    return DockerShell(**msgspec.structs.asdict(settings.select_engine().engine))
