"""The formats of Discord, Microsoft Teams and Google Chat."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from hemostat.core.notify.formats.plain import MORE_LABEL, format_body, format_title
from hemostat.core.notify.message import Message
from hemostat.core.notify.notification import ENDED_TOPICS, PEOPLE_TOPICS
from hemostat.core.settings.alert import Topic
from hemostat.core.text import truncate

DISCORD_TITLE_CHARACTERS: Final = 256
DISCORD_VALUE_CHARACTERS: Final = 1024
DISCORD_LINES_CHARACTERS: Final = 3000
"""The limits of an embed: discord.com/developers/docs/resources/message#embed-object-embed-limits. The
description may have 4,096 characters, and the embed 6,000."""
RED: Final = 0xD92D20
ORANGE: Final = 0xE07B00
GREEN: Final = 0x2E9E4F
GREY: Final = 0x6B7280
TEAMS_LINES_CHARACTERS: Final = 5000
"""A message has at most 28 KB, and a character up to 4 bytes: learn.microsoft.com, limits of Teams."""
GOOGLE_TEXT_CHARACTERS: Final = 4000
"""A message has at most 32,000 bytes: developers.google.com/workspace/chat/api, Message."""


def build_discord(url: str, message: Message) -> tuple[str, dict[str, Any]]:
    """An embed: discord.com/developers/docs/resources/webhook#execute-webhook. It mentions no user."""
    embed: dict[str, Any] = {
        "title": truncate(format_title(message), DISCORD_TITLE_CHARACTERS),
        "color": _choose_colour(message),
        "fields": [
            {"name": label, "value": truncate(value, DISCORD_VALUE_CHARACTERS), "inline": False}
            for label, value in message.facts
        ],
    }
    if message.lines:
        embed["description"] = format_body(
            Message(topic=message.topic, severity=message.severity, title=message.title, lines=message.lines),
            DISCORD_LINES_CHARACTERS,
        )
    if message.more:
        embed["footer"] = {"text": message.more}
    return url, {"embeds": [embed], "allowed_mentions": {"parse": []}}


def build_teams(url: str, message: Message) -> tuple[str, dict[str, Any]]:
    """An adaptive card, as the workflow "When a Teams webhook request is received" expects it:
    learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors, adaptivecards.io."""
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": format_title(message),
            "weight": "Bolder",
            "size": "Medium",
            "wrap": True,
            "color": _choose_teams_colour(message),
        }
    ]
    if message.facts:
        facts = [{"title": label, "value": value} for label, value in message.facts]
        body.append({"type": "FactSet", "facts": facts})
    body += [{"type": "TextBlock", "text": line, "wrap": True} for line in _select_lines(message.lines)]
    if message.more:
        more = {"type": "TextBlock", "text": f"{MORE_LABEL}: {message.more}", "wrap": True, "isSubtle": True}
        body.append(more)
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": body,
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return url, {"type": "message", "attachments": [attachment]}


def build_google_chat(url: str, message: Message) -> tuple[str, dict[str, Any]]:
    """A text: developers.google.com/workspace/chat/quickstart/webhooks. A `<` would begin a mention."""
    text = f"{format_title(message)}\n{format_body(message, GOOGLE_TEXT_CHARACTERS)}"
    return url, {"text": text.replace("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}").strip()}


def _select_lines(lines: Sequence[str]) -> list[str]:
    """The first lines that together have at most TEAMS_LINES_CHARACTERS."""
    totals = accumulate(map(len, lines))
    return [line for line, total in zip(lines, totals, strict=True) if total <= TEAMS_LINES_CHARACTERS]


def _choose_colour(message: Message) -> int:
    if message.topic in ENDED_TOPICS:
        return GREEN
    if message.topic in PEOPLE_TOPICS:
        return RED
    return ORANGE if message.topic is Topic.OPENED else GREY


TEAMS_COLOURS: Final[Mapping[int, str]] = {
    GREEN: "Good",
    RED: "Attention",
    ORANGE: "Warning",
    GREY: "Default",
}


def _choose_teams_colour(message: Message) -> str:
    return TEAMS_COLOURS[_choose_colour(message)]
