"""The part of the logs that is in memory: a list of lines by time, bounded in lines and characters.

With several logs, lines of one are hidden while they are older than the oldest known line of another that
goes on before: otherwise the other would seem to be silent at that time.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

from hemostat.tui.data.log_lines import LogLine

MAX_LINES: Final = 20_000
MAX_CHARACTERS: Final = 8_000_000
SPARE: Final = 0.1
"""Share of the lines that is dropped beyond the limit, so that this is rare."""


class LogWindow:
    """`at_end`: the newest lines are here, and new ones may be appended."""

    def __init__(self, count: int, max_lines: int = MAX_LINES) -> None:
        self.lines: list[LogLine] = []
        self.depths = [0] * count
        """By log: how many lines there are from its first line here to its end, at most."""
        self.at_end = True
        self._at_start = [False] * count
        self._firsts: list[str | None] = [None] * count
        self._max_lines = max_lines
        self._characters = 0

    @property
    def begin(self) -> int:
        """The index of the first line that is shown."""
        horizon = max(
            (first for first, whole in zip(self._firsts, self._at_start, strict=True) if first and not whole),
            default="",
        )
        return bisect_left(self.lines, horizon, key=lambda line: line.stamp) if horizon else 0

    @property
    def is_whole(self) -> bool:
        """Whether there are no older lines."""
        return all(
            whole for first, whole in zip(self._firsts, self._at_start, strict=True) if first is not None
        )

    @property
    def is_full(self) -> bool:
        return len(self.lines) >= self._max_lines * (1 - SPARE) or self._characters > MAX_CHARACTERS * (
            1 - SPARE
        )

    def get_first(self, source: int) -> str | None:
        return self._firsts[source]

    def find_source_to_extend(self) -> int | None:
        """The log whose older lines are needed next. None if no log has any."""
        open_sources = [
            number
            for number, first in enumerate(self._firsts)
            if first is not None and not self._at_start[number]
        ]
        return max(open_sources, key=lambda number: self._firsts[number] or "", default=None)

    def append(self, lines: Sequence[LogLine]) -> None:
        """Add new lines of one log. The oldest lines of all logs may be dropped."""
        source = lines[0].source
        self._add(lines)
        self.depths[source] += len(lines)
        self._firsts[source] = self._firsts[source] or lines[0].stamp
        self._drop_oldest()

    def prepend(self, source: int, lines: Sequence[LogLine], depth: int, *, at_start: bool) -> None:
        """Add older lines of one log. The newest lines of all logs may be dropped."""
        self._add(lines)
        self.depths[source] = depth
        self._at_start[source] = at_start
        if lines:
            self._firsts[source] = lines[0].stamp
        self._drop_newest()

    def extend(self, pages: Iterable[Sequence[LogLine]]) -> None:
        """Add the lines that follow. The oldest may be dropped."""
        for lines in pages:
            self._add(lines)
            if lines:
                source = lines[0].source
                self._firsts[source] = self._firsts[source] or lines[0].stamp
        self._drop_oldest()

    def _add(self, lines: Sequence[LogLine]) -> None:
        self.lines += lines
        self.lines.sort(key=lambda line: line.stamp)
        self._characters += sum(len(line.text) for line in lines)

    def _is_too_large(self) -> bool:
        return len(self.lines) > self._max_lines or self._characters > MAX_CHARACTERS

    def _drop_oldest(self) -> None:
        if not self._is_too_large():
            return
        count = self._count_to_drop(self.lines)
        dropped, self.lines = self.lines[:count], self.lines[count:]
        self._characters -= sum(len(line.text) for line in dropped)
        for source in {line.source for line in dropped}:
            self._at_start[source] = False
            self.depths[source] -= sum(line.source == source for line in dropped)
            first = next((line.stamp for line in self.lines if line.source == source), None)
            # Without a line here, its older lines go on before the window.
            self._firsts[source] = first or self.lines[0].stamp

    def _drop_newest(self) -> None:
        if self._is_too_large():
            count = self._count_to_drop(list(reversed(self.lines)))
            dropped, self.lines = self.lines[-count:], self.lines[:-count]
            self._characters -= sum(len(line.text) for line in dropped)
            self.at_end = False

    def _count_to_drop(self, lines: Sequence[LogLine]) -> int:
        """How many of these must be dropped so that a share is free again."""
        most, room = int(self._max_lines * (1 - SPARE)), int(MAX_CHARACTERS * (1 - SPARE))
        count, left = max(1, len(lines) - most), self._characters
        left -= sum(len(line.text) for line in lines[:count])
        while left > room and count < len(lines) - 1:
            left -= len(lines[count].text)
            count += 1
        return count
