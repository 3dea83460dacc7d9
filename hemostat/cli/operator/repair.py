"""`hemostat repair`: lists unreadable rows in Redis and, with --clear, removes them."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

import click
import msgspec

from hemostat.cli.operator.decisions import by_option, find_user
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.tables import Row as Line
from hemostat.cli.output.tables import Table, show_table
from hemostat.cli.output.terminal import write_json
from hemostat.core.text import escape_controls
from hemostat.errors import BusError, UsageError
from hemostat.terminal import can_ask

if TYPE_CHECKING:
    from hemostat.adapters.redis import Client
    from hemostat.adapters.redis.rows import AsideRow, Row

MAX_TEXT_CHARACTERS: Final = 100
"""Characters of a key, a field or a reason that are shown."""


class UnreadableRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row in Redis. `state` is `set aside` or `in place`. `raw` is its beginning in base64, `size` its
    length in bytes. `time` (local) and `time_iso` (UTC) are when it was set aside, null for a row in
    place."""

    state: str
    key: str
    field: str
    reason: str
    size: int
    raw: str
    time: str | None = None
    time_iso: str | None = None


@click.command()
@click.option("--clear", is_flag=True, help="Remove the rows. This ends a pause whose row is unreadable.")
@click.option("--yes", "-y", is_flag=True, help="Skip the confirmation.")
@by_option
@click.pass_obj
@prints_json(JsonShape("cli.operator.repair:UnreadableRow", "array"))
def repair(options: Globals, clear: bool, yes: bool, by: str | None) -> None:
    """List unreadable rows in Redis: rows that were set aside, and rows still in place.

    Only users that may run SCAN see the rows in place.
    """
    from hemostat import app

    settings = options.load_settings()
    with app.open_redis(settings) as redis:
        unreadable, in_place, objection = _find(redis)
        rows = [
            *(_describe_aside(each) for each in unreadable.values()),
            *(_describe_in_place(each) for each in in_place),
        ]
        _show(options, rows, objection)
        if not (clear and rows):
            return
        _confirm(len(rows), yes=yes)
        _clear(options, redis, unreadable, in_place, by or find_user())
    click.echo(f"{len(rows)} removed", err=True)


def _find(redis: "Client") -> tuple[dict[bytes, "AsideRow"], list["Row"], str]:
    from hemostat.adapters.redis.repair import find_in_place, list_aside

    unreadable = list_aside(redis)
    try:
        return unreadable, find_in_place(redis), ""
    except BusError as error:
        return unreadable, [], f"rows in place were not checked: {error.message}"


def _clear(
    options: Globals, redis: "Client", unreadable: dict[bytes, "AsideRow"], in_place: list["Row"], by: str
) -> None:
    from hemostat import app
    from hemostat.adapters.redis.controls import PAUSES_KEY
    from hemostat.adapters.redis.repair import clear_aside, remove_in_place

    clear_aside(redis, list(unreadable))
    for row in in_place:
        if row.key == PAUSES_KEY and row.raw and row.field.isascii():
            with app.open_operator(options.load_settings()) as orders:
                orders.resume(row.field.decode(), by=by, reason="the pause was unreadable")
        else:
            remove_in_place(redis, row)


def _confirm(count: int, *, yes: bool) -> None:
    if yes:
        return
    if not can_ask():
        raise UsageError("nothing was removed: no terminal for the confirmation", hint="add --yes")
    click.confirm(f"remove {count} row{'s' if count > 1 else ''}?", abort=True, err=True)


def _show(options: Globals, rows: list[UnreadableRow], objection: str) -> None:
    if objection:
        click.echo(escape_controls(objection), err=True)
    if options.json:
        write_json(rows)
    elif rows:
        lines = [
            Line(
                (
                    each.state,
                    each.key[:MAX_TEXT_CHARACTERS],
                    each.field[:MAX_TEXT_CHARACTERS],
                    each.reason[:MAX_TEXT_CHARACTERS],
                )
            )
            for each in rows
        ]
        show_table(Table("Unreadable rows", ("state", "key", "field", "why"), lines))
    else:
        click.echo("all rows are readable")


def _describe_aside(row: "AsideRow") -> UnreadableRow:
    from hemostat.json_output import format_iso

    return UnreadableRow(
        state="set aside",
        key=row.key,
        field=row.field,
        reason=row.reason,
        size=row.size,
        raw=row.raw,
        time=_format_moment(row.time),
        time_iso=format_iso(row.time),
    )


def _format_moment(time: float) -> str | None:
    try:
        return datetime.fromtimestamp(time).astimezone().isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None


def _describe_in_place(row: "Row") -> UnreadableRow:
    import base64

    from hemostat.adapters.redis.rows import MAX_ROW_BYTES, decode_name

    return UnreadableRow(
        state="in place",
        key=row.key,
        field=decode_name(row.field),
        reason=row.reason,
        size=len(row.raw),
        raw=base64.b64encode(row.raw[:MAX_ROW_BYTES]).decode(),
    )
