"""The main screen's keys. The configuration refers to them by their ids."""

from typing import Final

from textual.binding import BindingType

from hemostat.tui.screens.binding import make_binding

MAX_MOVE: Final = 1 << 30
"""More lines than can exist."""


FIRST_BINDINGS: Final[list[BindingType]] = [
    make_binding("enter", "container", "Look", "look", "look at this container", shown=True, display="⏎"),
    make_binding(
        "i", "incident", "Incident", "incident", "the latest incident, of this container", shown=True
    ),
    make_binding(
        "slash", "filter", "Filter", "filter", "filter: text !text state: host: project: …", shown=True
    ),
    make_binding("f", "faults", "Faults", "faults", "only containers with a fault, or all again", shown=True),
]
"""Keys that the footer shows first."""
OTHER_BINDINGS: Final[list[BindingType]] = [
    make_binding("s", "sort", "Sort", "sort", "sort by name, CPU, memory, restarts", shown=True),
    make_binding("p", "group", "Projects", "group", "group by compose project, or not"),
    make_binding("space", "mark", "Mark", "mark", "mark this container, go to the next", shown=True),
    make_binding("escape", "all", "All", "all", "everything again: no filter, no marks", display="esc"),
    make_binding("down,j", "move(1)", "Next", "next", "next container"),
    make_binding("up,k", "move(-1)", "Previous", "previous", "previous container"),
    make_binding("pagedown", "page(1)", "Page down", "page-down", "a page down"),
    make_binding("pageup", "page(-1)", "Page up", "page-up", "a page up"),
    make_binding("home,g", f"move(-{MAX_MOVE})", "First", "first", "first container"),
    make_binding("end,G", f"move({MAX_MOVE})", "Last", "last", "last container"),
    make_binding("S", "reverse", "Reverse", "reverse", "the other way round; faults stay first"),
    make_binding("asterisk", "mark_all", "Mark all", "mark-all", "mark all that are shown, or none"),
    make_binding("c", "columns", "Columns", "columns", "choose the columns"),
    make_binding("l", "only", "Its log", "log", "only the log of this container, or all again"),
    make_binding("v", "log", "Log", "show-log", "show the remediation log, or not"),
    make_binding("r", "roles", "Roles", "roles", "the roles: heartbeats, lag, trouble"),
]
