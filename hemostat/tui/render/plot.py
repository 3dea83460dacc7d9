"""Plots numbers over time as lines of text: columns of block characters, and an axis with units. Pure.

The plot is readable without colour, and every line has exactly the requested width.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Final, NamedTuple, Self

from rich.cells import cell_len, set_cell_size

LABEL_WIDTH: Final = 10
"""Cells of the axis at the left: `1023.9 MiB`."""
HOLD_SECONDS: Final = 12.0
"""Seconds for which a number holds without a newer one: unchanged values are sent every few seconds."""
EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
ROUND_STEPS: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Possible ends of an axis, times a power of ten or of two."""

Points = Sequence[tuple[float, float | None]]


class TimeSpan(NamedTuple):
    """Epoch seconds."""

    begin: float
    end: float

    @classmethod
    def ending_at(cls, newest: float, seconds: float, columns: int) -> Self:
        """The span of these seconds up to `newest`.

        It moves one column at a time, so that little is redrawn.
        """
        share = seconds / max(1, columns)
        end = ceil(newest / share) * share
        return cls(end - seconds, end)

    def find_column(self, time: float, width: int) -> int | None:
        """The one of `width` columns that contains this time. None outside the span."""
        if not self.begin <= time <= self.end:
            return None
        return min(width - 1, int((time - self.begin) / max(self.end - self.begin, 1e-9) * width))


def draw_plot(
    points: Points,
    span: TimeSpan,
    *,
    width: int,
    height: int,
    top: float,
    show: Callable[[float], str],
    marks: Mapping[float, str] = {},
) -> list[str]:
    """`height` lines of columns, the time axis, and a line of `marks` if there are any (a character by its
    time).

    `points` are in order of time; None means no number. The axis ends at `top`, and higher values are cut
    off. `show` formats a number with its unit.
    """
    room = max(1, width - LABEL_WIDTH - 1)
    levels = [_compute_level(value, top, height * 8) for value in compute_columns(points, span, room)]
    lines = []
    for row in range(height):
        floor = (height - 1 - row) * 8
        label = show(top) if row == 0 else show(0.0) if row == height - 1 and height > 1 else ""
        cells = "".join(" " if level is None else EIGHTHS[max(0, min(8, level - floor))] for level in levels)
        lines.append(f"{label:>{LABEL_WIDTH}}{'┤' if label else '│'}{cells}")
    lines.append(f"{'':{LABEL_WIDTH}}└{_draw_times(span, room)}")
    if marks:
        lines.append(f"{'':{LABEL_WIDTH}} {_draw_marks(marks, span, room)}")
    return [_fit_exactly(line, width) for line in lines]


def compute_columns(points: Points, span: TimeSpan, width: int) -> list[float | None]:
    """The highest number in each column, so that peaks stay visible.

    A number holds until the next; after the last, values are unknown.
    """
    times = [time for time, _ in points]
    last = max(times, default=span.begin)
    share = (span.end - span.begin) / width
    columns = []
    for number in range(width):
        begin = span.begin + number * share
        first, beyond = bisect_right(times, begin), bisect_right(times, begin + share)
        values = [value for _, value in points[first:beyond] if value is not None]
        if first > 0 and begin <= last and begin - times[first - 1] < HOLD_SECONDS:
            last_value = points[first - 1][1]
            values += [] if last_value is None else [last_value]
        columns.append(max(values, default=None))
    return columns


def round_up(highest: float, *, binary: bool = False) -> float:
    """A round number not below `highest`."""
    if highest <= 0:
        return 1.0
    base = 1024.0 if binary else 1000.0
    unit = 1.0
    while unit * base <= highest:
        unit *= base
    decade = 1.0
    while decade * 10 < highest / unit:
        decade *= 10
    return unit * decade * next(step for step in ROUND_STEPS if step * decade * unit >= highest * 0.9999)


def _compute_level(value: float | None, top: float, eighths: int) -> int | None:
    """The level of a value. Every positive value is visible with at least one eighth."""
    if value is None:
        return None
    return max(1, min(eighths, round(value / top * eighths))) if value > 0 else 0


def _draw_times(span: TimeSpan, width: int) -> str:
    begin, end = (f"{datetime.fromtimestamp(each).astimezone():%H:%M:%S}" for each in span)
    if width < len(begin) + len(end) + 4:
        return "─" * width
    return f"─{begin} {'─' * (width - len(begin) - len(end) - 4)} {end}─"


def _draw_marks(marks: Mapping[float, str], span: TimeSpan, width: int) -> str:
    """A line of marks. If two share a cell, the later one is shown."""
    cells = [" "] * width
    for time, mark in sorted(marks.items()):
        if (column := span.find_column(time, width)) is not None:
            cells[column] = mark
    return "".join(cells)


def _fit_exactly(line: str, width: int) -> str:
    return line if cell_len(line) == width else set_cell_size(line, width)
