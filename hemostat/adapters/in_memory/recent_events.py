"""The RecentEvents port in memory. Safe to use from several threads."""

import threading
from collections.abc import Sequence

from hemostat.events import Event


class InMemoryRecentEvents:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.events: dict[str, Event] = {}

    def append(self, events: Sequence[Event]) -> list[Event]:
        with self._lock:
            fresh = {event.id: event for event in reversed(events) if event.id not in self.events}
            self.events |= fresh
            return list(reversed(fresh.values()))
