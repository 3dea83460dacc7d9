"""The Outbox port in memory, for tests and for a loop in one process. Safe to use from several threads."""

import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from hemostat.core.notify.excess import select_excess
from hemostat.core.notify.notification import LastNotification, Notification, merge

MAX_WAITING: Final = 10_000


class InMemoryOutbox:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[str, tuple[Notification, float]]] = defaultdict(dict)
        self._last_notifications: dict[tuple[str, str], LastNotification] = {}

    def put(self, channel: str, notifications: Sequence[tuple[Notification, float]]) -> int:
        with self._lock:
            waiting_items = self._waiting[channel]
            for notification, due in notifications:
                earlier = waiting_items.get(notification.incident)
                merged = merge(earlier and earlier[0], notification)
                if earlier is None or merged != earlier[0]:
                    waiting_items[notification.incident] = merged, due
            ordered = sorted(waiting_items.values(), key=lambda each: each[1])
            excess = select_excess([notification for notification, _ in ordered], MAX_WAITING)
            for notification in excess:
                del waiting_items[notification.incident]
            return len(excess)

    def take(
        self, channel: str, now: float, *, lease: float, count: int
    ) -> list[tuple[Notification, LastNotification | None]]:
        with self._lock:
            waiting_items = self._waiting[channel]
            ready = sorted((due, incident) for incident, (_, due) in waiting_items.items() if due <= now)[
                :count
            ]
            notifications = [waiting_items[incident][0] for _, incident in ready]
            waiting_items |= {
                notification.incident: (notification, now + lease) for notification in notifications
            }
            return [
                (notification, self._last_notifications.get((channel, notification.incident)))
                for notification in notifications
            ]

    def postpone(self, channel: str, notifications: Sequence[Notification], until: float) -> None:
        with self._lock:
            waiting_items = self._waiting[channel]
            waiting_items |= {
                notification.incident: (notification, until)
                for notification in notifications
                if self._is_current(channel, notification)
            }

    def settle(self, channel: str, notifications: Sequence[Notification], *, is_sent: bool) -> None:
        with self._lock:
            for notification in notifications:
                if self._is_current(channel, notification):
                    del self._waiting[channel][notification.incident]
                if is_sent:
                    self._last_notifications[channel, notification.incident] = LastNotification(
                        notification.topic, notification.time
                    )

    def count_waiting(self, channel: str) -> int:
        with self._lock:
            return len(self._waiting[channel])

    def _is_current(self, channel: str, notification: Notification) -> bool:
        waiting_item = self._waiting[channel].get(notification.incident)
        return waiting_item is not None and waiting_item[0] == notification
