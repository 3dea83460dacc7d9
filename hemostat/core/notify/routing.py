"""Which channel a notification concerns, when it is due, and which messages may be sent now.

Every channel has its own selection and its own ration. What needs people is told at once, what may be over
in a moment after a grace, and in quiet hours only what is critical and needs people.
"""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from hemostat.core.labels.project import half, take_turns
from hemostat.core.notify.notification import Notification
from hemostat.core.settings.alert import AlertSettings, Channel, Topic
from hemostat.events import Severity

MINUTE: Final = 60.0
DAY: Final = 86400.0


def concerns(channel: Channel, word: Notification) -> bool:
    """Whether the channel is for incidents such as this. Not by topic: that it is over takes back what was
    to be said, for those too who do not want to hear of it. HemoStat's own troubles are of no kind or
    project."""
    return (
        (channel.severity is not Severity.CRITICAL or word.severity is Severity.CRITICAL)
        and _among(channel.hosts, word.host)
        and (
            not word.kind
            or (
                (not channel.kinds or word.kind in channel.kinds)
                and _among(channel.projects, word.project)
                and _among(channel.containers, word.container)
            )
        )
    )


def wants(channel: Channel, topic: Topic) -> bool:
    return not channel.topics or topic in channel.topics


def due(alerting: AlertSettings, word: Notification) -> float:
    """When it may be told, hours aside (epoch seconds)."""
    return word.time + alerting.grace if word.topic is Topic.OPENED else word.time


def silence(alerting: AlertSettings, word: Notification, of_day: float) -> float:
    """Seconds for which it waits for the end of quiet hours; `of_day` are seconds since midnight."""
    if not alerting.quiet or (
        alerting.quiet_critical and word.needs_people and word.severity is Severity.CRITICAL
    ):
        return 0.0
    begin, end = (_of_day(time) for time in alerting.quiet.split("-"))
    inside = (of_day - begin) % DAY < (end - begin) % DAY
    return (end - of_day) % DAY if inside else 0.0


def ration(sent: Sequence[float], waiting: int, per_minute: int, now: float) -> tuple[int, bool]:
    """How many of those that wait go alone, and whether the others go as one. `sent`: times of messages."""
    free = per_minute - sum(0 <= now - time < MINUTE for time in sent)
    if waiting <= max(0, free):
        return waiting, False
    return max(0, free - 1), free > 0


class SentMessage(NamedTuple):
    """A message: when it was sent (epoch seconds), and the project that it was about, None for several."""

    time: float
    project: str | None


def project_of_all(words: Sequence[Notification]) -> str | None:
    """The project that all these are about; None where they are about several."""
    projects = {word.project for word in words}
    return projects.pop() if len(projects) == 1 else None


def pack(
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
    words = sorted(words, key=lambda word: (*_class(word, last), word.time))
    packed: list[list[Notification]] = []
    waiting: list[Notification] = []
    for project in dict.fromkeys(word.project for word in words) if shared else [None]:
        own = [word for word in words if project in {None, word.project}]
        times = [each.time for each in sent if project in {None, each.project}]
        alone, together = ration(times, len(own), half(per_minute) if shared else per_minute, now)
        packed += [[word] for word in own[:alone]] + ([own[alone:]] if together else [])
        waiting += [] if together else own[alone:]
    packed.sort(key=lambda parcel: (*_class(parcel[0], last), parcel[0].time))
    turns = take_turns(packed, lambda parcel: (_class(parcel[0], last), project_of_all(parcel)))
    turns.sort(key=lambda parcel: _class(parcel[0], last))
    return _limit(turns, [each.time for each in sent], per_minute, now, waiting)


def _class(word: Notification, last: Collection[str]) -> tuple[bool, bool]:
    return word.incident in last, not word.needs_people


def _limit(
    packed: list[list[Notification]],
    times: Sequence[float],
    per_minute: int,
    now: float,
    waiting: list[Notification],
) -> tuple[list[list[Notification]], list[Notification]]:
    """What is beyond the messages of a minute goes as one, or waits."""
    alone, together = ration(times, len(packed), per_minute, now)
    rest = [word for parcel in packed[alone:] for word in parcel]
    return packed[:alone] + ([rest] if together else []), waiting + ([] if together else rest)


def _among(patterns: Sequence[str], name: str) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _of_day(time: str) -> float:
    hours, minutes = time.split(":")
    return int(hours) * 3600.0 + int(minutes) * 60.0
