"""Monitors HemoStat itself: notifies when a role, the bus or the engine is down, and pings an external
service while all is well."""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from hemostat.core.notify.dead_letters import LastNotified, announce_newest
from hemostat.core.notify.notification import Notification
from hemostat.core.notify.self_monitoring import (
    BUS_NAME,
    SelfMonitoringState,
    observe_heartbeats,
    update_and_notify,
)
from hemostat.errors import AdapterError, NotifyError
from hemostat.ports import Bus, Clock, HealthPing, Interrupted

CHECK_SECONDS: Final = 2.0
"""Seconds between two checks."""
STALE_SECONDS: Final = 30.0
"""Seconds after the last check after which its result is no longer trusted."""

logger = logging.getLogger(__name__)


class SelfMonitor:
    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        tell: Callable[[Notification], object],
        *,
        roles: Iterable[str],
        host: str,
        after: float,
        refusal: Callable[[], str] = str,
    ) -> None:
        """`after`: seconds that a failure must last before a notification is sent. `refusal`: why Redis
        refuses the requests of this process, empty for no refusal. Where Redis can be read but not written,
        the heartbeats of all roles expire, though all roles are running."""
        self._bus = bus
        self._clock = clock
        self._tell = tell
        self._roles = tuple(roles)
        self._host = host
        self._after = after
        self._refusal = refusal
        self._state = SelfMonitoringState()
        self._last_dead_letter = LastNotified()
        self._checked_at = 0.0

    def run(self) -> None:
        """Check until the process is told to stop."""
        try:
            while True:
                self._clock.sleep(CHECK_SECONDS)
                self._try_look()
        except Interrupted:
            return

    def _try_look(self) -> None:
        """Check, and log any error: an error that ends the thread would end the self-monitoring."""
        try:
            self.check()
        except Exception:
            logger.exception("self_monitor.failed")

    def check(self) -> None:
        now = self._clock.now()
        state = self._state
        try:
            state, absent_roles = observe_heartbeats(
                state, self._bus.read_last_values("heartbeat"), self._roles, now
            )
            refusal = self._refusal()
        except AdapterError as error:
            refusal = str(error)
        if refusal:
            absent_roles = {name: why for name, (_, why) in state.ill.items()} | {BUS_NAME: refusal}
        self._state, notifications = update_and_notify(
            state, absent_roles, now, after=self._after, host=self._host
        )
        self._checked_at = now
        for notification in (*notifications, *self._find_dead_letters(now)):
            logger.warning(
                "self_monitor.notified topic=%s about=%s reason=%s",
                notification.topic,
                notification.container,
                notification.cause,
            )
            self._tell(notification)

    def _find_dead_letters(self, now: float) -> list[Notification]:
        try:
            newest = self._bus.read_last_dead_letter()
            count = (
                0
                if newest is None or newest.id == self._last_dead_letter.id
                else self._bus.count_dead_letters()
            )
        except AdapterError as error:
            logger.debug("dead_letters.read_failed error=%s", error)
            return []
        self._last_dead_letter, notification = announce_newest(
            self._last_dead_letter, newest, count, now, host=self._host
        )
        return [] if notification is None else [notification]

    def run_pings(self, heart: HealthPing, every: float) -> None:
        """Ping an external service every `every` seconds, until the process is told to stop."""
        try:
            self._try_ping(heart.ping_start)
            while True:
                self._clock.sleep(every)
                self.ping(heart)
        except Interrupted:
            return

    def ping(self, heart: HealthPing) -> None:
        """Ping success or failure. Where the state is unknown there is no ping: silence is the alarm."""
        state = self._state
        if state.announced_trouble:
            self._try_ping(lambda: heart.ping_failure(state.announced_trouble))
        elif state.is_well and 0 <= self._clock.now() - self._checked_at < STALE_SECONDS:
            self._try_ping(heart.ping_success)

    def _try_ping(self, call: Callable[[], None]) -> None:
        try:
            call()
        except NotifyError as error:
            logger.warning("heartbeat.failed error=%s", error)
        except Exception as error:  # noqa: BLE001 - an answer must not end the thread; the error may show the URL
            logger.warning("heartbeat.failed error=%s", type(error).__name__)
