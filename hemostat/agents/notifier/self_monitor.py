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
            self.look()
        except Exception:
            logger.exception("self_monitor.failed")

    def look(self) -> None:
        now = self._clock.now()
        vigil = self._state
        try:
            vigil, gone = observe_heartbeats(vigil, self._bus.last("heartbeat"), self._roles, now)
            refusal = self._refusal()
        except AdapterError as error:
            refusal = str(error)
        if refusal:
            gone = {name: why for name, (_, why) in vigil.ill.items()} | {BUS_NAME: refusal}
        self._state, words = update_and_notify(vigil, gone, now, after=self._after, host=self._host)
        self._checked_at = now
        for word in (*words, *self._find_dead_letters(now)):
            logger.warning(
                "self_monitor.notified topic=%s about=%s reason=%s", word.topic, word.container, word.cause
            )
            self._tell(word)

    def _find_dead_letters(self, now: float) -> list[Notification]:
        try:
            newest = self._bus.last_buried()
            count = 0 if newest is None or newest.id == self._last_dead_letter.id else self._bus.buried()
        except AdapterError as error:
            logger.debug("dead_letters.read_failed error=%s", error)
            return []
        self._last_dead_letter, word = announce_newest(
            self._last_dead_letter, newest, count, now, host=self._host
        )
        return [] if word is None else [word]

    def beat(self, heart: HealthPing, every: float) -> None:
        """Ping an external service every `every` seconds, until the process is told to stop."""
        try:
            self._try_ping(heart.start)
            while True:
                self._clock.sleep(every)
                self.signal(heart)
        except Interrupted:
            return

    def signal(self, heart: HealthPing) -> None:
        """Ping success or failure. Where the state is unknown there is no ping: silence is the alarm."""
        vigil = self._state
        if vigil.why:
            self._try_ping(lambda: heart.fail(vigil.why))
        elif vigil.well and 0 <= self._clock.now() - self._checked_at < STALE_SECONDS:
            self._try_ping(heart.beat)

    def _try_ping(self, call: Callable[[], None]) -> None:
        try:
            call()
        except NotifyError as error:
            logger.warning("heartbeat.failed error=%s", error)
        except Exception as error:  # noqa: BLE001 - an answer must not end the thread; the error may show the URL
            logger.warning("heartbeat.failed error=%s", type(error).__name__)
