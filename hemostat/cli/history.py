"""`hemostat history`: what was stored, one line an event, oldest first."""

import csv
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from hemostat.cli.asking import filters, wanted
from hemostat.cli.options import Globals
from hemostat.cli.when import local
from hemostat.core.history.incident_log import line
from hemostat.core.text import clean
from hemostat.errors import DecodeError, UsageError
from hemostat.events import DURABLE

if TYPE_CHECKING:
    from hemostat.core.history.event_row import EventRow

COLUMNS: Final = (
    "time", "type", "host", "container", "project", "kind", "outcome", "incident", "text", "id",
)  # fmt: skip
FORMULA: Final = ("=", "+", "-", "@")


@click.command()
@filters
@click.option("--type", "type_", type=click.Choice(list(DURABLE)), help="Only events of this type.")
@click.option(
    "-n", "--lines", default=100, show_default=True, type=click.IntRange(0), help="How many, 0 for all."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@click.pass_obj
def history(given: Globals, /, type_: str | None, lines: int, as_csv: bool, **asked: Any) -> None:
    """Print the newest events that were stored, however long ago, oldest first."""
    from hemostat import app

    if as_csv and given.json:
        raise UsageError("--csv and --json cannot both be meant")
    with app.open_records(given.settings()) as records:
        rows = list(records.find(wanted(type=type_, **asked), limit=lines + 1 if lines else None))
    if lines and len(rows) > lines:
        del rows[lines:]
        click.echo(f"hemostat: only the newest {lines} events are printed: -n 0 prints all", err=True)
    rows.reverse()
    if given.json:
        for row in rows:
            sys.stdout.write(row.body + "\n")
    elif as_csv:
        _write(rows)
    else:
        for row in rows:
            about = row.container or row.host
            click.echo(clean(f"{local(row.time)}  {about:<16}  {row.type:<20}  {_text(row)}"))


def _text(row: "EventRow") -> str:
    try:
        return line(row.event)
    except DecodeError as error:
        return f"cannot be read: {error}"


def _write(rows: "list[EventRow]") -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(COLUMNS)
    for row in rows:
        known = {"time": local(row.time, "%Y-%m-%dT%H:%M:%S.%f%z"), "text": _text(row)}
        out.writerow(_cell(clean(known[name] if name in known else getattr(row, name))) for name in COLUMNS)


def _cell(text: str) -> str:
    """Names and logs come from outside: a spreadsheet must not take them for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
