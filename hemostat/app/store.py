"""The second loop of the alert role: stores every event. Storing and notifications do not depend on each
other."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import TYPE_CHECKING, Final

from hemostat import streams
from hemostat.app.role_context import RoleContext
from hemostat.consumer import BatchConsumer, ConsumerLimits
from hemostat.core.units import show_duration
from hemostat.errors import HemoStatError
from hemostat.heartbeat import HEARTBEAT_SECONDS, HeartbeatSender
from hemostat.ports import Interrupted
from hemostat.retry import MAX_DELAY_SECONDS

if TYPE_CHECKING:
    from hemostat.agents.store_writer import StoreWriter

MAX_BATCH: Final = 256
"""Maximum number of entries read at once, and stored together."""
MAX_BACKLOG: Final = 1000
"""Maximum number of events that wait to be stored without a warning."""
STUCK_SECONDS: Final = 30.0
"""Seconds without a stored event, while others wait, before a warning: a database may hang without an
error."""

STOP_SECONDS: Final = 4.0
"""Seconds that the loop has to end. Only the end of its process ends a wait for a database that hangs. Events
that are not stored then stay on the stream."""

logger = logging.getLogger(__name__)


class StoreBacklog(HeartbeatSender):
    """The state of the loop, reported by its role: the loop sends no heartbeat of its own."""

    trouble = ""
    lag = 0
    _last_handled = -1
    _progress_at = 0.0

    def send(self, trouble: str, lag: int, warnings: tuple[str, ...] = ()) -> None:  # noqa: ARG002
        now = self._clock.now()
        self._next_due = now + HEARTBEAT_SECONDS
        if not lag or self.handled_count != self._last_handled:
            self._last_handled, self._progress_at = self.handled_count, now
        self.trouble, self.lag = trouble, lag

    def notice(self) -> str:
        """Return the warning for users; empty for none."""
        if self.trouble:
            return f"{self.trouble} ({self.lag} events wait to be stored)"
        still = self._clock.now() - self._progress_at
        if self.lag and still > STUCK_SECONDS:
            return f"{self.lag} events wait to be stored, with no progress for {show_duration(still)}"
        return f"{self.lag} events wait to be stored" if self.lag > MAX_BACKLOG else ""


@contextmanager
def run_store_writer(context: RoleContext) -> Iterator[Callable[[], str]]:
    """Store events on a thread until the role is told to stop. Yields a function that returns its current
    warnings."""
    parts = context.parts.get_event_store()
    if parts is None:
        yield str
        return
    from hemostat.adapters.syslog import write_line
    from hemostat.agents.store_writer import AuditWatch, StoreWriter

    records, audit_anchor = parts
    keeper = RoleContext(streams.STORE_ROLE, context.settings, context.parts, context.instance, context.stop)
    backlog = keeper.heartbeat = StoreBacklog(
        keeper.role.name,
        bus=context.parts.bus,
        clock=context.clock,
        host=context.settings.host_name,
        instance=context.instance,
        pid=os.getpid(),
    )
    watch = AuditWatch(
        records,
        audit_anchor,
        context.clock,
        location=records.get_location(context.settings.machine_name),
        keys=lambda: context.settings.audit_keys,
        announce=write_line if context.settings.store.audit_syslog else lambda _: None,
    )
    recorder = StoreWriter(records, audit_anchor, context.clock, context.settings.store, watch)
    thread = threading.Thread(
        target=_consume_events, args=(keeper, recorder, backlog), name="recording", daemon=True
    )
    thread.start()
    try:
        yield lambda: "; ".join(filter(None, (recorder.notice(), backlog.notice())))
    finally:
        context.stop.set()
        thread.join(STOP_SECONDS)
        records.close()


def _consume_events(keeper: RoleContext, recorder: "StoreWriter", backlog: StoreBacklog) -> None:
    """Store events, and restart after any error, so that the role's first loop continues. No event is given
    up: deliveries add up when the role is killed while the database is down, which is not the event's
    fault."""
    with suppress(Interrupted):
        while not keeper.stop.is_set():
            try:
                BatchConsumer(
                    keeper.make_consumer_context(),
                    ConsumerLimits(ahead=MAX_BATCH, deliveries=inf),
                    recorder.store_events,
                    describe_warning=recorder.check,
                ).run()
            except HemoStatError as error:
                backlog.trouble = str(error)
                logger.warning("store_writer.failed error=%s", error)
            except Exception as error:
                backlog.trouble = f"the store: {error}"
                logger.exception("store_writer.failed")
            if not keeper.stop.is_set():
                keeper.clock.sleep(MAX_DELAY_SECONDS)
