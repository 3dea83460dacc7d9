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

    def noted(self, trail: str, place: str = "") -> AnchorNotes:
        return msgspec.structs.replace(
            self._notes.get(trail, AnchorNotes()), trail=self._trails.get(place, "") if place else ""
        )

    def note_trail(self, place: str, trail: str) -> None:
        self._trails.setdefault(place, trail)

    def note_signed(self, trail: str, number: int) -> None:
        self._set(trail, signed=self.noted(trail).signed or number)

    def accept(self, place: str, ends: ChainEnds, accepted: AcceptedFindings, *, signed: int) -> None:
        self._trails[place] = ends.trail
        self._set(ends.trail, head=ends.head, anchor=ends.anchor, accepted=accepted, signed=signed)

    def forget(self, trail: str) -> None:
        """Remove the notes, like a Redis that loses a key."""
        self._notes.pop(trail, None)

    def _note(self, trail: str, which: str, end: ChainPosition) -> None:
        known = getattr(self.noted(trail), which)
        if known is None or known.number < end.number:
            self._set(trail, **{which: end})

    def _set(self, trail: str, **changes: object) -> None:
        self._notes[trail] = msgspec.structs.replace(self.noted(trail), **changes)
