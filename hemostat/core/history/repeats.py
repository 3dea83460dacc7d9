"""Joins lines that are the same, so that a container that fails again and again does not drown the others."""

import re
from typing import Final, Generic, TypeVar

import msgspec

from hemostat.core.units import show_duration

WINDOW_SECONDS: Final = 60.0
"""Seconds in which the same lines are joined."""
MAX_KEYS: Final = 5000
"""Lines that are remembered. Further lines are shown each time."""
FIGURE: Final = re.compile(
    r"\b\d+(?:\.\d+)?(?= ?(?:(?:ms|s|min|h|d|B|[KMGT]iB)\b|%))|\b\d+(?:st|nd|rd|th)\b|(?<=no\. )\d+"
)
"""A number that differs from time to time: a measured value, or a count of occurrences. An exit code is not
one."""

MAX_COMPARED: Final = 2000
"""Characters of a line that are compared with others. The holder of a role's password chooses its length."""

Line = TypeVar("Line")


def mask_figures(text: str) -> str:
    """The beginning of the text without measured values, to compare it with others."""
    return FIGURE.sub("#", text[:MAX_COMPARED])


class JoinedLines(msgspec.Struct, Generic[Line], frozen=True):
    """Lines that were the same as an earlier one. `last` is the newest of them."""

    last: Line
    count: int
    seconds: float

    def describe(self, text: str) -> str:
        times = "once" if self.count == 1 else f"{self.count} times"
        return f"same again {times} in {show_duration(self.seconds)}: {text}"


class _Repeats(msgspec.Struct, Generic[Line]):
    since: float
    last: Line
    count: int = 0


class RepeatFilter(Generic[Line]):
    """Passes the first line of a key, and counts the others of the next WINDOW_SECONDS. Times are seconds of
    one clock."""

    def __init__(self) -> None:
        self._repeats: dict[tuple[str, ...], _Repeats[Line]] = {}

    def is_new(self, key: tuple[str, ...], line: Line, now: float) -> bool:
        """Whether the line is to be shown now."""
        known = self._repeats.get(key)
        if known is None:
            if len(self._repeats) < MAX_KEYS:
                self._repeats[key] = _Repeats(now, line)
            return True
        known.count += 1
        known.last = line
        return False

    def take_joined(self, now: float, *, all_of_them: bool = False) -> list[JoinedLines[Line]]:
        """The repeated lines whose time is over. While a line repeats, the next ones are joined, too."""
        joined: list[JoinedLines[Line]] = []
        for key, each in [*self._repeats.items()]:
            if now - each.since < WINDOW_SECONDS and not all_of_them:
                continue
            if each.count:
                joined.append(JoinedLines(each.last, each.count, now - each.since))
                self._repeats[key] = _Repeats(now, each.last)
            else:
                del self._repeats[key]
        return joined
