"""The order of rows, and when it may change. Pure.

Faults come first. Jumping rows are unreadable, so rows are sorted at most every few seconds, and not while
the user moves the cursor.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, get_args

from hemostat.tui.table.rows import Row

HOLD_SECONDS: Final = 3.0
"""Seconds between two sorts, and after the cursor was moved."""

Sort = Literal["name", "cpu", "memory", "restarts"]
SORTS: Final[Sequence[Sort]] = get_args(Sort)

_VALUES: Final[Mapping[Sort, Callable[[Row], float]]] = {
    "name": lambda _: 0.0,
    "cpu": lambda row: row.cpu or 0.0,
    "memory": lambda row: row.memory or 0.0,
    "restarts": lambda row: row.restarts,
}


class ProjectHeading(NamedTuple):
    """The heading of a compose project. An empty name stands for containers without a project."""

    project: str
    size: int
    faults: int


def get_arrow(sort: Sort, *, reverse: bool) -> str:
    """`▲` where values rise from the top, as names from a to z."""
    return "▲" if (sort == "name") != reverse else "▼"


def describe_order(sort: Sort, *, reverse: bool) -> str:
    """`urgent first, by cpu▼`."""
    return f"urgent first, by {sort}{get_arrow(sort, reverse=reverse)}"


def may_resort(now: float, sorted_at: float, touched_at: float) -> bool:
    """Whether the order may change. A clock that was set back does not block it."""
    return not 0 <= now - sorted_at < HOLD_SECONDS and not 0 <= now - touched_at < HOLD_SECONDS


def sort_rows(rows: Sequence[Row], sort: Sort, *, reverse: bool = False) -> list[Row]:
    """The most urgent first, then the largest, names from a to z. `reverse` does not affect the urgency."""
    value, sign = _VALUES[sort], 1 if reverse else -1
    by_name = sorted(rows, key=lambda row: (row.name, row.host), reverse=reverse and sort == "name")
    return sorted(by_name, key=lambda row: (row.rank, sign * value(row)))


def group_rows(rows: Sequence[Row]) -> list[Row | ProjectHeading]:
    """The rows by project, with headings.

    Projects are in the order of their first row, so faults come first.
    """
    projects: dict[str, list[Row]] = {}
    for row in rows:
        projects.setdefault(row.project, []).append(row)
    entries: list[Row | ProjectHeading] = []
    for project, members in projects.items():
        entries.append(ProjectHeading(project, len(members), sum(row.fault for row in members)))
        entries += members
    return entries
