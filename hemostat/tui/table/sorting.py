"""In which order containers stand, and when they may change places. Pure.

Faults come first. A list that jumps cannot be read: it is sorted anew every few seconds at most, and not
while somebody moves in it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, get_args

from hemostat.tui.table.rows import Row

HOLD_SECONDS: Final = 3.0
"""Seconds between two sortings, and after the cursor was moved."""

Sort = Literal["name", "cpu", "memory", "restarts"]
SORTS: Final[Sequence[Sort]] = get_args(Sort)

_VALUES: Final[Mapping[Sort, Callable[[Row], float]]] = {
    "name": lambda _: 0.0,
    "cpu": lambda row: row.cpu or 0.0,
    "memory": lambda row: row.memory or 0.0,
    "restarts": lambda row: row.restarts,
}


class ProjectHeading(NamedTuple):
    """The heading of a compose project; an empty name stands for containers of none."""

    project: str
    size: int
    faults: int


def may_resort(now: float, sorted_at: float, touched_at: float) -> bool:
    """Whether they may change places. A clock that was set back does not hold them for ever."""
    return not 0 <= now - sorted_at < HOLD_SECONDS and not 0 <= now - touched_at < HOLD_SECONDS


def sort_rows(rows: Sequence[Row], sort: Sort, *, reverse: bool = False) -> list[Row]:
    """The most urgent first, then the largest, names from a to z; `reverse` leaves the urgency as it is."""
    value, sign = _VALUES[sort], 1 if reverse else -1
    named = sorted(rows, key=lambda row: (row.name, row.host), reverse=reverse and sort == "name")
    return sorted(named, key=lambda row: (row.rank, sign * value(row)))


def keep_order(rows: Sequence[Row], before: Mapping[str, int]) -> list[Row]:
    """As they stood, by key; what is new comes last."""
    end = len(before)
    return sorted(rows, key=lambda row: before.get(row.key, end))


def group_rows(rows: Sequence[Row]) -> list[Row | ProjectHeading]:
    """By project with a heading each, in order of each project's first: faults come first here, too."""
    projects: dict[str, list[Row]] = {}
    for row in rows:
        projects.setdefault(row.project, []).append(row)
    found: list[Row | ProjectHeading] = []
    for project, members in projects.items():
        found.append(ProjectHeading(project, len(members), sum(row.fault for row in members)))
        found += members
    return found
