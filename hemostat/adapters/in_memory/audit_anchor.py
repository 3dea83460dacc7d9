"""The Notary port in memory, for tests."""

import msgspec

from hemostat.core.history.audit_chain import Accepted, End, Ends, Noted


class MemoryNotary:
    def __init__(self) -> None:
        self._noted: dict[str, Noted] = {}
        self._trails: dict[str, str] = {}

    def note_head(self, trail: str, end: End) -> None:
        self._note(trail, "head", end)

    def note_anchor(self, trail: str, end: End) -> None:
        self._note(trail, "anchor", end)

    def noted(self, trail: str, place: str = "") -> Noted:
        return msgspec.structs.replace(
            self._noted.get(trail, Noted()), trail=self._trails.get(place, "") if place else ""
        )

    def note_trail(self, place: str, trail: str) -> None:
        self._trails.setdefault(place, trail)

    def note_signed(self, trail: str, number: int) -> None:
        self._set(trail, signed=self.noted(trail).signed or number)

    def accept(self, place: str, ends: Ends, accepted: Accepted, *, signed: int) -> None:
        self._trails[place] = ends.trail
        self._set(ends.trail, head=ends.head, anchor=ends.anchor, accepted=accepted, signed=signed)

    def forget(self, trail: str) -> None:
        """As Redis does that loses a key."""
        self._noted.pop(trail, None)

    def _note(self, trail: str, which: str, end: End) -> None:
        known = getattr(self.noted(trail), which)
        if known is None or known.number < end.number:
            self._set(trail, **{which: end})

    def _set(self, trail: str, **changes: object) -> None:
        self._noted[trail] = msgspec.structs.replace(self.noted(trail), **changes)
