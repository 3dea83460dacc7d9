"""`hemostat waiting`: lists what waits for a person, and the command that settles each item."""

import time
from datetime import datetime
from typing import Final

import click

from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.tables import Row, Table, show_table
from hemostat.cli.output.terminal import write_json
from hemostat.cli.status.status import find_waiting, read_status
from hemostat.core.history.waiting_list import WaitingItem, describe_acknowledgement
from hemostat.core.units import show_duration
from hemostat.core.wording import describe_status
from hemostat.operator import MAX_EVENTS_PER_STREAM
from hemostat.ports import Bus

LISTED_SECONDS: Final = 7 * 86400.0
"""Seconds for which a missing incident is reported as missing."""


@click.command("waiting")
@click.pass_obj
@prints_json(JsonShape("core.history.waiting_list:WaitingItem", "array"))
def waiting_list(options: Globals) -> None:
    """List what waits for a person: approvals, incidents left to people, faults of HemoStat itself.

    Acknowledged incidents are last. Exit code 3 if Redis is not running.
    """
    from contextlib import closing

    from hemostat import app

    settings, now = options.load_settings(), time.time()
    with closing(app.open_bus(settings, start=False)) as bus, app.open_operator(settings) as orders:
        system_status = read_status(bus, now, orders.read_overview)
        items = find_waiting(bus, orders, system_status, now)
        limit_note = _describe_limit(bus, now)
    if options.json:
        write_json(items)
        if limit_note:
            click.echo(f"hemostat: {limit_note}", err=True)
        return
    show_table(
        Table(
            "Waiting for a person",
            ("what", "where", "for", "settle with", "why"),
            [_make_row(each, now) for each in items],
        )
    )
    if not items:
        click.echo("nothing waits for a person")
    if limit_note:
        click.echo(limit_note)


def _describe_limit(bus: Bus, now: float) -> str:
    """From when on incidents are listed, if later outcomes hide those of the last days. Else empty."""
    outcomes = bus.read_recent("remediation_complete", MAX_EVENTS_PER_STREAM)
    if len(outcomes) < MAX_EVENTS_PER_STREAM or outcomes[0].time < now - LISTED_SECONDS:
        return ""
    moment = datetime.fromtimestamp(outcomes[0].time).astimezone()
    count = f"{MAX_EVENTS_PER_STREAM:,}"
    return (
        f"incidents from before {moment:%Y-%m-%d %H:%M:%S} are not listed, because {count} outcomes "
        "followed; see: hemostat history"
    )


def _make_row(item: WaitingItem, now: float) -> Row:
    where = f"{item.host}/{item.subject}" if item.host and item.host != item.subject else item.subject
    why = "; ".join(filter(None, (describe_acknowledgement(item), item.why)))
    age = "-" if item.since is None else show_duration(max(0.0, now - item.since))
    return Row((describe_status(item.kind), where, age, item.command, why), fault=not item.acknowledged_by)
