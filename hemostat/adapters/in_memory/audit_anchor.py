"""The AuditAnchor port in memory, for tests."""

import msgspec

from hemostat.core.history.audit_chain import AcceptedFindings, AnchorNotes, ChainEnds, ChainPosition


class InMemoryAuditAnchor:
    def __init__(self) -> None:
        self._notes: dict[str, AnchorNotes] = {}
        self._trails: dict[str, str] = {}

    def note_head(self, trail: str, end: ChainPosition) -> None:
        self._note(trail, "head", end)

    def note_anchor(self, trail: str, end: ChainPosition) -> None:
        self._note(trail, "anchor", end)

    def read_notes(self, trail: str, location: str = "") -> AnchorNotes:
        return msgspec.structs.replace(
            self._notes.get(trail, AnchorNotes()), trail=self._trails.get(location, "") if location else ""
        )

    def note_trail(self, location: str, trail: str) -> None:
        self._trails.setdefault(location, trail)

    def note_signed(self, trail: str, number: int) -> None:
        self._set(trail, signed=self.read_notes(trail).signed or number)

    def accept_trail(
        self, location: str, ends: ChainEnds, accepted: AcceptedFindings, *, signed: int
    ) -> None:
        self._trails[location] = ends.trail
        self._set(ends.trail, head=ends.head, anchor=ends.anchor, accepted=accepted, signed=signed)

    def forget(self, trail: str) -> None:
        """Remove the notes, like a Redis that loses a key."""
        self._notes.pop(trail, None)

    def _note(self, trail: str, field: str, end: ChainPosition) -> None:
        previous = getattr(self.read_notes(trail), field)
        if previous is None or previous.number < end.number:
            self._set(trail, **{field: end})

    def _set(self, trail: str, **changes: object) -> None:
        self._notes[trail] = msgspec.structs.replace(self.read_notes(trail), **changes)
