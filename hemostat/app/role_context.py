"""One role in its process."""

import os
import threading
from collections.abc import Callable

from hemostat.adapters.system_clock import SystemClock
from hemostat.app.backends import Backends
from hemostat.config import Settings
from hemostat.consumer import ConsumerContext
from hemostat.core.remediation.modes import CurrentModes, find_current_modes
from hemostat.heartbeat import HeartbeatSender
from hemostat.ports import Clock
from hemostat.retry import Retry
from hemostat.streams import Role
from hemostat.time_windows import find_window_state


class RoleContext:
    """One role in its process: its name, settings, clock and backends."""

    def __init__(
        self,
        role: Role,
        settings: Settings,
        parts: Backends,
        instance: str,
        stop: threading.Event,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.role = role
        self.settings = settings
        self.parts = parts
        self.instance = instance
        self.source = f"{role.name}@{instance}"
        self.stop = stop
        self.clock: Clock = SystemClock(stop)
        self.retry = Retry(self.clock)
        self.heartbeat = HeartbeatSender(
            role.name,
            bus=parts.bus,
            clock=self.clock,
            host=settings.host_name,
            instance=instance,
            pid=os.getpid(),
            on_ready=on_ready,
            find_modes=self._find_modes,
        )

    def _find_modes(self, now: float) -> CurrentModes:
        """The modes of a responder at `now` (epoch seconds), none for the other roles."""
        if self.role.name != "responder":
            return CurrentModes()
        limits = self.settings.responder
        return find_current_modes(limits, find_window_state(limits.windows, now))

    def make_consumer_context(self) -> ConsumerContext:
        return ConsumerContext(
            role=self.role,
            group=self.role.make_group_name(self.settings.host_name),
            name=self.instance,
            bus=self.parts.bus,
            clock=self.clock,
            heartbeat=self.heartbeat,
            retry=self.retry,
            stop=self.stop,
        )
