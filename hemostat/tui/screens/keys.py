"""The main screen's keys. The configuration names them by their ids."""

from typing import Final

from textual.binding import BindingType

from hemostat.tui.screens.binding import key

EVERYTHING: Final = 1 << 30
"""More lines than there can be."""


FIRST: Final[list[BindingType]] = [
    key("enter", "container", "Look", "look", "look at this container", shown=True, display="⏎"),
    key("i", "incident", "Incident", "incident", "the latest incident, of this container", shown=True),
    key("slash", "filter", "Filter", "filter", "filter: text !text state: host: project: …", shown=True),
    key("f", "faults", "Faults", "faults", "only containers with a fault, or all again", shown=True),
]
"""What the footer shows before all else."""
REST: Final[list[BindingType]] = [
    key("s", "sort", "Sort", "sort", "sort by name, CPU, memory, restarts", shown=True),
    key("p", "group", "Projects", "group", "group by compose project, or not"),
    key("space", "mark", "Mark", "mark", "mark this container, go to the next", shown=True),
    key("escape", "all", "All", "all", "everything again: no filter, no marks", display="esc"),
    key("down,j", "move(1)", "Next", "next", "next container"),
    key("up,k", "move(-1)", "Previous", "previous", "previous container"),
    key("pagedown", "page(1)", "Page down", "page-down", "a page down"),
    key("pageup", "page(-1)", "Page up", "page-up", "a page up"),
    key("home,g", f"move(-{EVERYTHING})", "First", "first", "first container"),
    key("end,G", f"move({EVERYTHING})", "Last", "last", "last container"),
    key("S", "reverse", "Reverse", "reverse", "the other way round; faults stay first"),
    key("asterisk", "mark_all", "Mark all", "mark-all", "mark all that are shown, or none"),
    key("c", "columns", "Columns", "columns", "choose the columns"),
    key("l", "only", "Its log", "log", "only the log of this container, or all again"),
    key("v", "log", "Log", "show-log", "show the remediation log, or not"),
    key("r", "roles", "Roles", "roles", "the roles: heartbeats, lag, trouble"),
]
