"""Consumes streams for roles: reads entries, handles them, and acknowledges each in the transaction that
publishes its outputs."""

from hemostat.consumer.batch_consumer import BatchConsumer
from hemostat.consumer.context import (
    CURRENT_INCIDENT,
    MAX_DELIVERIES,
    AnswerDeadLetter,
    ConsumerContext,
    ConsumerLimits,
)
from hemostat.consumer.event_consumer import EventConsumer, Step

__all__ = [
    "CURRENT_INCIDENT",
    "MAX_DELIVERIES",
    "AnswerDeadLetter",
    "BatchConsumer",
    "ConsumerContext",
    "ConsumerLimits",
    "EventConsumer",
    "Step",
]
