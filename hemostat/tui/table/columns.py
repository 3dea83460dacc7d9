"""The table's columns: which fit, and each line in exactly as many cells. Pure.

Every colour is accompanied by a word or a bar.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache, partial
from operator import attrgetter, is_not
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from hemostat.core.units import show_size
from hemostat.tui.render.limits import Cell, format_breaker, format_budget, format_pause, list_blocks
from hemostat.tui.render.text import BAD, BUSY, FAINT, GOOD, PLAIN, fit
from hemostat.tui.table.rows import ILL, Row
from hemostat.tui.table.sorting import ProjectHeading, Sort, get_arrow

CPU_WIDTH: Final = 8
"""Cells of `1600.0 %`."""
SIZE_WIDTH: Final = 10
"""Cells of `1000.0 MiB`."""
BAR_WIDTH: Final = 8
NET_WIDTH: Final = 13
"""Cells of `↓63.4K ↑ 512B`."""
TRAILS_WIDTH: Final = 24
"""Cells for sparklines. If fewer are left, SPARE_COLUMNS are dropped unless the user has chosen them."""
SPARE_COLUMNS: Final = ("image", "ports", "net")
"""Columns that are shown only if there is room to spare, the first to drop first."""
BAR_COLUMNS: Final = ("cpu", "memory")
"""Columns with a bar, which gives way to the incident."""
SHORT_NAME_WIDTH: Final = 12
"""Cells of a container's name in a narrow table."""
INCIDENT_SHARE: Final = 0.36
"""The share of the table's width for the incident, while a container has one."""
MAX_NUMBER_CHARACTERS: Final = 4
"""Cells of a number that has room for its tenths."""
MARK_WIDTH: Final = 2
"""Cells before the first column, for the mark."""
HIGH_SHARE: Final = 0.85
RISING_SHARE: Final = 0.6

UPTIME_UNITS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (0.0, ""))

_STATES: Final = {
    "healthy": ("✓", GOOD),
    "running": ("●", GOOD),
    "starting": ("◌", BUSY),
    "unhealthy": ("✗", BAD),
    "restarting": ("↻", BUSY),
    "paused": ("‖", BUSY),
    "dead": ("✗", BAD),
}


class Column(NamedTuple):
    """A column. Widths are in cells: `least` in a narrow table, `good`, and `most` in a wide one.

    If there is too little room, columns with the highest `rank` are dropped first.
    """

    least: int
    good: int
    most: int
    rank: int
    cell: Callable[[Row, int, float], Cell]
    right: bool = False


class PlacedColumn(NamedTuple):
    name: str
    width: int


def format_uptime(row: Row, now: float) -> str:
    """The largest unit of the time since the container started, so that a row rarely changes."""
    if not row.started_at:
        return "-"
    seconds = max(0.0, now - row.started_at)
    size, unit = next((size, unit) for size, unit in UPTIME_UNITS if seconds >= size)
    return f"{seconds // size:.0f} {unit}" if size else "< 1 min"


_is_known: Final = partial(is_not, None)


def find_pointless(rows: Sequence[Row], *, safety: bool, grouped: bool) -> set[str]:
    """Columns that cannot have information. `safety`: the containers' limit status is known."""
    pointless = set() if len(set(map(attrgetter("host"), rows))) > 1 else {"host"}
    pointless |= set() if safety else {"breaker", "budget"}
    pointless |= set() if any(map(attrgetter("project"), rows)) else {"project", "service"}
    pointless |= {name for name in ("image", "ports") if not any(map(attrgetter(name), rows))}
    has_limit = any(map(attrgetter("memory_limit"), rows)) or any(map(attrgetter("cpu_limit"), rows))
    pointless |= set() if has_limit else {"limit"}
    pointless |= set() if any(map(_is_known, map(attrgetter("received"), rows))) else {"net"}
    return pointless | ({"project"} if grouped else set())


def find_idle(rows: Sequence[Row]) -> set[str]:
    """Columns that say the same of every row, and nothing that needs attention: all breakers are closed, no
    budget is used, nothing was restarted, no container has an incident. `cpu` and `memory` stand for their
    bars, which are blank without a limit."""
    limits = list(filter(None, map(attrgetter("safety"), rows)))
    has_news = {
        "breaker": any(map(attrgetter("breaker.open"), limits))
        or any(map(attrgetter("breaker.half_open"), limits)),
        "budget": any(map(attrgetter("budget.used"), limits)),
        "restarts": any(map(attrgetter("restarts"), rows)),
        "cpu": any(row.cpu_share is not None for row in rows),
        "memory": any(row.memory_share is not None for row in rows),
        "incident": any(map(attrgetter("incident"), rows)) or any(map(attrgetter("silenced"), rows)),
    }
    return {name for name, is_telling in has_news.items() if not is_telling}


def lay_out(
    width: int,
    chosen_columns: Sequence[str] = (),
    without: AbstractSet[str] = frozenset(),
    idle: AbstractSet[str] = frozenset(),
) -> tuple[PlacedColumn, ...]:
    """The columns in `width` cells.

    `chosen_columns`: only these, in this order. If empty: all except `without`, and SPARE_COLUMNS only if
    there is room to spare. The columns `idle` are dropped first. Unless it is one of them, the incident gets
    INCIDENT_SHARE of the width before any other column gets more than its numbers.
    """
    usual = [name for name in COLUMNS if name not in without]
    for spare in (name for name in SPARE_COLUMNS if name in usual):
        if not _fits(_measure_good(usual, width, idle), width - MARK_WIDTH - TRAILS_WIDTH):
            usual.remove(spare)
    return _lay_out(width, tuple(chosen_columns) or tuple(usual), frozenset(idle))


@lru_cache(maxsize=32)
def _lay_out(width: int, names: tuple[str, ...], idle: frozenset[str]) -> tuple[PlacedColumn, ...]:
    room = width - MARK_WIDTH
    chosen = [name for name in names if name in COLUMNS]
    droppable = _list_droppable(chosen, idle)
    while droppable and not _fits(_measure_good(chosen, width, idle), room):
        chosen.remove(droppable.pop())
    while len(chosen) > 1 and not _fits({name: COLUMNS[name].least for name in chosen}, room):
        chosen.remove(max(chosen, key=lambda name: COLUMNS[name].rank))
    widths = _measure_good(chosen, width, idle)
    _shrink(widths, room)
    _grow(widths, room - sum(widths.values()) - len(chosen) + 1)
    return tuple(PlacedColumn(name, widths[name]) for name in chosen)


def _measure_good(names: Iterable[str], width: int, idle: AbstractSet[str]) -> dict[str, int]:
    """The good width of each column."""
    bare_columns = idle & {*BAR_COLUMNS}
    widths = {name: COLUMNS[name].least if name in bare_columns else COLUMNS[name].good for name in names}
    if "incident" in widths and "incident" not in idle:
        widths["incident"] = max(widths["incident"], int(width * INCIDENT_SHARE))
    return widths


def _fits(widths: Mapping[str, int], room: int) -> bool:
    return sum(widths.values()) + len(widths) - 1 <= room


def _list_droppable(names: Sequence[str], idle: AbstractSet[str]) -> list[str]:
    """Optional columns, the first to drop last."""
    spare = [name for name in names if COLUMNS[name].rank >= NICE_RANK]
    return sorted(spare, key=lambda name: (name in idle, COLUMNS[name].rank))


def _shrink(widths: dict[str, int], room: int) -> None:
    """Take the cells that are too many, first from the bars, then from the incident, then from the others."""
    floors = [
        *((name, COLUMNS[name].least) for name in BAR_COLUMNS),
        ("incident", COLUMNS["incident"].good),
        ("container", SHORT_NAME_WIDTH),
        *((name, COLUMNS[name].least) for name in ("incident", *widths)),
    ]
    for name, floor in ((name, floor) for name, floor in floors if name in widths):
        excess = max(0, sum(widths.values()) + len(widths) - 1 - room)
        widths[name] = min(widths[name], max(floor, widths[name] - excess))


def _grow(widths: dict[str, int], spare: int) -> None:
    """Distribute the remaining cells evenly."""
    while spare > 0:
        growing = [name for name in widths if widths[name] < COLUMNS[name].most]
        if not growing:
            return
        for name in growing[:spare]:
            widths[name] += 1
        spare -= len(growing[:spare])


def draw_header(placed: Sequence[PlacedColumn], width: int, sort: Sort, *, reverse: bool) -> Text:
    by = "container" if sort == "name" else sort
    arrow = get_arrow(sort, reverse=reverse)
    cells = [
        fit(name + (arrow if name == by else ""), size, right=COLUMNS[name].right) for name, size in placed
    ]
    return Text(fit(" " * MARK_WIDTH + " ".join(cells), width))


def draw_line(row: Row, placed: Sequence[PlacedColumn], now: float, *, marked: bool) -> Text:
    text = Text().append("◆ " if marked else "  ", "bold")
    names = {name for name, _ in placed}
    for number, (name, width) in enumerate(placed):
        column = COLUMNS[name]
        content, style = column.cell(row, width, now)
        if name == "incident":
            # Limits that delay the action are shown here if they have no column of their own.
            quiet = [format_pause(row.silenced, now)] if row.silenced else []
            parts = [*quiet, *list_blocks(row.safety, now, names), content]
            bad = FAINT if row.acknowledged or row.is_closed else BAD
            content, style = ", ".join(filter(None, parts)), bad if any(parts) else PLAIN
        text.append((" " if number else "") + fit(content, width, right=column.right), style)
    return text


def draw_heading(group: ProjectHeading, width: int) -> Text:
    name = group.project or "no project"
    faults = f", {group.faults} with a fault" if group.faults else ""
    text = fit(f"─ {name} ({group.size}{faults}) ", width).rstrip()
    return Text(text + " " + "─" * (width - cell_len(text) - 1), BAD if faults else FAINT)


def _draw_state(row: Row, _: int, __: float) -> Cell:
    glyph, style = _STATES.get(row.word, ("○", BUSY if row.ended_badly else FAINT))
    if row.rank <= ILL or (row.is_closed and row.fault):
        glyph, style = "✗", BAD
    return f"{glyph} {row.word}", style


def _draw_cpu(row: Row, width: int, _: float) -> Cell:
    number = "-" if row.cpu is None else f"{row.cpu:.1f} %"
    top = 100 * (row.cpu_limit or 1.0)
    return _draw_measure(row.cpu_share, fit(number, CPU_WIDTH, right=True), row.trail.cpu, top, width)


def _draw_memory(row: Row, width: int, _: float) -> Cell:
    number = "-" if row.memory is None else show_size(row.memory)
    measured = [value for value in row.trail.memory if value is not None]
    top = float(row.memory_limit or max(measured, default=0.0))
    return _draw_measure(row.memory_share, fit(number, SIZE_WIDTH, right=True), row.trail.memory, top, width)


def _draw_measure(
    share: float | None, number: str, trail: Sequence[float | None], top: float, width: int
) -> Cell:
    """As much of sparkline, bar and number as fits."""
    style = (
        FAINT if share is None else BAD if share >= HIGH_SHARE else BUSY if share >= RISING_SHARE else PLAIN
    )
    room = width - len(number) - 1
    if room < 1:
        return number, style
    size = room if room <= BAR_WIDTH + 1 else BAR_WIDTH
    line = f"{draw_sparkline(trail, top, room - size - 1)} " if size < room else ""
    return f"{line}{draw_bar(share, size)} {number}", style


def _draw_net(row: Row, _: int, __: float) -> Cell:
    if row.received is None or row.sent is None:
        return "-", FAINT
    return (
        f"↓{_format_bytes(row.received):>5} ↑{_format_bytes(row.sent):>5}",
        PLAIN if row.received or row.sent else FAINT,
    )


def _format_bytes(count: float) -> str:
    """Bytes in five cells: `512B`, `63.4K`."""
    number, unit = show_size(count).split()
    return f"{float(number):.0f}{unit[0]}" if len(number) > MAX_NUMBER_CHARACTERS else f"{number}{unit[0]}"


def _draw_limit(row: Row, _: int, __: float) -> Cell:
    cores = f"{row.cpu_limit:g} cpu" if row.cpu_limit else ""
    return " ".join(filter(None, (cores, show_size(row.memory_limit) if row.memory_limit else ""))), FAINT


def _draw_image(row: Row, _: int, __: float) -> Cell:
    """The image without its registry: the end of a long name tells images apart."""
    return row.image.rpartition("/")[2], FAINT


def draw_bar(share: float | None, width: int) -> str:
    """The bar; blank if the share is unknown, as that of a stopped container."""
    if share is None:
        return " " * width
    filled = max(0, min(width, round(share * width)))
    return "█" * filled + "·" * (width - filled)


def draw_sparkline(values: Sequence[float | None], top: float, width: int) -> str:
    """The last `width` values, oldest first, in eighths of `top`. A missing value is blank."""
    visible = values[-width:]
    return " " * (width - len(visible)) + "".join(_choose_eighth(value, top) for value in visible)


def _choose_eighth(value: float | None, top: float) -> str:
    if value is None or top <= 0:
        return " "
    return "▁▂▃▄▅▆▇█"[max(0, min(7, int(value / top * 8)))]


NICE_RANK: Final = 4
"""The rank from which a column is dropped before the others are narrowed."""

COLUMNS: Final[Mapping[str, Column]] = {
    "host": Column(6, 10, 20, 3, lambda row, _, __: (row.host, PLAIN)),
    "state": Column(12, 12, 12, 0, _draw_state),
    "container": Column(10, 16, 34, 0, lambda row, _, __: (row.name, "bold")),
    "up": Column(7, 7, 7, 5, lambda row, _, now: (format_uptime(row, now), FAINT), right=True),
    "project": Column(8, 10, 18, 8, lambda row, _, __: (row.project, PLAIN)),
    "service": Column(8, 10, 18, 10, lambda row, _, __: (row.service, PLAIN)),
    "cpu": Column(CPU_WIDTH, CPU_WIDTH + 5, CPU_WIDTH + BAR_WIDTH + 24, 2, _draw_cpu),
    "memory": Column(SIZE_WIDTH, SIZE_WIDTH + 5, SIZE_WIDTH + BAR_WIDTH + 24, 3, _draw_memory),
    "net": Column(NET_WIDTH, NET_WIDTH, NET_WIDTH, 11, _draw_net),
    "limit": Column(10, 14, 18, 9, _draw_limit, right=True),
    "restarts": Column(
        8, 8, 8, 7, lambda row, _, __: (str(row.restarts), BUSY if row.restarts else FAINT), right=True
    ),
    "breaker": Column(10, 10, 10, 4, lambda row, _, now: format_breaker(row.safety, now)),
    "budget": Column(9, 9, 9, 6, lambda row, _, now: format_budget(row.safety, now)),
    "image": Column(10, 16, 30, 12, _draw_image),
    "ports": Column(5, 9, 16, 13, lambda row, _, __: (",".join(map(str, row.ports)), FAINT)),
    "incident": Column(10, 18, 200, 1, lambda row, _, __: (row.incident, BAD)),
}
"""All columns in their usual order."""
