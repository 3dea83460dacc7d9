"""Keeps the audit trail of a store comparable with what is noted in Redis and in the system's log.

Each batch that is stored moves the noted head. Where the trail is another one than was noted, or a part of it
is missing, nothing is noted any more: people are told, until a person accepts the trail as it is.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from hemostat.core.audit import Ends, Link, Noted
from hemostat.core.audit_state import Look, find_objection
from hemostat.errors import HemoStatError
from hemostat.ports import Clock, Notary, Records

ANNOUNCE_SECONDS: Final = 3600.0
"""Between two lines in the system's log."""
CHECK_SECONDS: Final = 60.0
"""Between two looks while nothing is stored."""

logger = logging.getLogger(__name__)


def look_at(records: Records, notary: Notary, place: str, keys: tuple[bytes, ...] = ()) -> Look:
    """In this order: roles that store meanwhile, or remove old rows, are not taken for somebody else."""
    ends = records.ends()
    noted = notary.noted(ends.trail, place)
    return _with_head(records, Look(ends=ends, noted=noted, has_head=False, keys=keys))


def look_at_end(records: Records, look: Look) -> Look:
    """With the last row, whoever wrote it."""
    last = records.row(look.ends.head.number)
    return look if last is None else msgspec.structs.replace(look, rows=(*look.rows, last))


def _with_head(records: Records, look: Look) -> Look:
    """Whether the noted head is in the trail, or was removed with what was too old; and its row."""
    head = look.noted.head
    row = None if head is None else records.row(head.number)
    if row is None:
        return msgspec.structs.replace(look, has_head=head is not None and records.bears(head))
    return msgspec.structs.replace(look, has_head=head is not None and row.hash == head.hash, rows=(row,))


class AuditWatch:
    def __init__(
        self,
        records: Records,
        notary: Notary,
        clock: Clock,
        *,
        place: str,
        keys: tuple[bytes, ...] = (),
        announce: Callable[[str], object] = lambda _: None,
    ) -> None:
        """`place` is Records.place; `announce` writes a line where nobody here can change it."""
        self._records = records
        self._notary = notary
        self._clock = clock
        self._place = place
        self._keys = keys
        self._announce = announce
        self._known = Noted()
        """As this process has noted it last: Redis may forget."""
        self._known_trail = ""
        self._announced: float | None = None
        self._checked: float | None = None
        self._first: Link | None = None
        """The last row when this process began: somebody else wrote it."""
        self._prepared = False
        self.objection = ""

    def prepare(self) -> None:
        """Before the first row is stored: from which row on the trail is signed."""
        if self._keys and not self._prepared:
            ends = self._records.ends()
            self._first = self._records.row(ends.head.number)
            if not self._notary.noted(ends.trail).signed:
                self._notary.note_signed(ends.trail, ends.head.number + 1)
        self._prepared = True

    def note(self) -> None:
        """Note the head, unless the trail is not the one that was written."""
        asked = look_at(self._records, self._notary, self._place, self._keys)
        found = self._remember(asked)
        if self._first is not None:
            found = msgspec.structs.replace(found, rows=(*found.rows, self._first))
        self._object(find_objection(found), found.ends)
        if not self.objection:
            self._note(found.ends, found.noted, is_known=bool(asked.noted.trail))
        self._tell(found.ends)

    def check(self) -> None:
        """Note it now and then, for nothing may be stored for long. Others tell of a database or a Redis that
        is away."""
        now = self._clock.now()
        if self._checked is None or not 0 <= now - self._checked < CHECK_SECONDS:
            self._checked = now
            with suppress(HemoStatError):
                self.note()

    def _remember(self, found: Look) -> Look:
        """With what this process knows, where Redis has lost it."""
        noted = found.noted
        if noted.trail or not self._known_trail:
            return found
        same = self._known_trail == found.ends.trail
        known = self._known if same and noted.head is None else noted
        noted = msgspec.structs.replace(known, trail=self._known_trail)
        return _with_head(self._records, msgspec.structs.replace(found, noted=noted))

    def _note(self, ends: Ends, noted: Noted, *, is_known: bool) -> None:
        if not is_known:
            self._notary.note_trail(self._place, ends.trail)
            if noted.signed:
                self._notary.note_signed(ends.trail, noted.signed)
        if noted.anchor is None:
            self._notary.note_anchor(ends.trail, ends.anchor)
        self._notary.note_head(ends.trail, ends.head)
        self._known_trail = ends.trail
        self._known = msgspec.structs.replace(noted, head=ends.head, anchor=noted.anchor or ends.anchor)

    def _object(self, objection: str, ends: Ends) -> None:
        if objection and objection != self.objection:
            logger.error("audit.replaced trail=%s head=%s why=%s", ends.trail, ends.head, objection)
            self._announced = None
        elif self.objection and not objection:
            logger.info("audit.accepted trail=%s head=%s", ends.trail, ends.head)
        self.objection = objection

    def _tell(self, ends: Ends) -> None:
        now = self._clock.now()
        if self._announced is not None and 0 <= now - self._announced < ANNOUNCE_SECONDS:
            return
        self._announced = now
        why = f" objection={self.objection!r}" if self.objection else ""
        self._announce(f"audit head store={self._place} trail={ends.trail} head={ends.head}{why}")
