"""`hemostat history`: queries stored events, one line an event, oldest first."""

import csv
import sys
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from hemostat.cli.history.filters import add_filters, build_query
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.local_time import format_local
from hemostat.cli.output.terminal import write_json
from hemostat.core.history.incident_log import format_event_line
from hemostat.core.text import escape_controls
from hemostat.errors import DecodeError, UsageError
from hemostat.events import DURABLE, Epoch

if TYPE_CHECKING:
    from hemostat.core.history.event_row import EventRow

COLUMNS: Final = (
    "time", "type", "host", "container", "project", "kind", "outcome", "incident", "text", "id",
)  # fmt: skip
FORMULA_PREFIXES: Final = ("=", "+", "-", "@")


class UnreadableEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A stored event that cannot be read, such as one of another version. `body` is the stored text."""

    id: str
    type: str
    time: Epoch
    host: str
    error: str
    body: str


@click.command()
@add_filters
@click.option("--type", "type_", type=click.Choice(list(DURABLE)), help="Only events of this type.")
@click.option(
    "-n", "--lines", default=100, show_default=True, type=click.IntRange(0), help="Maximum number. 0: all."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@click.pass_obj
@prints_json(
    JsonShape("events:Event", "lines"),
    JsonShape("cli.history.history:UnreadableEvent", "lines", when="an event cannot be read"),
)
def history(options: Globals, /, type_: str | None, lines: int, as_csv: bool, **asked: Any) -> None:
    """Query stored events. Prints the newest events, oldest first."""
    from hemostat import app

    if as_csv and options.json:
        raise UsageError("--csv and --json cannot be combined")
    with app.open_event_store(options.load_settings()) as records:
        rows = list(records.find(build_query(type=type_, **asked), limit=lines + 1 if lines else None))
    if lines and len(rows) > lines:
        del rows[lines:]
        click.echo(f"hemostat: only the newest {lines} events are printed; -n 0 prints all", err=True)
    rows.reverse()
    if options.json:
        for row in rows:
            _write_row(row)
    elif as_csv:
        _write_csv(rows)
    else:
        for row in rows:
            subject = row.container or row.host
            click.echo(
                escape_controls(
                    f"{format_local(row.time)}  {subject:<16}  {row.type:<20}  {_format_text(row)}"
                )
            )


def _write_row(row: "EventRow") -> None:
    """The event as published, with fields that this version does not know."""
    try:
        write_json(row.event, msgspec.json.decode(row.body))
    except (DecodeError, RecursionError) as error:
        write_json(
            UnreadableEvent(
                id=row.id, type=row.type, time=row.time, host=row.host, error=str(error), body=row.body
            )
        )


def _format_text(row: "EventRow") -> str:
    try:
        return format_event_line(row.event)
    except DecodeError as error:
        return f"cannot be read: {error}"


def _write_csv(rows: "list[EventRow]") -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(COLUMNS)
    for row in rows:
        formatted = {"time": format_local(row.time, "%Y-%m-%dT%H:%M:%S.%f%z"), "text": _format_text(row)}
        out.writerow(
            _escape_cell(escape_controls(formatted[name] if name in formatted else getattr(row, name)))
            for name in COLUMNS
        )


def _escape_cell(text: str) -> str:
    """Text that a spreadsheet does not take for a formula: names and logs come from outside."""
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) else text
