"""Compares the audit trail of a store with the notes in Redis and in the system's log.

Each stored batch moves the noted head. Where the trail differs from the noted one, or a part of it is
missing, no notes are written: a warning is shown until a person accepts the trail as it is.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from hemostat.core.history.audit_chain import AnchorNotes, ChainEnds, ChainPosition, Keys
from hemostat.core.history.audit_verdict import (
    AuditObservation,
    drop_untrusted_acceptance,
    find_objection,
    is_last_row_signed,
)
from hemostat.errors import HemoStatError
from hemostat.ports import AuditAnchor, Clock, EventStore

ANNOUNCE_SECONDS: Final = 3600.0
"""Seconds between two lines in the system's log."""
CHECK_SECONDS: Final = 60.0
"""Seconds between two checks while nothing is stored."""

logger = logging.getLogger(__name__)


def observe_trail(
    records: EventStore, audit_anchor: AuditAnchor, location: str, keys: tuple[bytes, ...] = ()
) -> AuditObservation:
    """Return the trail and its notes. The order of the reads matters: roles that store rows or remove old
    rows meanwhile must not look like tampering."""
    ends = records.read_ends()
    notes = drop_untrusted_acceptance(audit_anchor.read_notes(ends.trail, location), ends.trail, keys)
    look = AuditObservation(
        ends=ends, noted=notes, has_head=False, last=records.read_row(ends.head.number), keys=keys
    )
    return _check_head(records, look)


def _check_head(records: EventStore, look: AuditObservation) -> AuditObservation:
    """Check whether the noted head is in the trail, or was removed with the rows that were too old."""
    head, last = look.noted.head, look.last
    is_last = head is not None and last is not None and head == ChainPosition(last.number, last.hash)
    has_head = is_last or (head is not None and records.has_position(head))
    return msgspec.structs.replace(look, has_head=has_head)


class AuditWatch:
    def __init__(
        self,
        records: EventStore,
        audit_anchor: AuditAnchor,
        clock: Clock,
        *,
        location: str,
        keys: Keys = tuple,
        announce: Callable[[str], object] = lambda _: None,
    ) -> None:
        """`location` is EventStore.place. `announce` writes a line where no user of this host can change
        it."""
        self._event_store = records
        self._audit_anchor = audit_anchor
        self._clock = clock
        self._location = location
        self._keys = keys
        self._announce = announce
        self._known_notes = AnchorNotes()
        """The notes that this process wrote last: Redis may lose them."""
        self._known_trail = ""
        self._announced_at: float | None = None
        self._checked_at: float | None = None
        self._signs_from = 0
        """The first row of the next batch, until the first signed row has been noted."""
        self._has_signed = False
        self.objection = ""

    def prepare(self) -> None:
        """Before rows are stored, pass on that a person has accepted an unsigned last row."""
        if self._has_signed and not self.objection:
            return
        keys = self._keys()
        if not keys:
            return
        ends = self._event_store.read_ends()
        notes = drop_untrusted_acceptance(self._audit_anchor.read_notes(ends.trail), ends.trail, keys)
        if notes.accepted is not None:
            self._event_store.accept_unsigned(notes.accepted.head.number)
        self._signs_from = ends.head.number + 1

    def note_head(self) -> None:
        """Note the head, unless the trail differs from the one that was written."""
        is_due = observe_trail(self._event_store, self._audit_anchor, self._location, self._keys())
        observation = self._fill_in_known(is_due)
        self._set_objection(find_objection(observation), observation.ends)
        if not self.objection:
            self._write_notes(observation.ends, observation.noted, is_known=bool(is_due.noted.trail))
            self._note_signed(observation)
        self._announce_head(observation.ends)

    def _note_signed(self, observation: AuditObservation) -> None:
        """Note the first signed row, for readers without a key: they must know that they cannot check the
        rows."""
        if self._signs_from and not self._has_signed and is_last_row_signed(observation):
            self._audit_anchor.note_signed(observation.ends.trail, self._signs_from)
            signed = self._known_notes.signed or self._signs_from
            self._known_notes = msgspec.structs.replace(self._known_notes, signed=signed)
            self._has_signed = True

    def note_head_if_due(self) -> None:
        """Note the head once in CHECK_SECONDS, because nothing may be stored for long. Errors are dropped:
        other checks report that the database or Redis is down."""
        now = self._clock.now()
        if self._checked_at is None or not 0 <= now - self._checked_at < CHECK_SECONDS:
            self._checked_at = now
            with suppress(HemoStatError):
                self.note_head()

    def _fill_in_known(self, observation: AuditObservation) -> AuditObservation:
        """Fill in what this process knows, where Redis has lost its notes."""
        notes = observation.noted
        if notes.trail or not self._known_trail:
            return observation
        is_same_trail = self._known_trail == observation.ends.trail
        known_notes = self._known_notes if is_same_trail and notes.head is None else notes
        notes = msgspec.structs.replace(known_notes, trail=self._known_trail)
        return _check_head(self._event_store, msgspec.structs.replace(observation, noted=notes))

    def _write_notes(self, ends: ChainEnds, notes: AnchorNotes, *, is_known: bool) -> None:
        if not is_known:
            self._audit_anchor.note_trail(self._location, ends.trail)
            if notes.signed:
                self._audit_anchor.note_signed(ends.trail, notes.signed)
        anchor = notes.anchor or ends.anchor
        if not is_known or notes.anchor is None:
            self._audit_anchor.note_anchor(ends.trail, anchor)
        self._audit_anchor.note_head(ends.trail, ends.head)
        self._known_trail = ends.trail
        self._known_notes = msgspec.structs.replace(notes, head=ends.head, anchor=anchor)

    def _set_objection(self, objection: str, ends: ChainEnds) -> None:
        if objection and objection != self.objection:
            logger.error("audit.replaced trail=%s head=%s reason=%s", ends.trail, ends.head, objection)
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
