"""The second half of the alert role: writes every event into the database, whether a notification is sent or
not.

It reads the streams with a consumer group of its own. While the database is down the group acknowledges
nothing, and the streams keep the events. Notifications are sent meanwhile.
"""

import logging
from collections.abc import Sequence
from typing import Final

from hemostat.agents.store_writer.audit_watch import AuditWatch
from hemostat.core.settings.store import StoreSettings
from hemostat.events import Event
from hemostat.ports import AuditAnchor, Clock, EventStore

SWEEP_SECONDS: Final = 60.0
"""Seconds between two removals of old rows."""
MAX_ROWS_PER_SWEEP: Final = 5000
"""Rows removed at a time: a removal must not delay writers for long."""

logger = logging.getLogger(__name__)


class StoreWriter:
    def __init__(
        self,
        records: EventStore,
        audit_anchor: AuditAnchor,
        clock: Clock,
        keeping: StoreSettings,
        watch: AuditWatch | None = None,
    ) -> None:
        self._event_store = records
        self._audit_anchor = audit_anchor
        self._clock = clock
        self._settings = keeping
        self._sweep_due = 0.0
        self._watch = watch or AuditWatch(records, audit_anchor, clock, location="")

    def check(self) -> str:
        """Check the audit trail. Called at every heartbeat, whether events are stored or not."""
        self._watch.note_head_if_due()
        return ""

    def notice(self) -> str:
        """Return the warning about the audit trail; empty for none."""
        return f"{self._watch.objection}: see hemostat audit verify" if self._watch.objection else ""

    def store_events(self, events: Sequence[Event]) -> None:
        """Store the events, note the trail's head, and once in SWEEP_SECONDS remove old rows."""
        self._watch.prepare()
        self._event_store.append(events)
        self._watch.note_head()
        now = self._clock.now()
        if not 0 < self._sweep_due - now <= SWEEP_SECONDS:
            self._sweep_due = now if self._sweep(now) == MAX_ROWS_PER_SWEEP else now + SWEEP_SECONDS

    def _sweep(self, now: float) -> int:
        """Remove old rows and return their number. The new anchor is noted first: rows that disappear without
        a note count as missing."""
        oldest = now - self._settings.retention if self._settings.retention else None
        end = self._event_store.find_outdated(
            oldest, self._settings.max_events, limit=MAX_ROWS_PER_SWEEP, size=self._settings.max_size
        )
        if end is None:
            return 0
        ends = self._event_store.read_ends()
        self._audit_anchor.note_anchor(ends.trail, end)
        removed = self._event_store.remove(end)
        if self._settings.compact:
            self._event_store.compact()
        logger.info("store.pruned rows=%d up_to=%d", removed, end.number)
        return removed
