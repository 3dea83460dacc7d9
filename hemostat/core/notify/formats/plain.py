"""The parts of a message as plain text, within a service's limits."""

from collections.abc import Callable, Mapping
from typing import Final

from hemostat.core.notify.message import Message
from hemostat.core.settings.alert import Topic

SIGNS: Final[Mapping[Topic, str]] = {
    Topic.OPENED: "\N{WARNING SIGN}",
    Topic.HEALED: "\N{WHITE HEAVY CHECK MARK}",
    Topic.ESCALATED: "\N{POLICE CARS REVOLVING LIGHT}",
    Topic.FAILED: "\N{CROSS MARK}",
    Topic.REFUSED: "\N{NO ENTRY}",
    Topic.APPROVAL: "\N{BLACK QUESTION MARK ORNAMENT}",
    Topic.EXPIRED: "\N{HOURGLASS}",
    Topic.DRY_RUN: "\N{INFORMATION SOURCE}",
    Topic.OVER: "\N{BALLOT BOX WITH CHECK}",
    Topic.DECIDED: "\N{RAISED HAND}",
    Topic.GONE: "\N{SKULL}",
    Topic.BACK: "\N{WHITE HEAVY CHECK MARK}",
    Topic.TEST: "\N{WAVING HAND SIGN}",
}
MORE_LABEL: Final = "More"


def format_title(message: Message) -> str:
    return f"{SIGNS[message.topic]} {message.title}"


def format_body(message: Message, limit: int, *, size: Callable[[str], int] = len) -> str:
    """All but the title, one fact or line on each line, without the last ones where the text would be longer
    than `limit`, as `size` measures it. The command for more is never left out."""
    more = f"{MORE_LABEL}: {message.more}" if message.more else ""
    lines = [f"{label}: {value}" for label, value in message.facts]
    lines += [f"\N{BULLET} {line}" for line in message.lines]
    while lines and size("\n".join([*lines, more])) > limit:
        lines.pop()
    return "\n".join(filter(None, [*lines, more]))
