"""The main screen's keys. The configuration names them by their ids."""

from typing import Final

from textual.binding import Binding, BindingType

EVERYTHING: Final = 1 << 30
"""More lines than there can be."""


def _key(
    keys: str,
    action: str,
    label: str,
    name: str,
    tooltip: str,
    *,
    shown: bool = False,
    display: str | None = None,
) -> Binding:
    return Binding(keys, action, label, show=shown, key_display=display, id=name, tooltip=tooltip)


KEYS: Final[list[BindingType]] = [
    _key("enter", "container", "Look", "look", "look at this container", shown=True, display="⏎"),
    _key("i", "incident", "Incident", "incident", "the latest incident, of this container", shown=True),
    _key("slash", "filter", "Filter", "filter", "filter: text !text state: host: project: …", shown=True),
    _key("f", "faults", "Faults", "faults", "only containers with a fault, or all again", shown=True),
    _key("s", "sort", "Sort", "sort", "sort by name, CPU, memory, restarts", shown=True),
    _key("p", "group", "Projects", "group", "group by compose project, or not"),
    _key("space", "mark", "Mark", "mark", "mark this container, go to the next", shown=True),
    _key("escape", "all", "All", "all", "everything again: no filter, no marks", display="esc"),
    _key("down,j", "move(1)", "Next", "next", "next container"),
    _key("up,k", "move(-1)", "Previous", "previous", "previous container"),
    _key("pagedown", "page(1)", "Page down", "page-down", "a page down"),
    _key("pageup", "page(-1)", "Page up", "page-up", "a page up"),
    _key("home,g", f"move(-{EVERYTHING})", "First", "first", "first container"),
    _key("end,G", f"move({EVERYTHING})", "Last", "last", "last container"),
    _key("S", "reverse", "Reverse", "reverse", "the other way round; faults stay first"),
    _key("asterisk", "mark_all", "Mark all", "mark-all", "mark all that are shown, or none"),
    _key("c", "columns", "Columns", "columns", "choose the columns"),
    _key("l", "only", "Its log", "log", "only the log of this container, or all again"),
    _key("v", "log", "Log", "show-log", "show the remediation log, or not"),
    _key("r", "roles", "Roles", "roles", "the roles: heartbeats, lag, trouble"),
]
