"""The configuration table `alert`: channels, topics, quiet hours and headline templates."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from hemostat.core.units import Period, Seconds
from hemostat.events import Kind, Severity

TEMPLATE_FIELDS: Final = (
    "container", "host", "project", "kind", "problem", "severity", "topic", "what", "cause", "action", "done",
    "took", "incident",
)  # fmt: skip
"""Fields that a headline template may use, in braces."""


FIELD_PATTERN: Final = re.compile(r"\{(\w*)\}")


def find_fields(template: str) -> list[str]:
    return FIELD_PATTERN.findall(template)


class Topic(StrEnum):
    """The state of an incident that a notification reports."""

    OPENED = "opened"
    HEALED = "healed"
    ESCALATED = "escalated"
    FAILED = "failed"
    REFUSED = "refused"
    APPROVAL = "approval"
    EXPIRED = "expired"
    DRY_RUN = "dry_run"
    OVER = "over"
    """It ended, and not through an action."""
    DECIDED = "decided"
    """Orders of people and their results, and people's refusals."""
    GONE = "gone"
    """A part of HemoStat itself is gone: a role, the bus or the engine."""
    BACK = "back"
    TEST = "test"


CHANNEL_NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]+")


QUIET_HOURS_PATTERN: Final = r"^$|^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"


class Exclusion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Notifications that a channel does not receive: those that match one of these. `*` and `?` match."""

    kinds: tuple[Kind, ...] = ()
    topics: tuple[Topic, ...] = ()
    projects: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One notification channel, and the notifications that it receives. An empty selection means all."""

    url: str = ""
    """URL of Slack's incoming webhook (https://…), or of a service that Apprise supports; a secret."""
    url_file: str = ""
    """A file whose first line is the URL."""
    severity: Severity = Severity.WARNING
    """The lowest severity sent."""
    kinds: tuple[Kind, ...] = ()
    topics: tuple[Topic, ...] = ()
    projects: tuple[str, ...] = ()
    """Compose projects. Here and below, `*` and `?` match."""
    hosts: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    exclusion: Exclusion = msgspec.field(default=Exclusion(), name="except")
    """What the channel does not receive of the selected notifications."""
    brief: bool = False
    """Send only the headline, as for a pager."""


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `alert`."""

    slack_webhook: str = ""
    """URL of the incoming webhook of the channel `slack`; a secret."""
    slack_webhook_file: str = ""
    """A file whose first line is the webhook's URL."""
    channels: dict[str, Channel] = {}
    """Channels by name."""
    grace: Seconds = 30.0
    """Seconds before a failure is reported that HemoStat may heal by itself."""
    per_minute: Annotated[int, Meta(ge=1)] = 10
    """Messages per minute to one channel. Further notifications are sent as one message."""
    quiet: Annotated[str, Meta(pattern=QUIET_HOURS_PATTERN)] = ""
    """Hours of this machine's day without messages, as in 22:00-07:00. Notifications are sent afterwards."""
    quiet_critical: bool = True
    """Whether critical notifications that need people are sent in quiet hours too."""
    templates: dict[str, str] = {}
    """Headline templates by topic."""
    gone_after: Period = 60.0
    """Seconds that a role, the bus or the engine must be gone before a notification is sent."""
    heartbeat_url: str = ""
    """URL requested regularly while all is well; a secret."""
    heartbeat_url_file: str = ""
    """A file whose first line is that URL."""
    heartbeat_every: Period = 60.0
    heartbeat_signals: bool = False
    """Whether the URL accepts /start and /fail."""


def mask_name(name: str) -> str:
    """A channel's name in a form that may be shown: by mistake it may be the channel's URL."""
    from hemostat.core.redact.address import SHOWN_MASK  # slow to import, and seldom needed

    return name if "/" not in name else SHOWN_MASK


def find_alert_mistakes(alerting: AlertSettings) -> Iterator[tuple[str, str, str]]:
    """Invalid settings: the setting, the key in it, and the reason."""
    for name, channel in alerting.channels.items():
        if not CHANNEL_NAME_PATTERN.fullmatch(name):
            yield "alert.channels", mask_name(name), "is not a name: use letters, digits, - and _"
            continue
        if channel.url and channel.url_file:
            yield "alert.channels", f"{name}.url_file", "cannot be combined with url"
        if not (channel.url or channel.url_file or name == SLACK_CHANNEL):
            yield "alert.channels", name, "has neither url nor url_file"
    for topic, template in alerting.templates.items():
        if topic not in list(Topic):
            yield "alert.templates", topic, f"is not a topic: use {', '.join(Topic)}"
        for field in find_fields(template):
            if field not in TEMPLATE_FIELDS:
                yield "alert.templates", topic, f"names {{{field}}}: use {', '.join(TEMPLATE_FIELDS)}"


SLACK_CHANNEL: Final = "slack"
"""The channel whose URL is `slack_webhook`."""
