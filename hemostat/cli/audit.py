"""`hemostat audit`: whether what is stored is what was stored."""

import json
from typing import TYPE_CHECKING

import click
import msgspec

from hemostat import errors
from hemostat.cli.options import Globals
from hemostat.cli.root import Group
from hemostat.core.text import clean
from hemostat.errors import BusError, UsageError

if TYPE_CHECKING:
    from hemostat.config import Settings
    from hemostat.core.audit import End, Ends, Finding, Noted


@click.group(cls=Group)
def audit() -> None:
    """Check the trail of everything that was stored."""


@audit.command()
@click.pass_obj
def head(given: Globals) -> None:
    """Print the end of the trail as NUMBER:HASH, to be noted where nobody here can write."""
    from hemostat import app

    with app.open_records(given.settings()) as records:
        ends = records.ends()
    told = {"trail": ends.trail, "number": ends.head.number, "hash": ends.head.hash.hex()}
    click.echo(json.dumps(told) if given.json else str(ends.head))


@audit.command()
@click.option("--head", "noted_head", metavar="NUMBER:HASH", help="An end as it was noted before.")
@click.pass_obj
def verify(given: Globals, noted_head: str | None) -> int:
    """Find rows that were changed, removed or reordered since they were stored; exit code 1 if there are
    any."""
    from hemostat import app
    from hemostat.core.audit import Noted
    from hemostat.core.audit import verify as check

    settings = given.settings()
    own = _read(noted_head) if noted_head else None
    with app.open_records(settings) as records:
        before = _noted(settings, records.ends().trail)
        with records.trail() as (ends, links):
            # What is noted of the beginning may have moved on since then: rows go after it was noted.
            after = _noted(settings, ends.trail) or Noted()
            known = before or Noted()
            noted = Noted(anchor=after.anchor, head=own or known.head)
            found = list(check(links, ends, noted))
    if given.json:
        click.echo(json.dumps(_told(ends, noted, found)))
    else:
        _say(ends, noted, found)
    return errors.FAILURE if found else errors.OK


def _noted(settings: "Settings", trail: str) -> "Noted | None":
    from hemostat import app

    try:
        with app.open_notary(settings) as notary:
            return notary.noted(trail)
    except BusError:
        return None


def _read(text: str) -> "End":
    from hemostat.core.audit import End

    number, _, digest = text.partition(":")
    try:
        return End(int(number), bytes.fromhex(digest))
    except ValueError:
        hint = "as hemostat audit head prints it"
        raise UsageError(f"--head {text!r} is not NUMBER:HASH", hint=hint) from None


def _say(ends: "Ends", noted: "Noted", found: "list[Finding]") -> None:
    for each in found:
        click.echo(clean(each.text))
    rows = f"rows {ends.anchor.number + 1:,} to {ends.head.number:,} of trail {ends.trail}"
    if not found:
        empty = ends.anchor.number == ends.head.number
        click.echo(f"{'nothing is stored' if empty else f'{rows} are as they were stored'}; head {ends.head}")
    if noted.head is None:
        click.echo("hemostat: no head is noted elsewhere: an end that was cut off would not show", err=True)


def _told(ends: "Ends", noted: "Noted", found: "list[Finding]") -> dict[str, object]:
    return {
        "trail": ends.trail,
        "first": ends.anchor.number + 1,
        "last": ends.head.number,
        "head": str(ends.head),
        "noted": None if noted.head is None else str(noted.head),
        "findings": msgspec.to_builtins(found),
    }
