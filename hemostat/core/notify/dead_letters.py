"""Notifications about dead letters, the events that no role could handle.

A dead letter may have been the alert of a crash, so a notification is sent for the newest one. At most one is
sent in REPEAT_SECONDS, so that invalid data in a stream cannot flood the channels.
"""

from typing import Final

import msgspec

from hemostat.core.notify.notification import Notification, build_self_notification
from hemostat.core.redact import redact
from hemostat.core.settings.alert import Topic
from hemostat.core.text import escape_controls, truncate
from hemostat.core.units import show_duration

REPEAT_SECONDS: Final = 3600.0
RECENT_SECONDS: Final = 86400.0
"""Seconds for which a dead letter counts as a fault."""
MAX_ERROR_CHARACTERS: Final = 200
MAX_REDACTED_CHARACTERS: Final = 2000
"""Characters of an error in which secrets are searched. A shorter cut could leave half a secret."""
STREAM_LABEL: Final = "the dead-letter stream"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """The newest entry of the dead-letter stream. `stream` is the event type, `time` is epoch seconds."""

    id: str
    time: float
    stream: str
    error: str

    def is_recent(self, now: float) -> bool:
        return abs(now - self.time) < RECENT_SECONDS

    def describe(self, now: float) -> str:
        error = truncate(escape_controls(redact(self.error[:MAX_REDACTED_CHARACTERS])), MAX_ERROR_CHARACTERS)
        ago, stream = show_duration(max(0.0, now - self.time)), escape_controls(self.stream[:60])
        return f"the latest {ago} ago, of {stream}: {error}"


class LastNotified(msgspec.Struct, frozen=True):
    """The last dead letter that a notification was sent for, and when (epoch seconds)."""

    id: str = ""
    time: float = 0.0


def announce_newest(
    last_notified: LastNotified, newest: DeadLetter | None, count: int, now: float, *, host: str
) -> tuple[LastNotified, Notification | None]:
    """The new state, and a notification; None if no dead letter is new, or the last notification is too
    recent. `count` is the number of all dead letters."""
    if newest is None or newest.id == last_notified.id or not newest.is_recent(now):
        return last_notified, None
    if 0 <= now - last_notified.time < REPEAT_SECONDS:
        return last_notified, None
    text = f"{count} {'event' if count == 1 else 'events'} could not be handled, {newest.describe(now)}"
    cause = "the requested work was not done; hemostat doctor shows what to do"
    incident = f"buried:{newest.id}"
    notification = build_self_notification(
        Topic.GONE, STREAM_LABEL, text, now, host=host, cause=cause, incident=incident
    )
    return LastNotified(newest.id, now), notification
