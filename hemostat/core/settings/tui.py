"""The configuration table `tui`: the dashboard's appearance and keys."""

from typing import Final, Literal

import msgspec

Column = Literal[
    "host",
    "state",
    "container",
    "up",
    "project",
    "service",
    "cpu",
    "memory",
    "net",
    "limit",
    "restarts",
    "breaker",
    "budget",
    "image",
    "ports",
    "incident",
]


class TuiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `tui`."""

    theme: str = ""
    """A theme's name, such as high-contrast. Empty: the default theme, with `slow` the terminal's own
    colours."""
    columns: tuple[Column, ...] = ()
    """Columns in order. Empty: all that fit into the terminal."""
    slow: bool = False
    """Redraw only every two seconds, in the terminal's own colours, for slow connections."""
    mouse: bool = True
    """Whether the mouse selects and scrolls. Without it the terminal selects text."""
    keys: dict[str, str] = {}
    """Other keys, by action: {"quit": "Q"}; several keys separated by commas. `?` in the dashboard lists the
    actions."""


DEFAULT_TUI_SETTINGS: Final = TuiSettings()
