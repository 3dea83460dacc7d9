"""How the dashboard looks and which keys it has: the configuration table `tui`."""

from typing import Final, Literal

import msgspec

Column = Literal[
    "host",
    "state",
    "container",
    "project",
    "service",
    "cpu",
    "memory",
    "net",
    "limit",
    "restarts",
    "breaker",
    "budget",
    "incident",
]


class TuiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `tui`."""

    theme: str = ""
    """A theme's name; empty: the default one, with `slow` the terminal's own colours."""
    columns: tuple[Column, ...] = ()
    """Columns, in their order; empty: all that the terminal has room for."""
    slow: bool = False
    """Draw every two seconds only, in the terminal's own colours: for slow lines."""
    mouse: bool = True
    """Whether the mouse chooses and scrolls; without it the terminal selects text."""
    keys: dict[str, str] = {}
    """Other keys, by what they do: {"quit": "Q"}; several with commas. `?` in the dashboard names them."""


DEFAULT_TUI_SETTINGS: Final = TuiSettings()
