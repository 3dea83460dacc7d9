"""The RecentEvents port in memory. Safe to use from several threads."""

import threading
from collections.abc import Sequence

from hemostat.core.history.identity import select_new
from hemostat.events import Event


class InMemoryRecentEvents:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.events: dict[str, Event] = {}

    def append(self, events: Sequence[Event]) -> list[Event]:
        with self._lock:
            fresh = select_new(self.events, events)
            self.events |= fresh
            return list(fresh.values())
