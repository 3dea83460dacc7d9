"""The collaborators and the limits of a consumer."""

import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Final, NamedTuple

from hemostat.events import Event
from hemostat.heartbeat import HeartbeatSender
from hemostat.ports import Bus, Clock
from hemostat.retry import Retry
from hemostat.streams import Role

MAX_DELIVERIES: Final = 5

CURRENT_INCIDENT: Final[ContextVar[str]] = ContextVar("incident", default="")
"""The incident that this thread works on, which every log line names."""

AnswerDeadLetter = Callable[[Event, str, float], Sequence[Event]]
"""Returns the events that a role publishes for a dead letter; takes the event, its error and the time."""


class ConsumerContext(NamedTuple):
    """`name` is the consumer's name in its group."""

    role: Role
    group: str
    name: str
    bus: Bus
    clock: Clock
    retry: Retry
    heartbeat: HeartbeatSender
    stop: threading.Event


class ConsumerLimits(NamedTuple):
    workers: int = 1
    """Entries, or batches of them, that are handled at a time."""
    ahead: int = 0
    """Entries that may be held beyond those in progress, where handling is short."""
    background: int = 1
    """Background entries that are handled at a time, in addition."""
    deliveries: float = MAX_DELIVERIES
    """Deliveries of an entry before the entry becomes a dead letter."""
