"""Orders of this dashboard that the responder has not answered yet. Pure."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from hemostat.core.history.identity import identify_event
from hemostat.core.history.sentences import format_event_line
from hemostat.events import Event, Outcome, RemediationComplete
from hemostat.tui.actions.build import OrderResult

LATE_SECONDS: Final = 30.0
"""Seconds without an answer after which that is reported."""
MAX_PENDING: Final = 1000
"""Orders that are tracked."""

UNFINISHED_OUTCOMES: Final = frozenset({Outcome.WAITING, Outcome.AWAITING_APPROVAL})
Tone = Literal["information", "warning", "error"]


class _Open(msgspec.Struct):
    about: str
    since: float
    heard: bool = False


class PendingOrders:
    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._reported: set[str] = set()

    def expect(self, result: OrderResult, now: float) -> None:
        if result.incident:
            self._open[result.incident] = _Open(result.about, now)
            if len(self._open) > MAX_PENDING:
                del self._open[next(iter(self._open))]

    def take_messages(self, log: Sequence[Event], now: float) -> list[tuple[str, Tone]]:
        """New messages and their tones."""
        if not self._open:
            self._reported.clear()
            return []
        messages: list[tuple[str, Tone]] = []
        for event in log:
            incident = event.incident or ""
            if incident not in self._open or (key := identify_event(event)) in self._reported:
                continue
            if isinstance(event.data, RemediationComplete):
                messages.append(
                    (
                        f"{self._open[incident].about}: {format_event_line(event)}",
                        _choose_tone(event.data.outcome),
                    )
                )
                self._reported.add(key)
                self._open[incident].heard = True
                if event.data.outcome not in UNFINISHED_OUTCOMES:
                    del self._open[incident]
        for each in self._open.values():
            if not each.heard and now - each.since >= LATE_SECONDS:
                each.heard = True
                messages.append((f"{each.about}: no answer from the responder yet", "warning"))
        return messages


def _choose_tone(outcome: Outcome) -> Tone:
    if outcome is Outcome.HEALED:
        return "information"
    return "warning" if outcome in UNFINISHED_OUTCOMES else "error"
