"""`hemostat history`: queries stored events, one line an event, oldest first."""

import csv
import re
import sys
from collections.abc import Iterable
from typing import Any, Final

import click
import msgspec

from hemostat.cli.history.filters import add_filters, build_query
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.local_time import format_local
from hemostat.cli.output.terminal import write_json
from hemostat.core.history.event_row import EventPosition, EventRow
from hemostat.core.history.sentences import format_event_line
from hemostat.core.text import escape_controls
from hemostat.core.wording import describe_event_type
from hemostat.errors import DecodeError, UsageError
from hemostat.events import DURABLE, Epoch

COLUMNS: Final = (
    "time", "type", "host", "container", "project", "kind", "outcome", "incident", "text", "id",
)  # fmt: skip
NEXT_NOTE: Final = (
    "If there are older events, the first line has the field `next`: the value of --before for the next page."
)
FORMULA_SIGNS: Final = "=+@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH COMMERCIAL AT}"
FORMULA_START: Final = re.compile(rf"(?:^|(?<=;))(?=\s*[-\N{{FULLWIDTH HYPHEN-MINUS}}{FORMULA_SIGNS}])")
"""Where a spreadsheet takes text for a formula: at the start of a cell. A semicolon separates cells where the
comma is the decimal sign."""


class UnreadableEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A stored event that cannot be read, such as one of another version. `body` is the stored text."""

    id: str
    type: str
    time: Epoch
    host: str
    error: str
    body: str
    next: str | msgspec.UnsetType = msgspec.UNSET


class Cursor(click.ParamType[EventPosition]):
    name = "cursor"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> EventPosition:
        try:
            return EventPosition.parse(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a cursor that `hemostat history` has printed", param, ctx)


@click.command()
@add_filters
@click.option("--type", "type_", type=click.Choice(list(DURABLE)), help="Only events of this type.")
@click.option(
    "-n",
    "--lines",
    "--limit",
    "lines",
    default=100,
    show_default=True,
    type=click.IntRange(0),
    help="Maximum number. 0: all.",
)
@click.option(
    "--before",
    type=Cursor(),
    metavar="CURSOR",
    help="Only older events, from the cursor of the page before: the next page.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@click.pass_obj
@prints_json(
    JsonShape("events:Event", "lines", note=NEXT_NOTE),
    JsonShape("cli.history.history:UnreadableEvent", "lines", when="an event cannot be read"),
)
def history(
    options: Globals,
    /,
    type_: str | None,
    lines: int,
    before: EventPosition | None,
    as_csv: bool,
    **filters: Any,
) -> None:
    """Query stored events. Prints the newest events, oldest first.

    If there are older events, the cursor of the next page is printed to stderr, and is the field `next` of
    the first line of --json. New events do not move the pages.
    """
    from hemostat import app

    if as_csv and options.json:
        raise UsageError("--csv and --json cannot be combined")
    settings = options.load_settings()
    with app.open_event_store(settings) as records:
        query = build_query(type=type_, **filters)
        page = records.find_page(query, limit=lines, before=before)
        if page.next is not None:
            _tell_next(lines, page.next, is_first=before is None)
        rows = records.iterate_page(query, page)
        if options.json:
            _write_json_lines(rows, page.next)
        elif as_csv:
            _write_csv(rows)
        else:
            _write_lines(rows, has_several_hosts=len(settings.engines) > 1)


def _tell_next(lines: int, cursor: EventPosition, *, is_first: bool) -> None:
    which = f"the newest {lines}" if is_first else f"{lines}"
    text = f"only {which} events are printed; --before {cursor} prints the next page, -n 0 all"
    click.echo(f"hemostat: {text}", err=True)


def _write_lines(rows: Iterable[EventRow], *, has_several_hosts: bool) -> None:
    for row in rows:
        subject, kind = row.container or row.host, describe_event_type(row.type)
        subject = (
            f"{row.host}/{subject}"
            if has_several_hosts and row.container and row.type != "decision"
            else subject
        )
        click.echo(
            escape_controls(f"{format_local(row.time)}  {subject:<16}  {kind:<11}  {_format_text(row)}")
        )


def _write_json_lines(rows: Iterable[EventRow], cursor: EventPosition | None) -> None:
    """The events as published, with fields that this version does not know. The first has the cursor."""
    following = {} if cursor is None else {"next": str(cursor)}
    for row in rows:
        try:
            event, fields = row.event, msgspec.json.decode(row.body)
            fields.pop("next", None)
            write_json(event, {**fields, **following})
        except (DecodeError, RecursionError) as error:
            write_json(_build_unreadable(row, str(error), following.get("next")))
        following = {}


def _build_unreadable(row: EventRow, error: str, cursor: str | None) -> UnreadableEvent:
    return UnreadableEvent(
        id=row.id,
        type=row.type,
        time=row.time,
        host=row.host,
        error=error,
        body=row.body,
        next=cursor or msgspec.UNSET,
    )


def _format_text(row: EventRow) -> str:
    try:
        return format_event_line(row.event)
    except DecodeError as error:
        return f"cannot be read: {error}"


def _write_csv(rows: Iterable[EventRow]) -> None:
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
    return FORMULA_START.sub("'", text)
