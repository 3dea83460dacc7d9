"""Events that no role could handle: when people are told of them.

An event is buried where nothing can be made of it. It may have been the alert of a crash, so people are told:
of the newest one, at most once in REPEAT_SECONDS, for whoever writes nonsense to a stream must not fill their
channels.
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
"""For which a dead letter is a fault."""
MAX_ERROR_CHARACTERS: Final = 200
MAX_REDACTED_CHARACTERS: Final = 2000
"""Of an error, that are looked at for secrets: a cut before that would leave half of one."""
STREAM_LABEL: Final = "the dead-letter stream"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """The newest entry of the dead-letter stream. `stream` is the event type, `time` epoch seconds."""

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
    """Which dead letter people were told of last, and when (epoch seconds)."""

    id: str = ""
    time: float = 0.0


def announce_newest(
    told: LastNotified, newest: DeadLetter | None, count: int, now: float, *, host: str
) -> tuple[LastNotified, Notification | None]:
    """`count`: of all dead letters. The news is None where there is nothing new, or not time for it yet."""
    if newest is None or newest.id == told.id or not newest.is_recent(now):
        return told, None
    if 0 <= now - told.time < REPEAT_SECONDS:
        return told, None
    what = f"{count} {'event' if count == 1 else 'events'} could not be handled, {newest.describe(now)}"
    cause = "what such an event asked for has not been done; hemostat doctor says what to do"
    incident = f"buried:{newest.id}"
    news = build_self_notification(
        Topic.GONE, STREAM_LABEL, what, now, host=host, cause=cause, incident=incident
    )
    return LastNotified(newest.id, now), news
