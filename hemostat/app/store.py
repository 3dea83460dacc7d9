"""The alert role's second loop: it stores every event, whatever becomes of notifications, and the other way
round."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import TYPE_CHECKING, Final

from hemostat import streams
from hemostat.core.units import show_duration
from hemostat.errors import HemoStatError
from hemostat.heartbeat import HEARTBEAT_SECONDS, HeartbeatSender
from hemostat.ports import Interrupted
from hemostat.retry import MAX_DELAY_SECONDS

if TYPE_CHECKING:
    from hemostat.agents.store_writer import StoreWriter
    from hemostat.app.roles import RoleContext

MAX_BATCH: Final = 256
"""Entries read at once, and stored together as far as they come at once."""
MAX_BACKLOG: Final = 1000
"""Events that wait to be stored before people should know of it."""
STUCK_SECONDS: Final = 30.0
"""Seconds without one that was stored, while others wait: a database may hang, and say nothing."""

logger = logging.getLogger(__name__)


class StoreBacklog(HeartbeatSender):
    """How the loop is, for its role to tell: it shows no heartbeat of its own."""

    trouble = ""
    lag = 0
    _last_handled = -1
    _progress_at = 0.0

    def beat(self, trouble: str, lag: int, warnings: tuple[str, ...] = ()) -> None:  # noqa: ARG002
        now = self._clock.now()
        self._next_due = now + HEARTBEAT_SECONDS
        if not lag or self.handled != self._last_handled:
            self._last_handled, self._progress_at = self.handled, now
        self.trouble, self.lag = trouble, lag

    def notice(self) -> str:
        """What people should know; empty: nothing."""
        if self.trouble:
            return f"{self.trouble} ({self.lag} events wait to be stored)"
        still = self._clock.now() - self._progress_at
        if self.lag and still > STUCK_SECONDS:
            return f"{self.lag} events wait to be stored, and none was for {show_duration(still)}"
        return f"{self.lag} events wait to be stored" if self.lag > MAX_BACKLOG else ""


@contextmanager
def run_store_writer(place: "RoleContext") -> Iterator[Callable[[], str]]:
    """Store events on a thread until the role is told to stop; what is to be known of it, when asked."""
    parts = place.parts.records()
    if parts is None:
        yield str
        return
    from hemostat.adapters.syslog import write_line
    from hemostat.agents.store_writer import AuditWatch, StoreWriter
    from hemostat.app.roles import RoleContext

    records, notary = parts
    keeper = RoleContext(streams.STORE_ROLE, place.settings, place.parts, place.instance, place.stop)
    backlog = keeper.pulse = StoreBacklog(
        keeper.role.name,
        bus=place.parts.bus,
        clock=place.clock,
        host=place.settings.host_name,
        instance=place.instance,
        pid=os.getpid(),
    )
    watch = AuditWatch(
        records,
        notary,
        place.clock,
        place=records.place(place.settings.host_name),
        keys=lambda: place.settings.audit_keys,
        announce=write_line if place.settings.store.audit_syslog else lambda _: None,
    )
    recorder = StoreWriter(records, notary, place.clock, place.settings.store, watch)
    thread = threading.Thread(target=_consume_events, args=(keeper, recorder, backlog), name="recording")
    thread.start()
    try:
        yield lambda: "; ".join(filter(None, (recorder.notice(), backlog.notice())))
    finally:
        place.stop.set()
        thread.join()
        records.close()


def _consume_events(keeper: "RoleContext", recorder: "StoreWriter", backlog: StoreBacklog) -> None:
    """Whatever goes wrong here, the role's first loop goes on, and this one begins anew. An event is never
    given up: that a role was killed often while the database was away is no fault of the event's."""
    with suppress(Interrupted):
        while not keeper.stop.is_set():
            try:
                keeper.consume(
                    recorder.step,
                    workers=1,
                    ahead=MAX_BATCH,
                    keep=recorder.keep,
                    notice=recorder.check,
                    tries=inf,
                )
            except HemoStatError as error:
                backlog.trouble = str(error)
                logger.warning("recording.failed error=%s", error)
            except Exception as error:
                backlog.trouble = f"the store: {error}"
                logger.exception("recording.failed")
            if not keeper.stop.is_set():
                keeper.clock.sleep(MAX_DELAY_SECONDS)
