"""What commands open for themselves: the bus, what people can do, what is kept, the engine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hemostat.adapters.system_clock import SystemClock
from hemostat.app.backends import make_bus, make_event_store, make_redis_client
from hemostat.config import Settings
from hemostat.operator import OperatorCommands
from hemostat.ports import AuditAnchor, Bus, Engine, EventStore, EvidenceStore

if TYPE_CHECKING:
    from hemostat.adapters.redis import Client
    from hemostat.agents.analyzer.capture import EvalCapture


def open_bus(settings: Settings, *, start: bool) -> Bus:
    """The bus, answering. Raises BusUnreachableError; `start`: start an embedded Redis if none is found."""
    bus = make_bus(make_redis_client(settings, start=start))
    bus.ping()
    return bus


@contextmanager
def open_redis(settings: Settings) -> "Iterator[Client]":
    """A client of the Redis that runs, to ask the server itself. Raises BusUnreachableError."""
    redis = make_redis_client(settings, start=False)
    try:
        yield redis
    finally:
        redis.close()


@contextmanager
def open_orders(settings: Settings) -> Iterator[OperatorCommands]:
    """What people can do, in a Redis that runs. Raises BusUnreachableError."""
    from hemostat.adapters.redis import RedisControls, RedisLedger

    redis = make_redis_client(settings, start=False)
    clock = SystemClock(threading.Event())
    desk, ledger = RedisControls(redis), RedisLedger(redis)
    try:
        yield OperatorCommands(
            make_bus(redis), desk, ledger, clock, settings.responder, host=settings.host_name
        )
    finally:
        redis.close()


@contextmanager
def open_event_store(settings: Settings) -> Iterator[EventStore]:
    """What is stored, to be asked. Raises ConfigError."""
    records = make_event_store(settings, write=False)
    try:
        yield records
    finally:
        records.close()


@contextmanager
def open_audit_anchor(settings: Settings) -> Iterator[AuditAnchor]:
    """Where the ends of audit trails are noted. Raises BusUnreachableError."""
    from hemostat.adapters.redis import RedisAuditAnchor

    redis = make_redis_client(settings, start=False)
    try:
        yield RedisAuditAnchor(redis)
    finally:
        redis.close()


@contextmanager
def open_dossiers(settings: Settings) -> Iterator[EvidenceStore]:
    """The evidence kept in a Redis that runs. Raises BusUnreachableError."""
    from hemostat.adapters.redis import RedisEvidence

    redis = make_redis_client(settings, start=False)
    try:
        yield RedisEvidence(redis)
    finally:
        redis.close()


@contextmanager
def open_eval_capture(settings: Settings) -> Iterator["EvalCapture"]:
    """What is known of past incidents in a Redis that runs, and by the engine if it answers. Raises
    BusUnreachableError."""
    from hemostat.adapters.redis import RedisBus, RedisEvidence, RedisPrecedents
    from hemostat.agents.analyzer.capture import EvalCapture

    redis = make_redis_client(settings, start=False)
    try:
        yield EvalCapture(
            lambda: open_engine(settings),
            RedisBus(redis),
            RedisEvidence(redis),
            RedisPrecedents(redis),
            host=settings.host_name,
        )
    finally:
        redis.close()


def open_engine(settings: Settings, *, label: str = "") -> Engine:
    """The engine, answering; `label` bounds what it lists. Raises EngineUnreachableError."""
    from hemostat.adapters.docker_engine import DockerEngine

    return DockerEngine.connect(settings.engine.url or None, label=label)
