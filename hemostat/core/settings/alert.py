"""The configuration table `alert`: channels, topics, quiet hours, templates of headlines."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from hemostat.core.units import Period, Seconds
from hemostat.events import Kind, Severity

TEMPLATE_FIELDS: Final = (
    "container", "host", "project", "kind", "severity", "topic", "what", "cause", "action", "done", "took",
    "incident",
)  # fmt: skip
"""What a headline may name, in braces."""


FIELD_PATTERN: Final = re.compile(r"\{(\w*)\}")


def find_fields(template: str) -> list[str]:
    return FIELD_PATTERN.findall(template)


class Topic(StrEnum):
    """How an incident stands, as people are told."""

    OPENED = "opened"
    HEALED = "healed"
    ESCALATED = "escalated"
    FAILED = "failed"
    REFUSED = "refused"
    APPROVAL = "approval"
    EXPIRED = "expired"
    DRY_RUN = "dry_run"
    OVER = "over"
    """It ended, and not by what was done."""
    DECIDED = "decided"
    """What people ordered, and what came of it; and what they forbade."""
    GONE = "gone"
    """Of HemoStat itself: a role, the bus, the engine."""
    BACK = "back"
    TEST = "test"


CHANNEL_NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]+")


QUIET_HOURS_PATTERN: Final = r"^$|^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"


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


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    quiet: Annotated[str, Meta(pattern=QUIET_HOURS_PATTERN)] = ""
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


def find_alert_mistakes(alerting: AlertSettings) -> Iterator[tuple[str, str, str]]:
    """What cannot be used: the setting, the key in it, and why."""
    for name, channel in alerting.channels.items():
        if not CHANNEL_NAME_PATTERN.fullmatch(name):
            yield "alert.channels", name, "is no name: letters, digits, - and _"
        if channel.url and channel.url_file:
            yield "alert.channels", f"{name}.url_file", "stands beside a url"
        if not (channel.url or channel.url_file or name == SLACK_CHANNEL):
            yield "alert.channels", name, "has neither url nor url_file"
    for topic, template in alerting.templates.items():
        if topic not in list(Topic):
            yield "alert.templates", topic, f"is no topic: there are {', '.join(Topic)}"
        for field in find_fields(template):
            if field not in TEMPLATE_FIELDS:
                yield "alert.templates", topic, f"names {{{field}}}: there are {', '.join(TEMPLATE_FIELDS)}"


SLACK_CHANNEL: Final = "slack"
"""The channel whose URL is `slack_webhook`."""
