"""The alert role: stores every event, and puts its notification into the outbox of each channel that it
concerns.

Notifications are put into the outbox before the event is stored. After a crash between the two they are put
there again, which does no harm: an incident has one waiting notification, and a channel does not send again
what it has sent.
"""

import logging
from collections.abc import Mapping, Sequence

from hemostat.core.history.incident_log import find_subject
from hemostat.core.history.sentences import format_event_line
from hemostat.core.metrics.definitions import NOTIFICATIONS, Count, DeliveryResult, ignore_count
from hemostat.core.notify.notification import build_notification
from hemostat.core.notify.routing import compute_due_time, is_incident_selected
from hemostat.core.settings.alert import AlertSettings, Channel
from hemostat.events import Event
from hemostat.ports import Outbox, RecentEvents

logger = logging.getLogger(__name__)


class Enqueuer:
    def __init__(
        self,
        store: RecentEvents,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        alerting: AlertSettings,
        *,
        count: Count = ignore_count,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._channels = channels
        self._alerting = alerting
        self._count = count

    def store_events(self, events: Sequence[Event]) -> None:
        """Store the events, before they are acknowledged."""
        self._enqueue(events)
        for event in self._store.append(events):
            subject = find_subject(event)
            name = subject[0].name if subject else event.host
            notification = format_event_line(event)
            logger.info(
                "event.received type=%s container=%s incident=%s text=%s",
                event.type,
                name,
                event.incident,
                notification,
            )

    def _enqueue(self, events: Sequence[Event]) -> None:
        if not self._channels:
            return
        notifications = [
            notification for event in events if (notification := build_notification(event)) is not None
        ]
        for name, channel in self._channels.items():
            due_at = [
                (notification, compute_due_time(self._alerting, notification))
                for notification in notifications
                if is_incident_selected(channel, notification)
            ]
            dropped = self._outbox.put(name, due_at) if due_at else 0
            if dropped:
                logger.error("notification.dropped channel=%s count=%d reason=queue is full", name, dropped)
                self._count(NOTIFICATIONS, name, DeliveryResult.DROPPED, by=dropped)
