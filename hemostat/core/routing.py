"""Who is told what, and when: the configuration table `alert`.

Every channel has its own selection and its own ration. What needs people is told at once, what may be over
in a moment after a grace, and in quiet hours only what is critical and needs people.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from hemostat.core.message import FIELDS, fields_of
from hemostat.core.news import News, Topic
from hemostat.core.project import half, take_turns
from hemostat.core.units import Period, Seconds
from hemostat.events import Kind, Severity

MINUTE: Final = 60.0
DAY: Final = 86400.0
NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
QUIET: Final = r"^$|^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to people, and what goes there; what is empty selects everything."""

    url: str = ""
    """Of Slack's incoming webhook (https://…), or of a service that Apprise knows; a secret."""
    url_file: str = ""
    """A file whose first line is the URL."""
    severity: Severity = Severity.WARNING
    """The least that is told."""
    kinds: tuple[Kind, ...] = ()
    topics: tuple[Topic, ...] = ()
    projects: tuple[str, ...] = ()
    """Of compose; here and below `*` and `?` match."""
    hosts: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    brief: bool = False
    """The headline alone, as for a pager."""


class Alerting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `alert`."""

    slack_webhook: str = ""
    """Incoming webhook; a secret. It is the URL of the channel `slack`."""
    slack_webhook_file: str = ""
    """A file whose first line is the webhook."""
    channels: dict[str, Channel] = {}
    """By name."""
    grace: Seconds = 30.0
    """How long what HemoStat may heal by itself is not told."""
    per_minute: Annotated[int, Meta(ge=1)] = 10
    """Messages to one channel; what is beyond comes as one."""
    quiet: Annotated[str, Meta(pattern=QUIET)] = ""
    """Hours of this machine's day in which nobody is told, as in 22:00-07:00; then they are."""
    quiet_critical: bool = True
    """Whether what is critical and needs people is told all the same."""
    templates: dict[str, str] = {}
    """Headlines by topic."""
    gone_after: Period = 60.0
    """How long a role, the bus or the engine must be gone for people to be told."""
    heartbeat_url: str = ""
    """Called while all is well; a secret."""
    heartbeat_url_file: str = ""
    """A file whose first line is that URL."""
    heartbeat_every: Period = 60.0
    heartbeat_signals: bool = False
    """Whether it knows /start and /fail."""


def concerns(channel: Channel, word: News) -> bool:
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


def due(alerting: Alerting, word: News) -> float:
    """When it may be told, hours aside (epoch seconds)."""
    return word.time + alerting.grace if word.topic is Topic.OPENED else word.time


def silence(alerting: Alerting, word: News, of_day: float) -> float:
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


class Sent(NamedTuple):
    """A message: when it was sent (epoch seconds), and the project that it was about, None for several."""

    time: float
    project: str | None


def project_of_all(words: Sequence[News]) -> str | None:
    """The project that all these are about; None where they are about several."""
    projects = {word.project for word in words}
    return projects.pop() if len(projects) == 1 else None


def pack(
    words: Sequence[News],
    sent: Sequence[Sent],
    per_minute: int,
    now: float,
    *,
    shared: bool = False,
    last: Collection[str] = (),
) -> tuple[list[list[News]], list[News]]:
    """The messages that may be sent now, of one word or of several, and the words that must wait. Those come
    first that need people, and projects take turns; incidents in `last` come last. `shared`: the channel is
    told of several projects; then one project has at most half of the messages of a minute."""
    words = sorted(words, key=lambda word: (*_class(word, last), word.time))
    packed: list[list[News]] = []
    waiting: list[News] = []
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


def _class(word: News, last: Collection[str]) -> tuple[bool, bool]:
    return word.incident in last, not word.needs_people


def _limit(
    packed: list[list[News]], times: Sequence[float], per_minute: int, now: float, waiting: list[News]
) -> tuple[list[list[News]], list[News]]:
    """What is beyond the messages of a minute goes as one, or waits."""
    alone, together = ration(times, len(packed), per_minute, now)
    rest = [word for parcel in packed[alone:] for word in parcel]
    return packed[:alone] + ([rest] if together else []), waiting + ([] if together else rest)


def mistakes(alerting: Alerting) -> Iterator[tuple[str, str, str]]:
    """What cannot be used: the setting, the key in it, and why."""
    for name, channel in alerting.channels.items():
        if not NAME.fullmatch(name):
            yield "alert.channels", name, "is no name: letters, digits, - and _"
        if channel.url and channel.url_file:
            yield "alert.channels", f"{name}.url_file", "stands beside a url"
        if not (channel.url or channel.url_file or name == SLACK):
            yield "alert.channels", name, "has neither url nor url_file"
    for topic, template in alerting.templates.items():
        if topic not in list(Topic):
            yield "alert.templates", topic, f"is no topic: there are {', '.join(Topic)}"
        for field in fields_of(template):
            if field not in FIELDS:
                yield "alert.templates", topic, f"names {{{field}}}: there are {', '.join(FIELDS)}"


SLACK: Final = "slack"
"""The channel whose URL is `slack_webhook`."""


def _among(patterns: Sequence[str], name: str) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _of_day(time: str) -> float:
    hours, minutes = time.split(":")
    return int(hours) * 3600.0 + int(minutes) * 60.0
