"""A container's CPU, memory and network over time, as styled text. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from rich.text import Text

from hemostat.core.evidence.snapshot import MAX_POINTS, EvidenceSnapshot, MetricPoint
from hemostat.core.units import show_size
from hemostat.events import ContainerStats, Event
from hemostat.tui.render.plot import Points, TimeSpan, draw_plot, round_up
from hemostat.tui.render.text import FAINT, PLAIN, fit

NEAR_LIMIT_SHARE: Final = 0.5
"""Share of its limit from which the axis ends at the limit."""
NAME_WIDTH: Final = 9
"""Cells of `received`, and one blank."""
BARS_PATTERN: Final = r"[▁▂▃▄▅▆▇█]+"
NO_FIGURES: Final = "no statistics for that time"
HOLD_SECONDS: Final = 12.0
"""Seconds, as plot.HOLD_SECONDS."""


class ChartLimits(NamedTuple):
    """`cpu` in percent of one core, `memory` in bytes. None if there is no limit or it is unknown."""

    cpu: float | None = None
    memory: float | None = None


def find_limits(stats: ContainerStats | None, snapshots: Sequence[EvidenceSnapshot] = ()) -> ChartLimits:
    """The current limits, else those in the evidence snapshots."""
    details = next((each.details for each in reversed(snapshots) if each.details is not None), None)
    source = stats or details
    if source is None:
        return ChartLimits()
    return ChartLimits(None if source.cpu_limit is None else source.cpu_limit * 100, source.memory_limit)


def merge_points(*several: Iterable[MetricPoint]) -> tuple[MetricPoint, ...]:
    """The points in order of time, each time once."""
    by_time = {point.time: point for points in several for point in points}
    return tuple(by_time[time] for time in sorted(by_time))


def extend_points(points: tuple[MetricPoint, ...], event: Event | None) -> tuple[MetricPoint, ...]:
    """The points with those of a new event, if it is newer."""
    if event is None or not isinstance(event.data, ContainerStats):
        return points
    if points and event.time <= points[-1].time:
        return points
    return (*points, MetricPoint.from_stats(event.data, event.time))[-MAX_POINTS:]


def cut_after(points: tuple[MetricPoint, ...], now: float) -> tuple[MetricPoint, ...]:
    """The points up to `now`, for a replay that went back."""
    return points if not points or points[-1].time <= now else tuple(p for p in points if p.time <= now)


def select_points(points: Iterable[MetricPoint], begin: float, end: float) -> tuple[MetricPoint, ...]:
    """The points in this time (epoch seconds), and the one before, which may still hold."""
    return tuple(point for point in points if begin - HOLD_SECONDS <= point.time <= end)


def draw_cpu(
    points: Sequence[MetricPoint],
    span: TimeSpan,
    limit: ChartLimits,
    *,
    width: int,
    height: int,
    marks: Mapping[float, str],
) -> Iterator[Text]:
    numbers = [(point.time, point.cpu) for point in points]
    yield _draw_caption("cpu", numbers, _format_percent, limit.cpu, "100 % = one core", width)
    yield from _draw_plot(numbers, span, limit.cpu, _format_percent, width=width, height=height, marks=marks)


def draw_memory(
    points: Sequence[MetricPoint],
    span: TimeSpan,
    limit: ChartLimits,
    *,
    width: int,
    height: int,
    marks: Mapping[float, str],
) -> Iterator[Text]:
    numbers = [(point.time, None if point.memory is None else float(point.memory)) for point in points]
    yield _draw_caption("memory", numbers, show_size, limit.memory, "", width)
    yield from _draw_plot(
        numbers, span, limit.memory, show_size, width=width, height=height, marks=marks, binary=True
    )


def draw_received(
    points: Sequence[MetricPoint], span: TimeSpan, *, width: int, height: int
) -> Iterator[Text]:
    yield from _draw_strip(
        "received", [(point.time, point.received) for point in points], span, width, height
    )


def draw_sent(points: Sequence[MetricPoint], span: TimeSpan, *, width: int, height: int) -> Iterator[Text]:
    yield from _draw_strip("sent", [(point.time, point.sent) for point in points], span, width, height)


def has_network(points: Iterable[MetricPoint]) -> bool:
    return any(point.received is not None or point.sent is not None for point in points)


def explain_no_network(points: Sequence[MetricPoint], width: int) -> Text:
    """Why no network chart can be drawn."""
    why = "unknown: host network, or not recorded" if points else NO_FIGURES
    return Text.assemble((fit("network", NAME_WIDTH), "bold"), (fit(why, max(1, width - NAME_WIDTH)), FAINT))


def _draw_strip(name: str, numbers: Points, span: TimeSpan, width: int, height: int) -> Iterator[Text]:
    """A plot without a time axis: it is placed below one with the same axis."""
    yield _draw_caption(name, numbers, _format_rate, None, "", width)
    drawn = _draw_plot(numbers, span, None, show_size, width=width, height=height, marks={}, binary=True)
    yield from islice(drawn, height)


def _format_rate(value: float) -> str:
    return f"{show_size(value)}/s"


def _format_percent(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") + " %"


def _draw_caption(
    name: str, numbers: Points, show: Callable[[float], str], limit: float | None, unit: str, width: int
) -> Text:
    """`memory  32.0 MiB of 128.0 MiB, peak 79.0 MiB`.

    The important part comes first, as the end may be cut.
    """
    values = [value for _, value in numbers if value is not None]
    last = numbers[-1][1] if numbers else None
    of = "" if limit is None else f" of {show(limit)}"
    parts = (f"{'none' if last is None else show(last)}{of}", f"peak {show(max(values, default=0.0))}", unit)
    caption = ", ".join(filter(None, parts)) if values else NO_FIGURES
    style = PLAIN if values else FAINT
    return Text.assemble((fit(name, NAME_WIDTH), "bold"), (fit(caption, max(1, width - NAME_WIDTH)), style))


def _draw_plot(
    numbers: Points,
    span: TimeSpan,
    limit: float | None,
    show: Callable[[float], str],
    *,
    width: int,
    height: int,
    marks: Mapping[float, str],
    binary: bool = False,
) -> Iterator[Text]:
    highest = max((value for _, value in numbers if value is not None), default=None)
    if highest is None:
        return
    near = limit is not None and limit * NEAR_LIMIT_SHARE <= highest <= limit
    top = limit if near and limit is not None else round_up(highest, binary=binary)
    for line in draw_plot(numbers, span, width=width, height=height, top=top, show=show, marks=marks):
        text = Text(line)
        text.highlight_regex(BARS_PATTERN, "cyan")
        yield text
