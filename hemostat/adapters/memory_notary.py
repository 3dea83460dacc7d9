"""The Notary port in memory, for tests."""

from hemostat.core.audit import End, Noted


class MemoryNotary:
    def __init__(self) -> None:
        self._ends: dict[tuple[str, str], End] = {}

    def note_head(self, trail: str, end: End) -> None:
        self._note(trail, "head", end)

    def note_anchor(self, trail: str, end: End) -> None:
        self._note(trail, "anchor", end)

    def noted(self, trail: str) -> Noted:
        return Noted(anchor=self._ends.get((trail, "anchor")), head=self._ends.get((trail, "head")))

    def _note(self, trail: str, which: str, end: End) -> None:
        known = self._ends.get((trail, which))
        if known is None or known.number < end.number:
            self._ends[trail, which] = end
