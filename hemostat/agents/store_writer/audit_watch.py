"""Keeps the audit trail of a store comparable with what is noted in Redis and in the system's log.

Each batch that is stored moves the noted head. Where the trail is another one than was noted, or a part of it
is missing, nothing is noted any more: people are told, until a person accepts the trail as it is.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from hemostat.core.history.audit_chain import AnchorNotes, ChainEnds, ChainPosition
from hemostat.core.history.audit_check import (
    AuditObservation,
    drop_untrusted_acceptance,
    find_objection,
    is_last_row_signed,
)
from hemostat.core.history.audit_hash import Keys
from hemostat.errors import HemoStatError
from hemostat.ports import AuditAnchor, Clock, EventStore

ANNOUNCE_SECONDS: Final = 3600.0
"""Between two lines in the system's log."""
CHECK_SECONDS: Final = 60.0
"""Between two looks while nothing is stored."""

logger = logging.getLogger(__name__)


def observe_trail(
    records: EventStore, notary: AuditAnchor, place: str, keys: tuple[bytes, ...] = ()
) -> AuditObservation:
    """In this order: roles that store meanwhile, or remove old rows, are not taken for somebody else."""
    ends = records.ends()
    noted = drop_untrusted_acceptance(notary.noted(ends.trail, place), ends.trail, keys)
    look = AuditObservation(
        ends=ends, noted=noted, has_head=False, last=records.row(ends.head.number), keys=keys
    )
    return _check_head(records, look)


def _check_head(records: EventStore, look: AuditObservation) -> AuditObservation:
    """Whether the noted head is in the trail, or was removed with what was too old."""
    head, last = look.noted.head, look.last
    is_last = head is not None and last is not None and head == ChainPosition(last.number, last.hash)
    has_head = is_last or (head is not None and records.bears(head))
    return msgspec.structs.replace(look, has_head=has_head)


class AuditWatch:
    def __init__(
        self,
        records: EventStore,
        notary: AuditAnchor,
        clock: Clock,
        *,
        place: str,
        keys: Keys = tuple,
        announce: Callable[[str], object] = lambda _: None,
    ) -> None:
        """`place` is Records.place; `announce` writes a line where nobody here can change it."""
        self._event_store = records
        self._audit_anchor = notary
        self._clock = clock
        self._location = place
        self._keys = keys
        self._announce = announce
        self._known_notes = AnchorNotes()
        """As this process has noted it last: Redis may forget."""
        self._known_trail = ""
        self._announced_at: float | None = None
        self._checked_at: float | None = None
        self._signs_from = 0
        """The first row of the next batch, until it is noted from where on rows are signed."""
        self._has_signed = False
        self.objection = ""

    def prepare(self) -> None:
        """Before rows are stored: whether a person has accepted that the row before them is not signed."""
        if self._has_signed and not self.objection:
            return
        keys = self._keys()
        if not keys:
            return
        ends = self._event_store.ends()
        noted = drop_untrusted_acceptance(self._audit_anchor.noted(ends.trail), ends.trail, keys)
        if noted.accepted is not None:
            self._event_store.accept_unsigned(noted.accepted.head.number)
        self._signs_from = ends.head.number + 1

    def note(self) -> None:
        """Note the head, unless the trail is not the one that was written."""
        asked = observe_trail(self._event_store, self._audit_anchor, self._location, self._keys())
        found = self._fill_in_known(asked)
        self._set_objection(find_objection(found), found.ends)
        if not self.objection:
            self._write_notes(found.ends, found.noted, is_known=bool(asked.noted.trail))
            self._note_signed(found)
        self._announce_head(found.ends)

    def _note_signed(self, found: AuditObservation) -> None:
        """For those who have no key, and must know that they cannot check the rows."""
        if self._signs_from and not self._has_signed and is_last_row_signed(found):
            self._audit_anchor.note_signed(found.ends.trail, self._signs_from)
            self._has_signed = True

    def check(self) -> None:
        """Note it now and then, for nothing may be stored for long. Others tell of a database or a Redis that
        is away."""
        now = self._clock.now()
        if self._checked_at is None or not 0 <= now - self._checked_at < CHECK_SECONDS:
            self._checked_at = now
            with suppress(HemoStatError):
                self.note()

    def _fill_in_known(self, found: AuditObservation) -> AuditObservation:
        """With what this process knows, where Redis has lost it."""
        noted = found.noted
        if noted.trail or not self._known_trail:
            return found
        same = self._known_trail == found.ends.trail
        known = self._known_notes if same and noted.head is None else noted
        noted = msgspec.structs.replace(known, trail=self._known_trail)
        return _check_head(self._event_store, msgspec.structs.replace(found, noted=noted))

    def _write_notes(self, ends: ChainEnds, noted: AnchorNotes, *, is_known: bool) -> None:
        if not is_known:
            self._audit_anchor.note_trail(self._location, ends.trail)
            if noted.signed:
                self._audit_anchor.note_signed(ends.trail, noted.signed)
        if noted.anchor is None:
            self._audit_anchor.note_anchor(ends.trail, ends.anchor)
        self._audit_anchor.note_head(ends.trail, ends.head)
        self._known_trail = ends.trail
        self._known_notes = msgspec.structs.replace(noted, head=ends.head, anchor=noted.anchor or ends.anchor)

    def _set_objection(self, objection: str, ends: ChainEnds) -> None:
        if objection and objection != self.objection:
            logger.error("audit.replaced trail=%s head=%s why=%s", ends.trail, ends.head, objection)
            self._announced_at = None
        elif self.objection and not objection:
            logger.info("audit.accepted trail=%s head=%s", ends.trail, ends.head)
        self.objection = objection

    def _announce_head(self, ends: ChainEnds) -> None:
        now = self._clock.now()
        if self._announced_at is not None and 0 <= now - self._announced_at < ANNOUNCE_SECONDS:
            return
        self._announced_at = now
        why = f" objection={self.objection!r}" if self.objection else ""
        self._announce(f"audit head store={self._location} trail={ends.trail} head={ends.head}{why}")
