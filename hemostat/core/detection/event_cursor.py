"""Records how far the engine's events were received or processed, so that a new connection or a new monitor
neither misses nor repeats an event.

The engine stamps events before it orders them, so a time alone is no exact boundary. The events near that
time are recorded by name. The cursor follows the engine's clock, also when the clock goes back.
"""

from typing import Final

import msgspec

from hemostat.core.model import EngineEvent

OVERLAP_SECONDS: Final = 1.0
"""Seconds before the last event that are requested again."""


class Cursor(msgspec.Struct, frozen=True):
    """`until` is the time up to which all events were processed, 0 before the first. `near` holds the events
    that were processed around and after that time."""

    until: float = 0.0
    near: dict[str, float] = {}

    @property
    def since(self) -> float | None:
        """Time from which to request events; None before the first event."""
        return self.until - OVERLAP_SECONDS if self.until else None

    def has_handled(self, event: EngineEvent) -> bool:
        return _make_event_key(event) in self.near

    def advance(self, event: EngineEvent, first: float | None = None, last: float | None = None) -> "Cursor":
        """Return the cursor after `event`. `first` is the time of the first event that waits, `last` the time
        of the last event received, because events may be handled out of order. Without them, `event` is the
        last one."""
        until = event.time if first is None else first
        begin, end = until - OVERLAP_SECONDS, (until if last is None else last) + OVERLAP_SECONDS
        near = {name: time for name, time in self.near.items() if begin <= time <= end}
        if begin <= event.time <= end:
            near[_make_event_key(event)] = event.time
        return Cursor(until, near)


def _make_event_key(event: EngineEvent) -> str:
    return f"{event.time:.6f} {event.action} {event.container.id[:12]}"
