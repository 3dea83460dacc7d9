"""The request that delivers a message, in the format of each service."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hemostat.core.notify.formats import slack
from hemostat.core.notify.formats.chat import build_discord, build_google_chat, build_teams
from hemostat.core.notify.formats.push import build_ntfy, build_pagerduty, build_telegram
from hemostat.core.notify.message import Message
from hemostat.core.notify.service import Service, recognize_service

Request = tuple[str, dict[str, Any]]
"""The address, and the body, which is sent as JSON."""


def build_request(url: str, message: Message) -> Request:
    """Return the request that delivers the message to the channel with the address `url`."""
    return BUILDERS[recognize_service(url)](url, message)


def _build_slack(url: str, message: Message) -> Request:
    return url, slack.build_payload(message)


def _build_text(url: str, message: Message) -> Request:
    return url, {"text": slack.format_plain_text(message)}


def _build_webhook(url: str, message: Message) -> Request:
    """Slack's format, for a compatible service, and the parts of the message, for a program."""
    parts = {
        "topic": message.topic,
        "severity": message.severity,
        "incident": message.incident,
        "title": message.title,
        "facts": {label.lower(): value for label, value in message.facts},
        "lines": list(message.lines),
        "more": message.more,
    }
    return url, {**slack.build_payload(message), "hemostat": parts}


BUILDERS: Final[Mapping[Service, Callable[[str, Message], Request]]] = {
    Service.SLACK: _build_slack,
    Service.DISCORD: build_discord,
    Service.TEAMS: build_teams,
    Service.GOOGLE_CHAT: build_google_chat,
    Service.TELEGRAM: build_telegram,
    Service.NTFY: build_ntfy,
    Service.PAGERDUTY: build_pagerduty,
    Service.CHAT: _build_text,
    Service.WEBHOOK: _build_webhook,
}
