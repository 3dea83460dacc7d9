"""The alert role's second half: every event goes into the database, whoever is told of it or not.

It reads the streams as a group of its own. While the database is away nothing is acknowledged here, and the
streams keep what is to be stored; people are told meanwhile all the same.
"""

import logging
from collections.abc import Sequence
from typing import Final

from hemostat.core.audit import End
from hemostat.core.keeping import Keeping
from hemostat.events import Event
from hemostat.ports import Clock, Notary, Records

SWEEP: Final = 3600.0
"""Seconds between two looks at what is too old."""
SWEPT: Final = 5000
"""Rows removed at a time: nobody should wait long for it."""

logger = logging.getLogger(__name__)


class Recorder:
    def __init__(self, records: Records, notary: Notary, clock: Clock, keeping: Keeping) -> None:
        self._records = records
        self._notary = notary
        self._clock = clock
        self._keeping = keeping
        self._due = 0.0
        self._begun = False
        self._missed: End | None = None
        """What was told of to be cut off."""

    def step(self, _: Event, __: float) -> list[Event]:
        """What is to be done with one event is done with many at once."""
        return []

    def keep(self, events: Sequence[Event]) -> None:
        """Store the events, note the trail's head elsewhere, and now and then remove what is too old."""
        self._records.append(events)
        self._note()
        now = self._clock.now()
        if not 0 < self._due - now <= SWEEP:
            self._due = now if self._sweep(now) == SWEPT else now + SWEEP

    def _note(self) -> None:
        """A head that is noted and is not in the trail any more stays noted: it shows what was cut off,
        however much has been stored since."""
        ends = self._records.ends()
        noted = self._notary.noted(ends.trail)
        if not self._begun and noted.anchor is None:
            self._notary.note_anchor(ends.trail, ends.anchor)
        self._begun = True
        if noted.head is None or self._records.bears(noted.head):
            self._notary.note_head(ends.trail, ends.head)
        elif noted.head != self._missed:
            logger.error("audit.cut_off trail=%s noted=%s head=%s", ends.trail, noted.head, ends.head)
            self._missed = noted.head

    def _sweep(self, now: float) -> int:
        """That rows are to go is noted before they do: those that are gone without it are missing."""
        oldest = now - self._keeping.retention if self._keeping.retention else None
        end = self._records.outdated(oldest, self._keeping.max_events, limit=SWEPT)
        if end is None:
            return 0
        ends = self._records.ends()
        self._notary.note_anchor(ends.trail, end)
        removed = self._records.remove(end)
        if self._keeping.compact:
            self._records.compact()
        logger.info("store.swept rows=%d up_to=%d", removed, end.number)
        return removed
