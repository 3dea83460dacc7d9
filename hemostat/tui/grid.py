"""The grid of containers: its columns, and a container's line in exactly as many cells. Pure.

A colour never says what a word or a bar does not.
"""

from typing import Final, NamedTuple

from rich.text import Text

from hemostat.core.picture import ContainerState
from hemostat.core.units import show_size
from hemostat.tui.words import BAD, BUSY, FAINT, GOOD, PLAIN, fit

ROOMY: Final = 110
"""Columns from which on there is room for long bars, limits and restarts."""
CPU: Final = 8
"""Cells of `1600.0 %`."""
SIZE: Final = 10
"""Cells of `1000.0 MiB`."""

_STATES: Final = {
    "healthy": ("✓", GOOD),
    "running": ("●", GOOD),
    "starting": ("◌", BUSY),
    "unhealthy": ("✗", BAD),
    "restarting": ("↻", BUSY),
    "paused": ("‖", BUSY),
    "dead": ("✗", BAD),
}


class Columns(NamedTuple):
    """Widths in cells; 0 is left out. `bar` is part of `cpu` and of `memory`."""

    state: int
    name: int
    bar: int
    cpu: int
    memory: int
    restarts: int
    incident: int

    @property
    def roomy(self) -> bool:
        return bool(self.restarts)


def columns(width: int) -> Columns:
    """Shares `width` out: what identifies and what is wrong get what the figures leave over."""
    roomy = width >= ROOMY
    state, bar, restarts = 12, 8 if roomy else 4, 8 if roomy else 0
    cpu, memory = bar + 1 + CPU, bar + 1 + (2 * SIZE + 3 if roomy else SIZE)
    left = max(20, width - state - cpu - memory - restarts - (5 if restarts else 4))
    name = left * 11 // 20
    return Columns(state, name, bar, cpu, memory, restarts, left - name)


def header(width: int) -> Text:
    at = columns(width)
    cells = [("state", at.state), ("container", at.name), ("cpu", at.cpu), ("memory", at.memory)]
    if at.restarts:
        cells.append(("restarts", at.restarts))
    return Text(" ".join(fit(name, size) for name, size in [*cells, ("incident", at.incident)]))


def container(each: ContainerState, incident: str, width: int, *, several: bool) -> Text:
    """`several`: whether there are containers of several hosts, so that the host must be named."""
    at = columns(width)
    word = each.health if each.health and each.status == "running" else each.status
    glyph, style = _STATES.get(word, ("○", FAINT))
    cells = [
        (fit(f"{glyph} {word}", at.state), style),
        (fit(f"{each.host}/{each.name}" if several else each.name, at.name), "bold"),
        (_cpu(each, at), _load(_cpu_share(each))),
        (_memory(each, at), _load(_memory_share(each))),
    ]
    if at.restarts:
        cells.append((fit(str(each.restarts), at.restarts, right=True), BUSY if each.restarts else FAINT))
    cells.append((fit(incident, at.incident), BAD if incident else PLAIN))
    text = Text()
    for content, cell_style in cells:
        text.append(content + " ", cell_style)
    return text


def _cpu_share(each: ContainerState) -> float | None:
    """Of its limit, of one core without one; 1 is all."""
    return None if each.cpu is None else each.cpu / 100 / (each.cpu_limit or 1.0)


def _memory_share(each: ContainerState) -> float | None:
    return each.memory / each.memory_limit if each.memory is not None and each.memory_limit else None


def _load(share: float | None) -> str:
    """The default thresholds' colours; bar and number say it too."""
    return FAINT if share is None else BAD if share >= 0.85 else BUSY if share >= 0.6 else PLAIN  # noqa: PLR2004


def _cpu(each: ContainerState, at: Columns) -> str:
    number = "-" if each.cpu is None else f"{each.cpu:.1f} %"
    return _measure(_cpu_share(each), number, at.cpu, at)


def _memory(each: ContainerState, at: Columns) -> str:
    number = "-" if each.memory is None else show_size(each.memory)
    limit = f" / {show_size(each.memory_limit)}" if at.roomy and each.memory_limit else ""
    return _measure(_memory_share(each), number + limit, at.memory, at)


def _measure(share: float | None, number: str, width: int, at: Columns) -> str:
    return f"{_bar(share, at.bar)} {fit(number, width - at.bar - 1, right=True)}"


def _bar(share: float | None, width: int) -> str:
    filled = 0 if share is None else max(0, min(width, round(share * width)))
    return "█" * filled + "·" * (width - filled)
