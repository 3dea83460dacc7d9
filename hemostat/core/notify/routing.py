"""Which channel receives a notification, when the notification is due, and which messages may be sent now.

Every channel has its own selection and its own rate limit. Notifications that need people are due at once,
those that may soon be over after a grace period. In quiet hours only critical notifications that need people
are sent.
"""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from hemostat.core.labels.project import limit_per_project, take_turns
from hemostat.core.notify.notification import Notification
from hemostat.core.settings.alert import AlertSettings, Channel, Exclusion, Topic
from hemostat.events import Severity

MINUTE_SECONDS: Final = 60.0
DAY_SECONDS: Final = 86400.0


def is_incident_selected(channel: Channel, notification: Notification) -> bool:
    """Whether the channel is configured for such incidents. Topics are not considered: the end of an incident
    cancels a waiting notification even for channels that do not select that topic. Notifications about
    HemoStat itself have no kind or project."""
    return (
        (channel.severity is not Severity.CRITICAL or notification.severity is Severity.CRITICAL)
        and _matches_any(channel.hosts, notification.host)
        and (
            not notification.kind
            or (
                (not channel.kinds or notification.kind in channel.kinds)
                and _matches_any(channel.projects, notification.project)
                and _matches_any(channel.containers, notification.container)
            )
        )
        and not _is_excluded(channel.exclusion, notification)
    )


def is_topic_selected(channel: Channel, topic: Topic) -> bool:
    return (not channel.topics or topic in channel.topics) and topic not in channel.exclusion.topics


def _is_excluded(exclusion: Exclusion, notification: Notification) -> bool:
    if _is_listed(exclusion.hosts, notification.host):
        return True
    return bool(notification.kind) and (
        notification.kind in exclusion.kinds
        or _is_listed(exclusion.projects, notification.project)
        or _is_listed(exclusion.containers, notification.container)
    )


def compute_due_time(alerting: AlertSettings, notification: Notification) -> float:
    """When the notification may be sent, apart from quiet hours (epoch seconds)."""
    return notification.time + alerting.grace if notification.topic is Topic.OPENED else notification.time


def compute_quiet_seconds(alerting: AlertSettings, notification: Notification, of_day: float) -> float:
    """Seconds that the notification waits for the end of quiet hours. `of_day` is seconds since midnight."""
    if not alerting.quiet or (
        alerting.quiet_critical and notification.needs_people and notification.severity is Severity.CRITICAL
    ):
        return 0.0
    begin, end = (_parse_time_of_day(time) for time in alerting.quiet.split("-"))
    inside = (of_day - begin) % DAY_SECONDS < (end - begin) % DAY_SECONDS
    return (end - of_day) % DAY_SECONDS if inside else 0.0


def allot_messages(
    sent_times: Sequence[float], waiting_count: int, per_minute: int, now: float
) -> tuple[int, bool]:
    """How many of the waiting messages go out singly, and whether the others go out as one. `sent_times`:
    times of messages."""
    free = per_minute - sum(0 <= now - time < MINUTE_SECONDS for time in sent_times)
    if waiting_count <= max(0, free):
        return waiting_count, False
    return max(0, free - 1), free > 0


class SentMessage(NamedTuple):
    """When a message was sent (epoch seconds), and its project; None for several projects."""

    time: float
    project: str | None


def find_common_project(notifications: Sequence[Notification]) -> str | None:
    """The project of all these notifications; None if there are several."""
    projects = {notification.project for notification in notifications}
    return projects.pop() if len(projects) == 1 else None


def pack_messages(
    notifications: Sequence[Notification],
    sent_messages: Sequence[SentMessage],
    per_minute: int,
    now: float,
    *,
    shared: bool = False,
    last: Collection[str] = (),
) -> tuple[list[list[Notification]], list[Notification]]:
    """The messages that may be sent now, of one or several notifications, and the notifications that must
    wait. Those that need people come first, projects take turns, and incidents in `last` come last. `shared`:
    the channel serves several projects, and one project gets at most half of the messages of a minute."""
    notifications = sorted(
        notifications, key=lambda notification: (*_rank(notification, last), notification.time)
    )
    packed: list[list[Notification]] = []
    postponed: list[Notification] = []
    for project in (
        dict.fromkeys(notification.project for notification in notifications) if shared else [None]
    ):
        own = [notification for notification in notifications if project in {None, notification.project}]
        times = [each.time for each in sent_messages if project in {None, each.project}]
        single_count, together = allot_messages(
            times, len(own), limit_per_project(per_minute) if shared else per_minute, now
        )
        packed += [[notification] for notification in own[:single_count]] + (
            [own[single_count:]] if together else []
        )
        postponed += [] if together else own[single_count:]
    packed.sort(key=lambda parcel: (*_rank(parcel[0], last), parcel[0].time))
    turns = take_turns(packed, lambda parcel: (_rank(parcel[0], last), find_common_project(parcel)))
    turns.sort(key=lambda parcel: _rank(parcel[0], last))
    return _limit_rate(turns, [each.time for each in sent_messages], per_minute, now, postponed)


def _rank(notification: Notification, last: Collection[str]) -> tuple[bool, bool]:
    return notification.incident in last, not notification.needs_people


def _limit_rate(
    packed: list[list[Notification]],
    times: Sequence[float],
    per_minute: int,
    now: float,
    postponed: list[Notification],
) -> tuple[list[list[Notification]], list[Notification]]:
    """Messages beyond the limit of a minute are sent as one, or wait."""
    single_count, together = allot_messages(times, len(packed), per_minute, now)
    remainder = [notification for parcel in packed[single_count:] for notification in parcel]
    return packed[:single_count] + ([remainder] if together else []), postponed + (
        [] if together else remainder
    )


def _matches_any(patterns: Sequence[str], name: str) -> bool:
    return not patterns or _is_listed(patterns, name)


def _is_listed(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _parse_time_of_day(time: str) -> float:
    hours, minutes = time.split(":")
    return int(hours) * 3600.0 + int(minutes) * 60.0
