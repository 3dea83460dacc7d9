"""The main screen's keys. The configuration refers to them by their ids."""

from typing import Final

from textual.binding import BindingType

from hemostat.tui.screens.binding import make_binding

MAX_MOVE: Final = 1 << 30
"""More lines than can exist."""


FIRST_BINDINGS: Final[list[BindingType]] = [
    make_binding("enter", "container", "View", "look", "view this container", in_footer=True, display="⏎"),
    make_binding(
        "i", "incident", "Incident", "incident", "latest incident of this container", in_footer=True
    ),
]
"""Keys that the footer shows first, before those of the actions."""
OTHER_BINDINGS: Final[list[BindingType]] = [
    make_binding(
        "slash", "filter", "Filter", "filter", "filter: text !text state: host: project: …", in_footer=True
    ),
    make_binding("space", "mark", "Mark", "mark", "mark this container and go to the next", in_footer=True),
    make_binding("d", "report", "Yesterday", "report", "what has changed since yesterday", in_footer=True),
    make_binding(
        "f", "faults", "Faults", "faults", "show only containers with a fault, or all", in_footer=True
    ),
    make_binding("s", "sort", "Sort", "sort", "sort by name, CPU, memory, restarts", in_footer=True),
    make_binding("p", "group", "Projects", "group", "group by compose project, on or off"),
    make_binding(
        "escape", "all", "All", "all", "clear filter and marks; the cursor to the top", display="esc"
    ),
    make_binding("down,j", "move(1)", "Next", "next", "next container"),
    make_binding("up,k", "move(-1)", "Previous", "previous", "previous container"),
    make_binding("pagedown", "page(1)", "Page down", "page-down", "one page down"),
    make_binding("pageup", "page(-1)", "Page up", "page-up", "one page up"),
    make_binding("home,g", f"move(-{MAX_MOVE})", "First", "first", "first container, and stay at the top"),
    make_binding("end,G", f"move({MAX_MOVE})", "Last", "last", "last container"),
    make_binding("S", "reverse", "Reverse", "reverse", "reverse the order; faults stay first"),
    make_binding("asterisk", "mark_all", "Mark all", "mark-all", "mark all visible containers, or none"),
    make_binding("c", "columns", "Columns", "columns", "select the columns"),
    make_binding("l", "only", "Its events", "log", "show only events of this container, or all"),
    make_binding("v", "log", "Events", "show-log", "show or hide the events"),
    make_binding(
        "left_square_bracket",
        "scroll_lines('log', -1)",
        "Events up",
        "log-up",
        "scroll the events back",
    ),
    make_binding(
        "right_square_bracket", "scroll_lines('log', 1)", "Events down", "log-down", "scroll it forward"
    ),
    make_binding("r", "roles", "Roles", "roles", "show the roles: heartbeats, lag, errors"),
]
