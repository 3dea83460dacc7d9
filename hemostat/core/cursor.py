"""How far the engine's events have been acted on, so that a new monitor neither misses nor repeats one.

The engine stamps events before it orders them, so a time alone is no border: the events near it are named.
The cursor follows the engine's clock, backwards too.
"""

from typing import Final

import msgspec

from hemostat.core.model import EngineEvent

OVERLAP: Final = 1.0
"""Seconds before the last event that are asked for again."""


class Cursor(msgspec.Struct, frozen=True):
    """`until` is the time of the last event acted on, 0 before the first; `near` names those around it."""

    until: float = 0.0
    near: dict[str, float] = {}

    @property
    def since(self) -> float | None:
        """From when on events are to be asked for; None before the first."""
        return self.until - OVERLAP if self.until else None

    def knows(self, event: EngineEvent) -> bool:
        return _name(event) in self.near

    def past(self, event: EngineEvent) -> "Cursor":
        near = {name: time for name, time in self.near.items() if abs(event.time - time) <= OVERLAP}
        return Cursor(event.time, {**near, _name(event): event.time})


def _name(event: EngineEvent) -> str:
    return f"{event.time:.6f} {event.action} {event.container.id[:12]}"
