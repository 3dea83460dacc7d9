"""Which channel a notification concerns, when it is due, and which messages may be sent now.

Every channel has its own selection and its own ration. What needs people is told at once, what may be over
in a moment after a grace, and in quiet hours only what is critical and needs people.
"""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from hemostat.core.labels.project import limit_per_project, take_turns
from hemostat.core.notify.notification import Notification
from hemostat.core.settings.alert import AlertSettings, Channel, Topic
from hemostat.events import Severity

MINUTE_SECONDS: Final = 60.0
DAY_SECONDS: Final = 86400.0


def is_incident_selected(channel: Channel, word: Notification) -> bool:
    """Whether the channel is for incidents such as this. Not by topic: that it is over takes back what was
    to be said, for those too who do not want to hear of it. HemoStat's own troubles are of no kind or
    project."""
    return (
        (channel.severity is not Severity.CRITICAL or word.severity is Severity.CRITICAL)
        and _matches_any(channel.hosts, word.host)
        and (
            not word.kind
            or (
                (not channel.kinds or word.kind in channel.kinds)
                and _matches_any(channel.projects, word.project)
                and _matches_any(channel.containers, word.container)
            )
        )
    )


def is_topic_selected(channel: Channel, topic: Topic) -> bool:
    return not channel.topics or topic in channel.topics


def compute_due_time(alerting: AlertSettings, word: Notification) -> float:
    """When it may be told, hours aside (epoch seconds)."""
    return word.time + alerting.grace if word.topic is Topic.OPENED else word.time


def compute_quiet_seconds(alerting: AlertSettings, word: Notification, of_day: float) -> float:
    """Seconds for which it waits for the end of quiet hours; `of_day` are seconds since midnight."""
    if not alerting.quiet or (
        alerting.quiet_critical and word.needs_people and word.severity is Severity.CRITICAL
    ):
        return 0.0
    begin, end = (_parse_time_of_day(time) for time in alerting.quiet.split("-"))
    inside = (of_day - begin) % DAY_SECONDS < (end - begin) % DAY_SECONDS
    return (end - of_day) % DAY_SECONDS if inside else 0.0


def allot_messages(sent: Sequence[float], waiting: int, per_minute: int, now: float) -> tuple[int, bool]:
    """How many of those that wait go alone, and whether the others go as one. `sent`: times of messages."""
    free = per_minute - sum(0 <= now - time < MINUTE_SECONDS for time in sent)
    if waiting <= max(0, free):
        return waiting, False
    return max(0, free - 1), free > 0


class SentMessage(NamedTuple):
    """A message: when it was sent (epoch seconds), and the project that it was about, None for several."""

    time: float
    project: str | None


def find_common_project(words: Sequence[Notification]) -> str | None:
    """The project that all these are about; None where they are about several."""
    projects = {word.project for word in words}
    return projects.pop() if len(projects) == 1 else None


def pack_messages(
    words: Sequence[Notification],
    sent: Sequence[SentMessage],
    per_minute: int,
    now: float,
    *,
    shared: bool = False,
    last: Collection[str] = (),
) -> tuple[list[list[Notification]], list[Notification]]:
    """The messages that may be sent now, of one word or of several, and the words that must wait. Those come
    first that need people, and projects take turns; incidents in `last` come last. `shared`: the channel is
    told of several projects; then one project has at most half of the messages of a minute."""
    words = sorted(words, key=lambda word: (*_rank(word, last), word.time))
    packed: list[list[Notification]] = []
    waiting: list[Notification] = []
    for project in dict.fromkeys(word.project for word in words) if shared else [None]:
        own = [word for word in words if project in {None, word.project}]
        times = [each.time for each in sent if project in {None, each.project}]
        alone, together = allot_messages(
            times, len(own), limit_per_project(per_minute) if shared else per_minute, now
        )
        packed += [[word] for word in own[:alone]] + ([own[alone:]] if together else [])
        waiting += [] if together else own[alone:]
    packed.sort(key=lambda parcel: (*_rank(parcel[0], last), parcel[0].time))
    turns = take_turns(packed, lambda parcel: (_rank(parcel[0], last), find_common_project(parcel)))
    turns.sort(key=lambda parcel: _rank(parcel[0], last))
    return _limit_rate(turns, [each.time for each in sent], per_minute, now, waiting)


def _rank(word: Notification, last: Collection[str]) -> tuple[bool, bool]:
    return word.incident in last, not word.needs_people


def _limit_rate(
    packed: list[list[Notification]],
    times: Sequence[float],
    per_minute: int,
    now: float,
    waiting: list[Notification],
) -> tuple[list[list[Notification]], list[Notification]]:
    """What is beyond the messages of a minute goes as one, or waits."""
    alone, together = allot_messages(times, len(packed), per_minute, now)
    rest = [word for parcel in packed[alone:] for word in parcel]
    return packed[:alone] + ([rest] if together else []), waiting + ([] if together else rest)


def _matches_any(patterns: Sequence[str], name: str) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _parse_time_of_day(time: str) -> float:
    hours, minutes = time.split(":")
    return int(hours) * 3600.0 + int(minutes) * 60.0
