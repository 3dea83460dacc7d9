"""Prints tables: with rich on a terminal, as plain aligned text into a pipe."""

import sys
from collections.abc import Sequence
from typing import Final

import click
import msgspec

from hemostat.cli.output.terminal import is_interactive, make_console
from hemostat.core.text import escape_controls
from hemostat.terminal import find_height

TABLE_LINES: Final = 3
"""Lines of a table beside its rows: an empty one, the title and the names of the columns."""
HEADLINE_LINES: Final = 2
"""Lines above the tables, and of the prompt below."""


class Row(msgspec.Struct, frozen=True):
    cells: tuple[str, ...]
    fault: bool = False
    """Shown in red on a colour terminal. The cells must express it in text too."""


class Table(msgspec.Struct, frozen=True):
    title: str
    columns: tuple[str, ...]
    rows: Sequence[Row]


def show_table(table: Table) -> None:
    if not table.rows:
        return
    if is_interactive():
        _show_rich(table)
    else:
        click.echo("\n".join(["", *format_plain(table)]))


def exceed_terminal(tables: Sequence[Table]) -> bool:
    """Whether the tables have more lines than the terminal. False without a terminal."""
    height = find_height(sys.stdout) if is_interactive() else None
    lines = sum(TABLE_LINES + len(table.rows) for table in tables if table.rows)
    return height is not None and lines + HEADLINE_LINES > height


def format_plain(table: Table) -> list[str]:
    """The lines of a table, with aligned columns and without cuts."""
    cells = [table.columns, *(tuple(escape_controls(cell) for cell in row.cells) for row in table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.columns))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return [table.title.upper(), *lines]


def _show_rich(table: Table) -> None:
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(title=table.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    last = len(table.columns) - 1
    for number, name in enumerate(table.columns):
        drawn.add_column(name, no_wrap=number < last, overflow="ellipsis", header_style="dim")
    for row in table.rows:
        drawn.add_row(
            *(Text(escape_controls(cell)) for cell in row.cells), style="bold red" if row.fault else ""
        )
    screen = make_console()
    screen.print()
    screen.print(drawn)
