"""A summary's bar chart as SVG without external resources. Pure."""

from collections.abc import Callable, Iterator
from html import escape
from math import ceil
from typing import Final

from hemostat.core.history.summary import IncidentSummary, PeriodCount

WIDTH, HEIGHT = 800, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 56, 40
MAX_LABELS: Final = 8
BAR_PARTS: Final = (
    ("healed", "healed", "#2e9e5b"),
    ("settled", "no action needed", "#9aa5b1"),
    ("rest", "not healed", "#d64545"),
)
"""From bottom to top: a bar's field, its label, its colour."""


def render_svg(summary: IncidentSummary, when: Callable[[float], str], title: str) -> str:
    """The chart as SVG. `when` formats the start of a bar for people."""
    return "\n".join(_render_lines(summary, when, title)) + "\n"


def _render_lines(summary: IncidentSummary, when: Callable[[float], str], title: str) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}" font-family="sans-serif" font-size="12" role="img">'
    )
    yield f"<title>{escape(title)}</title>"
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    yield f'<text x="{LEFT}" y="22" font-size="15" fill="#1f2933">{escape(title)}</text>'
    yield from _render_legend()
    top = max([1, *(bar.healed + bar.settled + bar.rest for bar in summary.bars)])
    yield from _render_scale(top)
    step = (WIDTH - LEFT - RIGHT) / len(summary.bars)
    every = ceil(len(summary.bars) / MAX_LABELS)
    for number, bar in enumerate(summary.bars):
        left = LEFT + number * step
        yield from _render_bar(bar, left + step * 0.1, step * 0.8, (HEIGHT - TOP - BOTTOM) / top)
        if number % every == 0:
            middle = left + step / 2
            label = escape(when(bar.start))
            attributes = f'x="{middle:.1f}" y="{HEIGHT - 18}" text-anchor="middle"'
            yield f'<text {attributes} fill="#52606d">{label}</text>'
    yield "</svg>"


def _render_legend() -> Iterator[str]:
    for number, (_, label, colour) in enumerate(BAR_PARTS):
        left = LEFT + number * 150
        yield f'<rect x="{left}" y="32" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{left + 15}" y="41" fill="#52606d">{label}</text>'


def _render_scale(top: int) -> Iterator[str]:
    for count in sorted({0, ceil(top / 2), top}):
        y = HEIGHT - BOTTOM - count * (HEIGHT - TOP - BOTTOM) / top
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e7eb"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#52606d">{count}</text>'


def _render_bar(bar: PeriodCount, left: float, width: float, unit: float) -> Iterator[str]:
    y = float(HEIGHT - BOTTOM)
    for name, label, colour in BAR_PARTS:
        count = getattr(bar, name)
        if count:
            y -= count * unit
            yield (
                f'<rect x="{left:.1f}" y="{y:.1f}" width="{width:.1f}" height="{count * unit:.1f}"'
                f' fill="{colour}"><title>{count} {label}</title></rect>'
            )
