"""The format of Slack's incoming webhooks, and of compatible services.

Mattermost and Rocket.Chat, and Discord at its address for Slack's format, show only `text`, so it contains
all that the blocks do, within the strictest limit of characters. Text from outside cannot mention people or
contain links: core.markup ensures that.
"""

from typing import Any, Final

from hemostat.core.notify.message import Message
from hemostat.core.settings.alert import Topic

MAX_SECTION_CHARACTERS: Final = 2900
"""Characters of a section. Slack allows 3,000."""
MAX_TEXT_CHARACTERS: Final = 1900
"""Characters of `text`: Discord takes 2,000, Rocket.Chat 5,000, Mattermost 16,383."""
MAX_TITLE_CHARACTERS: Final = 300
MAX_FACT_CHARACTERS: Final = 380
"""Characters of a title and a fact in `text`. At these lengths no fact is left out."""

SIGNS: Final = {
    Topic.OPENED: ":warning:",
    Topic.HEALED: ":white_check_mark:",
    Topic.ESCALATED: ":rotating_light:",
    Topic.FAILED: ":x:",
    Topic.REFUSED: ":no_entry:",
    Topic.APPROVAL: ":question:",
    Topic.EXPIRED: ":hourglass:",
    Topic.DRY_RUN: ":information_source:",
    Topic.OVER: ":ballot_box_with_check:",
    Topic.DECIDED: ":raised_hand:",
    Topic.GONE: ":skull:",
    Topic.BACK: ":white_check_mark:",
    Topic.TEST: ":wave:",
}


def build_payload(message: Message) -> dict[str, Any]:
    """The message as Block Kit, and as short text for notifications."""
    title = f"{SIGNS[message.topic]} *{escape(message.title)}*"
    blocks: list[dict[str, Any]] = [{"type": "section", "text": _make_text(title)}]
    if message.facts:
        fields = [_make_text(f"*{label}*\n{escape(value)}") for label, value in message.facts]
        blocks.append({"type": "section", "fields": fields})
    if message.lines:
        blocks.append({"type": "section", "text": _make_text(_list_lines(message.lines))})
    if message.more:
        more = _make_text(f"More: `{escape(message.more)}`")
        blocks.append({"type": "context", "elements": [more]})
    return {"text": format_plain_text(message), "blocks": blocks}


def format_plain_text(message: Message) -> str:
    """The whole message without blocks: the event, the place, the cause and the action."""
    lines = [f"{SIGNS[message.topic]} {_shorten(message.title, MAX_TITLE_CHARACTERS)}"]
    lines += [_shorten(f"{label}: {value}", MAX_FACT_CHARACTERS) for label, value in message.facts]
    lines += [_shorten(f"\N{BULLET} {line}", MAX_FACT_CHARACTERS) for line in message.lines]
    if message.more:
        lines.append(_shorten(f"More: `{message.more}`", MAX_FACT_CHARACTERS))
    while len(lines) > 1 and sum(map(len, lines)) + len(lines) > MAX_TEXT_CHARACTERS:
        lines.pop(-2 if message.more and len(lines) > 2 else -1)  # noqa: PLR2004 - the title, and one more
    return "\n".join(lines)


def _shorten(text: str, size: int) -> str:
    """The text in at most `size` characters after escaping."""
    escaped_text = escape(text)
    while len(escaped_text) > size:
        text = text[: -max(1, (len(escaped_text) - size) // 5)]
        escaped_text = escape(f"{text}…")
    return escaped_text


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _make_text(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _list_lines(lines: tuple[str, ...]) -> str:
    text = ""
    for line in lines:
        longer = f"{text}\N{BULLET} {escape(line)}\n"
        if len(longer) > MAX_SECTION_CHARACTERS:
            break
        text = longer
    return text
