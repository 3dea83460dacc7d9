"""The text of a message, before a channel formats it: plain text.

Text from outside is made harmless here for every channel. The text of HemoStat and of the operator's
templates stays as it is.
"""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from hemostat.core.markup import neutralize_markup
from hemostat.core.notify.notification import Notification
from hemostat.core.redact import redact
from hemostat.core.settings.alert import FIELD_PATTERN, TEMPLATE_FIELDS, Topic
from hemostat.core.text import escape_controls, truncate
from hemostat.core.units import show_duration
from hemostat.core.wording import OVER_TO_YOU, describe_kind
from hemostat.events import Severity

MAX_FACT_CHARACTERS: Final = 350
"""Characters of one fact."""
MAX_HEADLINE_CHARACTERS: Final = 120
MAX_LISTED_INCIDENTS: Final = 20
"""Incidents named in a message about many."""

HEADLINE_TEMPLATES: Final[Mapping[Topic, str]] = {
    Topic.OPENED: "{container}: {problem}",
    Topic.HEALED: "{container} is healed: {problem}",
    Topic.ESCALATED: "{container}: {problem}, over to you",
    Topic.FAILED: "{container}: {done}",
    Topic.REFUSED: "{container}: {done}",
    Topic.APPROVAL: "{container}: {done}",
    Topic.EXPIRED: "{container}: {done}",
    Topic.DRY_RUN: "{container}: {problem}, {done}",
    Topic.OVER: "{container}: {problem}, over by now",
    Topic.DECIDED: "{container}: {done}",
    Topic.GONE: "{container} needs attention",
    Topic.BACK: "{container} recovered",
    Topic.TEST: "HemoStat on {host}: test message",
}

TOPIC_TEXTS: Final[Mapping[Topic, str]] = {
    Topic.OPENED: "open",
    Topic.HEALED: "healed",
    Topic.ESCALATED: OVER_TO_YOU,
    Topic.FAILED: "not helped by an action",
    Topic.REFUSED: "refused",
    Topic.APPROVAL: "waiting for approval",
    Topic.EXPIRED: "too late",
    Topic.DRY_RUN: "dry run",
    Topic.OVER: "over",
    Topic.DECIDED: "decided by people",
    Topic.GONE: "gone",
    Topic.BACK: "back",
    Topic.TEST: "test",
}
"""Topics in the title of a message about many incidents."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """`facts` are labels and values. In a message about many incidents, `lines` holds one line for each."""

    topic: Topic
    severity: Severity
    title: str
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
    more: str = ""
    """A command that shows more."""
    incident: str = ""
    """The incident's id; empty in a message about many."""


def single(notification: Notification, templates: Mapping[str, str], *, brief: bool = False) -> Message:
    title = format_headline(notification, templates)
    if brief:
        return Message(
            topic=notification.topic,
            severity=notification.severity,
            title=title,
            incident=notification.incident,
        )
    return Message(
        topic=notification.topic,
        severity=notification.severity,
        title=title,
        facts=tuple((label, value) for label, value in _list_facts(notification) if value),
        more=_list_commands(notification) if notification.kind else "",
        incident=notification.incident,
    )


def _list_commands(notification: Notification) -> str:
    """The commands, quoted for a shell."""
    incident = shlex.quote(_sanitize(notification.incident))
    explain = f"hemostat explain {incident}"
    if not notification.needs_people:
        return explain
    # "or" is no separator for a shell: the whole line, when pasted, closes nothing.
    return f"{explain}; hemostat acknowledge {incident} or hemostat close {incident}"


def build_digest(
    notifications: Sequence[Notification], templates: Mapping[str, str], *, brief: bool = False
) -> Message:
    """One message about many incidents, those that need people first."""
    ordered = sorted(
        notifications, key=lambda notification: (not notification.needs_people, notification.time)
    )
    counts = Counter(notification.topic for notification in ordered)
    counts_text = ", ".join(f"{count} {TOPIC_TEXTS[topic]}" for topic, count in counts.most_common())
    lines = [
        f"{format_headline(notification, templates)} ({_sanitize(notification.host)})"
        for notification in ordered[:MAX_LISTED_INCIDENTS]
    ]
    beyond = len(ordered) - MAX_LISTED_INCIDENTS
    return Message(
        topic=ordered[0].topic,
        severity=max((notification.severity for notification in ordered), key=list(Severity).index),
        title=f"{len(ordered)} incidents: {counts_text}",
        lines=() if brief else (*lines, *([f"and {beyond} more"] if beyond > 0 else [])),
        more="hemostat events",
    )


def format_headline(notification: Notification, templates: Mapping[str, str]) -> str:
    template = templates.get(notification.topic, HEADLINE_TEMPLATES[notification.topic])
    values = {name: _sanitize(_get_field_text(notification, name)) for name in TEMPLATE_FIELDS}
    return truncate(
        FIELD_PATTERN.sub(lambda match: values.get(match[1], match[0]), template), MAX_HEADLINE_CHARACTERS
    )


def _list_facts(notification: Notification) -> Iterator[tuple[str, str]]:
    where = f"{notification.container} on {notification.host}" if notification.kind else notification.host
    yield "Where", _sanitize(where + (f", project {notification.project}" if notification.project else ""))
    yield "What", _sanitize(notification.what)
    yield "Why", _sanitize(notification.cause)
    yield "Outcome", _sanitize(notification.done)
    yield "Took", show_duration(notification.took) if notification.took else ""


def _get_field_text(notification: Notification, name: str) -> str:
    if name == "took":
        return show_duration(notification.took) if notification.took else ""
    if name == "problem":
        return describe_kind(notification.kind)
    fallbacks = {"action": "an action", "done": TOPIC_TEXTS[notification.topic]}
    return str(getattr(notification, name)) or fallbacks.get(name, "")


def _sanitize(text: str) -> str:
    return neutralize_markup(truncate(escape_controls(redact(text)), MAX_FACT_CHARACTERS))
