"""Draws the full status of the roles, and what is paused. Pure."""

from typing import Final

from rich.text import Text

from hemostat.core.history.status import RoleState
from hemostat.core.units import show_duration
from hemostat.tui.render.text import BAD, PLAIN, fit, format_age
from hemostat.tui.render.wrap import wrap_text

ROLE_WIDTH: Final = 10
"""Cells for a role's name."""


def draw_role(role: RoleState, width: int) -> list[Text]:
    """The full status of one role. Long texts are wrapped."""
    style = BAD if role.fault else PLAIN
    state = f"✗ silent {show_duration(float(int(role.age)))}" if role.stale else f"✓ {format_age(role.age)}"
    where = f"{fit(role.role, ROLE_WIDTH)} {fit(role.host, 16)} {fit(role.instance, 20)}"
    lines = [Text(f"{where} {fit(state, 16)} lag {role.lag}", style)]
    troubles = filter(None, (role.trouble, *role.warnings))
    return [*lines, *(line for each in troubles for line in draw_item("!", each, width, BAD))]


def draw_item(sign: str, text: str, width: int, style: str) -> list[Text]:
    """A text of any length below a line about a role, wrapped between words."""
    parts = wrap_text(text, width - ROLE_WIDTH - 3)
    return [
        Text(f"{'':{ROLE_WIDTH}} {sign if number == 0 else ' '} {part}", style)
        for number, part in enumerate(parts)
    ]
