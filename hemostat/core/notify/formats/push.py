"""The formats of Telegram, ntfy and PagerDuty."""

from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from hemostat.core.notify.formats.plain import format_body, format_title
from hemostat.core.notify.message import Message
from hemostat.core.notify.notification import ENDED_TOPICS, PEOPLE_TOPICS
from hemostat.core.notify.service import read_query
from hemostat.core.settings.alert import Topic
from hemostat.core.text import truncate
from hemostat.events import Severity

TELEGRAM_CHARACTERS: Final = 3500
"""A text has at most 4,096 characters, and Telegram counts in units of UTF-16:
core.telegram.org/bots/api#sendmessage, core.telegram.org/api/entities."""
TELEGRAM_PARAMETERS: Final = ("chat_id", "message_thread_id", "disable_notification", "protect_content")
"""Parameters of the address that are sent along."""
SEND_METHOD: Final = "/sendMessage"
NTFY_BYTES: Final = 3500
"""A longer message than 4,096 bytes becomes a file: docs.ntfy.sh/publish/#limitations."""
MAX_PRIORITY: Final = 5
HIGH_PRIORITY: Final = 4
DEFAULT_PRIORITY: Final = 3
LOW_PRIORITY: Final = 2
"""Priorities of ntfy: docs.ntfy.sh/publish/#message-priority."""
PAGERDUTY_SUMMARY_CHARACTERS: Final = 1024
"""developer.pagerduty.com/docs/send-alert-event."""


def build_telegram(url: str, message: Message) -> tuple[str, dict[str, Any]]:
    """A text without markup, and without previews of links: core.telegram.org/bots/api#sendmessage."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    body: dict[str, Any] = {name: value for name in TELEGRAM_PARAMETERS if (value := read_query(url, name))}
    text = format_body(message, TELEGRAM_CHARACTERS, size=_count_utf16_units)
    body["text"] = f"{format_title(message)}\n{text}".strip()
    body["link_preview_options"] = {"is_disabled": True}
    address = parts._replace(path=path if path.endswith(SEND_METHOD) else path + SEND_METHOD, query="")
    return urlunsplit(address), body


def build_ntfy(url: str, message: Message) -> tuple[str, dict[str, Any]]:
    """A message published as JSON to the root of the server: docs.ntfy.sh/publish/#publish-as-json."""
    parts = urlsplit(url)
    body: dict[str, Any] = {
        "topic": parts.path.strip("/"),
        "title": format_title(message),
        "message": format_body(message, NTFY_BYTES, size=lambda text: len(text.encode())) or message.title,
        "priority": _choose_priority(message),
    }
    return urlunsplit(parts._replace(path="/")), body


def build_pagerduty(url: str, message: Message) -> tuple[str, dict[str, Any]]:
    """An event of the Events API v2, which the end of the incident resolves. A message about many incidents
    resolves none."""
    parts = urlsplit(url)
    query = {name: value for name, value in parse_qsl(parts.query) if name != "routing_key"}
    is_end = message.topic in ENDED_TOPICS and bool(message.incident)
    facts = dict(message.facts)
    body: dict[str, Any] = {
        "routing_key": read_query(url, "routing_key"),
        "event_action": "resolve" if is_end else "trigger",
        "payload": {
            "summary": truncate(message.title, PAGERDUTY_SUMMARY_CHARACTERS),
            "source": facts.get("Where", "HemoStat"),
            "severity": _choose_severity(message),
            "custom_details": {**facts, **({"More": message.more} if message.more else {})},
        },
    }
    if message.lines:
        body["payload"]["custom_details"]["Incidents"] = "\n".join(message.lines)
    if message.incident:
        body["dedup_key"] = f"hemostat-{message.incident}"[:255]
    return urlunsplit(parts._replace(query=urlencode(query))), body


def _count_utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", errors="replace")) // 2


def _choose_priority(message: Message) -> int:
    if message.topic in PEOPLE_TOPICS:
        return MAX_PRIORITY if message.severity is Severity.CRITICAL else HIGH_PRIORITY
    return DEFAULT_PRIORITY if message.topic is Topic.OPENED else LOW_PRIORITY


def _choose_severity(message: Message) -> str:
    """One of PagerDuty's words: critical, error, warning, info."""
    if message.topic in PEOPLE_TOPICS:
        return "critical" if message.severity is Severity.CRITICAL else "error"
    return "warning" if message.topic is Topic.OPENED else "info"
