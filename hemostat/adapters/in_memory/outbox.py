"""The Outbox port in memory, for tests and for a loop in one process. Safe to use from several threads."""

import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from hemostat.core.notify.excess import select_excess
from hemostat.core.notify.notification import LastNotification, Notification, merge

BOUND: Final = 10_000


class InMemoryOutbox:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[str, tuple[Notification, float]]] = defaultdict(dict)
        self._last_notifications: dict[tuple[str, str], LastNotification] = {}

    def put(self, channel: str, words: Sequence[tuple[Notification, float]]) -> int:
        with self._lock:
            waiting = self._waiting[channel]
            for word, due in words:
                earlier = waiting.get(word.incident)
                merged = merge(earlier and earlier[0], word)
                if earlier is None or merged != earlier[0]:
                    waiting[word.incident] = merged, due
            ordered = sorted(waiting.values(), key=lambda each: each[1])
            excess = select_excess([word for word, _ in ordered], BOUND)
            for word in excess:
                del waiting[word.incident]
            return len(excess)

    def take(
        self, channel: str, now: float, *, lease: float, count: int
    ) -> list[tuple[Notification, LastNotification | None]]:
        with self._lock:
            waiting = self._waiting[channel]
            ready = sorted((due, incident) for incident, (_, due) in waiting.items() if due <= now)[:count]
            words = [waiting[incident][0] for _, incident in ready]
            waiting |= {word.incident: (word, now + lease) for word in words}
            return [(word, self._last_notifications.get((channel, word.incident))) for word in words]

    def put_off(self, channel: str, words: Sequence[Notification], until: float) -> None:
        with self._lock:
            waiting = self._waiting[channel]
            waiting |= {word.incident: (word, until) for word in words if self._is_current(channel, word)}

    def settle(self, channel: str, words: Sequence[Notification], *, told: bool) -> None:
        with self._lock:
            for word in words:
                if self._is_current(channel, word):
                    del self._waiting[channel][word.incident]
                if told:
                    self._last_notifications[channel, word.incident] = LastNotification(word.topic, word.time)

    def waiting(self, channel: str) -> int:
        with self._lock:
            return len(self._waiting[channel])

    def _is_current(self, channel: str, word: Notification) -> bool:
        waiting = self._waiting[channel].get(word.incident)
        return waiting is not None and waiting[0] == word
