"""Collaborators of a consumer in memory."""

import threading

from hemostat.consumer import ConsumerContext
from hemostat.heartbeat import HeartbeatSender
from hemostat.ports import Bus, Clock
from hemostat.retry import Retry
from hemostat.streams import Role


def make_consumer_context(role: Role, bus: Bus, clock: Clock, stop: threading.Event) -> ConsumerContext:
    """The context of a consumer of `role`, named "i", on the host "h"."""
    return ConsumerContext(
        role=role,
        group=role.make_group_name("h"),
        name="i",
        bus=bus,
        clock=clock,
        heartbeat=HeartbeatSender(role.name, bus=bus, clock=clock, host="h", instance="i", pid=1),
        retry=Retry(clock),
        stop=stop,
    )
