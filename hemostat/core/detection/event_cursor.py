"""How far the engine's events have been acted on, so that a new monitor neither misses nor repeats one.

The engine stamps events before it orders them, so a time alone is no border: the events near it are named.
The cursor follows the engine's clock, backwards too.
"""

from typing import Final

import msgspec

from hemostat.core.model import EngineEvent

OVERLAP_SECONDS: Final = 1.0
"""Seconds before the last event that are asked for again."""


class Cursor(msgspec.Struct, frozen=True):
    """`until` is the time up to which all events were acted on, 0 before the first; `near` names those that
    were acted on around it, and after it."""

    until: float = 0.0
    near: dict[str, float] = {}

    @property
    def since(self) -> float | None:
        """From when on events are to be asked for; None before the first."""
        return self.until - OVERLAP_SECONDS if self.until else None

    def knows(self, event: EngineEvent) -> bool:
        return _make_event_key(event) in self.near

    def past(self, event: EngineEvent, first: float | None = None, last: float | None = None) -> "Cursor":
        """`first` is the time of the first event that waits, `last` of the last that has come in; events may
        be handled in another order. Without them this one is the last."""
        until = event.time if first is None else first
        horizon = until if last is None else last
        near = {**self.near, _make_event_key(event): event.time}
        kept = {
            name: time
            for name, time in near.items()
            if until - OVERLAP_SECONDS <= time <= horizon + OVERLAP_SECONDS
        }
        return Cursor(until, kept)


def _make_event_key(event: EngineEvent) -> str:
    return f"{event.time:.6f} {event.action} {event.container.id[:12]}"
