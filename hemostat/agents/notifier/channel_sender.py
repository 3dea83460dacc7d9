"""Sends notifications to a channel, in a thread of its own, so that no channel waits for another.

A notification leaves the outbox after it was sent, so that a crash in between sends it twice rather than
never. After a transient failure of the service the whole channel waits, longer each time. The notifications
that failed are sent last, since the service may fail at those alone. A refused message waits for a corrected
configuration, and is finally dropped with an error in the log. Notifications about HemoStat itself are held
in memory, not in Redis, which may be what has failed.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from hemostat.core.backoff import compute_backoff
from hemostat.core.metrics.definitions import NOTIFICATIONS, Count, DeliveryResult, ignore_count
from hemostat.core.notify import message, routing
from hemostat.core.notify.notification import Notification, should_notify
from hemostat.core.notify.routing import SentMessage
from hemostat.core.settings.alert import AlertSettings, Channel
from hemostat.errors import AdapterError, NotifyError
from hemostat.ports import Clock, Interrupted, Notifier, Outbox

POLL_SECONDS: Final = 0.5
"""Seconds between two checks for notifications that are due."""
MAX_NOTIFICATIONS_TAKEN: Final = 500
LEASE_SECONDS: Final = 30.0
"""Seconds for which a taken notification belongs to one sender."""
RATION_RETRY_SECONDS: Final = 5.0
"""Seconds for which a notification waits when its project has had its share of the messages."""
SHARED_SECONDS: Final = 3600.0
FIRST_RETRY_SECONDS: Final = 1.0
MAX_BACKOFF_SECONDS: Final = 300.0
MAX_RETRY_SECONDS: Final = 3600.0
"""Maximum seconds to wait that a service may ask for."""
REFUSED_RETRY_SECONDS: Final = 1800.0
"""Seconds for which a refused message waits."""
GIVE_UP_SECONDS: Final = 2 * 86400.0
"""Seconds after which a refused message is dropped."""
MAX_REMEMBERED: Final = 1000
"""Notifications that were sent while the outbox could not be reached to settle them."""

logger = logging.getLogger(__name__)


class ChannelSender:
    def __init__(
        self,
        name: str,
        channel: Channel,
        notifier: Notifier,
        outbox: Outbox,
        clock: Clock,
        alerting: AlertSettings,
        *,
        chance: Callable[[], float],
        of_day: Callable[[float], float],
        count: Count = ignore_count,
    ) -> None:
        """`chance` draws a number from 0 to 1. `of_day` returns the seconds since midnight of a time."""
        self.name = name
        self.trouble = ""
        """Why this channel cannot deliver; empty while it can."""
        self._channel = channel
        self._notifier = notifier
        self._outbox = outbox
        self._clock = clock
        self._alerting = alerting
        self._chance = chance
        self._of_day = of_day
        self._count = count
        for outcome in DeliveryResult:
            self._count_result(outcome, 0)
        self._own_notifications: deque[Notification] = deque(maxlen=MAX_REMEMBERED)
        self._sent: deque[SentMessage] = deque(maxlen=alerting.per_minute)
        self._projects: dict[str, float] = {}
        """Projects of the notifications to this channel, and the time of the latest (epoch seconds)."""
        self._failed_at: set[str] = set()
        """Incidents whose messages the service failed at: the messages may be the cause."""
        self._unsettled: dict[str, Notification] = {}
        self._waits_until = 0.0
        self._failure_count = 0

    def queue_own(self, notification: Notification) -> None:
        """Queue a notification about HemoStat itself, whatever the state of the outbox."""
        if routing.is_incident_selected(self._channel, notification) and routing.is_topic_selected(
            self._channel, notification.topic
        ):
            self._own_notifications.append(notification)

    def run(self) -> None:
        """Send notifications until the process is told to stop."""
        try:
            while True:
                self._try_turn()
                self._clock.sleep(POLL_SECONDS)
        except Interrupted:
            return

    def _try_turn(self) -> None:
        """Take a turn, and log any error: an error that ends the thread would end the channel."""
        try:
            self.send_due()
        except Exception:
            logger.exception("channel_sender.failed channel=%s", self.name)

    def send_due(self) -> None:
        """Send what is due now, within the rate limit and as far as the service accepts it."""
        now = self._clock.now()
        if 0 < self._waits_until - now < MAX_RETRY_SECONDS + POLL_SECONDS:
            return
        try:
            while self._own_notifications:
                self._send_own(self._own_notifications[0])
            self._deliver(
                [notification for notification in self._take_due(now) if self._is_writable(notification)], now
            )
        except NotifyError:
            pass
        except AdapterError as error:
            logger.debug("outbox.failed channel=%s error=%s", self.name, error)

    def _take_due(self, now: float) -> list[Notification]:
        """Return the notifications to send. Stale ones are settled, others wait for the end of quiet
        hours."""
        times = [each.time for each in self._sent]
        free, _ = routing.allot_messages(times, 1, self._alerting.per_minute, now)
        if not free:
            return []
        ready, stale = [], []
        for notification, last_sent in self._outbox.take(
            self.name, now, lease=LEASE_SECONDS, count=MAX_NOTIFICATIONS_TAKEN
        ):
            if self._unsettled.get(notification.incident) == notification:
                self._settle_sent([notification])
            elif not (
                should_notify(notification, last_sent)
                and routing.is_topic_selected(self._channel, notification.topic)
            ):
                stale.append(notification)
            elif wait := routing.compute_quiet_seconds(self._alerting, notification, self._of_day(now)):
                self._outbox.postpone(self.name, [notification], now + wait)
            else:
                ready.append(notification)
        if stale:
            self._outbox.settle(self.name, stale, is_sent=False)
        return ready

    def _is_shared(self, notifications: Sequence[Notification], now: float) -> bool:
        """Return whether this channel received notifications of several projects within the hour."""
        projects = self._projects | dict.fromkeys(
            (notification.project for notification in notifications), now
        )
        self._projects = {name: time for name, time in projects.items() if 0 <= now - time < SHARED_SECONDS}
        return len(self._projects) > 1

    def _is_writable(self, notification: Notification) -> bool:
        """Return whether a message can be built. A notification that raises is dropped: it must not block all
        others."""
        try:
            message.single(notification, self._alerting.templates, brief=self._channel.brief)
        except Exception:
            logger.exception("notification.dropped channel=%s incident=%s", self.name, notification.incident)
            self._outbox.settle(self.name, [notification], is_sent=False)
            self._count_result(DeliveryResult.DROPPED)
            return False
        return True

    def _deliver(self, notifications: Sequence[Notification], now: float) -> None:
        packed, postponed = routing.pack_messages(
            notifications,
            self._sent,
            self._alerting.per_minute,
            now,
            shared=self._is_shared(notifications, now),
            last=self._failed_at,
        )
        if postponed:
            self._outbox.postpone(self.name, postponed, now + RATION_RETRY_SECONDS)
        parcels = [(parcel, self._write_message(parcel)) for parcel in packed]
        for number, (parcel, rendered) in enumerate(parcels):
            if not 0 <= self._clock.now() - now < LEASE_SECONDS / 2:
                return self._outbox.postpone(self.name, _flatten(parcels[number:]), now)
            try:
                self._send(rendered, len(parcel), routing.find_common_project(parcel))
            except NotifyError as error:
                if error.transient:
                    self._note_refused(parcel)
                    return self._outbox.postpone(self.name, _flatten(parcels[number:]), self._waits_until)
                self._handle_refusal(parcel, error)
            else:
                self._failed_at -= {notification.incident for notification in parcel}
                self._settle_sent(parcel)
        return None

    def _write_message(self, notifications: Sequence[Notification]) -> message.Message:
        templates, brief = self._alerting.templates, self._channel.brief
        if len(notifications) == 1:
            return message.single(notifications[0], templates, brief=brief)
        return message.build_digest(notifications, templates, brief=brief)

    def _send_own(self, notification: Notification) -> None:
        """Send a notification about HemoStat itself. After a failure it is put into the outbox as a separate
        notification, if Redis can hold it."""
        try:
            self._send(self._write_message([notification]), 1, None)
        except NotifyError as error:
            copy = msgspec.structs.replace(
                notification, incident=f"{notification.incident}:{notification.time}"
            )
            due = self._waits_until if error.transient else self._clock.now() + REFUSED_RETRY_SECONDS
            self._outbox.put(self.name, [(copy, due)])
            self._own_notifications.popleft()
            if error.transient:
                self._note_refused([copy])
                raise
        else:
            self._own_notifications.popleft()

    def _send(self, written: message.Message, count: int, project: str | None) -> None:
        """Send a message. Raises NotifyError, after it has set how long the channel waits."""
        try:
            self._notifier.send(written)
        except NotifyError as error:
            self._note_failure(error)
            raise
        except Exception as error:  # noqa: BLE001 - no error of a service's library may end the thread
            self._note_failure(refusal := NotifyError(f"the channel failed ({type(error).__name__})"))
            raise refusal from None
        self._sent.append(SentMessage(self._clock.now(), project))
        self._failure_count, self.trouble = 0, ""
        self._count_result(DeliveryResult.DELIVERED)
        logger.info("notification.sent channel=%s topic=%s incidents=%d", self.name, written.topic, count)

    def _note_failure(self, error: NotifyError) -> None:
        self._failure_count += 1
        self._count_result(DeliveryResult.FAILED)
        wait = compute_backoff(self._failure_count, FIRST_RETRY_SECONDS, MAX_BACKOFF_SECONDS) * (
            0.5 + self._chance() / 2
        )
        if error.transient or self._own_notifications:
            self._waits_until = self._clock.now() + min(MAX_RETRY_SECONDS, max(wait, error.wait or 0.0))
        trouble = f"channel {self.name}: {error.message}"
        if trouble != self.trouble:
            logger.warning("notification.failed channel=%s error=%s", self.name, error)
        self.trouble = trouble

    def _note_refused(self, notifications: Sequence[Notification]) -> None:
        if len(self._failed_at) > MAX_REMEMBERED:
            self._failed_at.clear()
        self._failed_at.update(notification.incident for notification in notifications)

    def _handle_refusal(self, parcel: Sequence[Notification], error: NotifyError) -> None:
        now = self._clock.now()
        old = [notification for notification in parcel if now - notification.time > GIVE_UP_SECONDS]
        for notification in old:
            logger.error(
                "notification.abandoned channel=%s incident=%s error=%s",
                self.name,
                notification.incident,
                error,
            )
        if old:
            self._outbox.settle(self.name, old, is_sent=False)
            self._count_result(DeliveryResult.DROPPED, len(old))
        self._outbox.postpone(
            self.name,
            [notification for notification in parcel if notification not in old],
            now + REFUSED_RETRY_SECONDS,
        )

    def _count_result(self, outcome: DeliveryResult, by: int = 1) -> None:
        self._count(NOTIFICATIONS, self.name, outcome, by=by)

    def _settle_sent(self, notifications: Sequence[Notification]) -> None:
        """Remember the notifications as sent, then settle them: if Redis cannot be reached now, they are
        taken again but not sent again."""
        self._unsettled |= {notification.incident: notification for notification in notifications}
        self._outbox.settle(self.name, notifications, is_sent=True)
        for notification in notifications:
            self._unsettled.pop(notification.incident, None)
        while len(self._unsettled) > MAX_REMEMBERED:
            self._unsettled.pop(next(iter(self._unsettled)))


def _flatten(parcels: Sequence[tuple[list[Notification], message.Message]]) -> list[Notification]:
    return [notification for notifications, _ in parcels for notification in notifications]
