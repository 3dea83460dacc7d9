"""`hemostat status`: one look at containers, open incidents and roles."""

import json
import time
from typing import Final

import click

from hemostat.cli.options import Globals
from hemostat.cli.picture import headline, tables
from hemostat.cli.tables import show
from hemostat.core.picture import Picture, picture
from hemostat.core.text import clean
from hemostat.errors import BusError
from hemostat.events import DURABLE
from hemostat.ports import Bus
from hemostat.topology import BY_NAME

HISTORY: Final = 2000
"""Events of each type from which open incidents are told: a tenth of a second where there are so many."""


@click.command()
@click.pass_obj
def status(given: Globals) -> None:
    """Show containers, open incidents and roles. Exit code 3 when no Redis is running."""
    from hemostat import app

    settings = given.settings()
    try:
        bus = app.open_bus(settings, start=False)
        try:
            shown = look(bus, time.time())
        finally:
            bus.close()
    except BusError as error:
        if given.json:
            click.echo(
                json.dumps(
                    {**picture((), (), (), expected=tuple(BY_NAME), now=0.0).told(), "error": str(error)}
                )
            )
        raise
    if given.json:
        click.echo(json.dumps(shown.told()))
        return
    click.echo(clean(headline(shown)))
    for table in tables(shown):
        show(table)


def look(bus: Bus, now: float) -> Picture:
    history = [event for name in DURABLE for event in bus.recent(name, HISTORY)]
    return picture(
        bus.last("heartbeat"),
        bus.last("container_stats"),
        history,
        expected=tuple(BY_NAME),
        now=now,
        buried=bus.buried(),
    )
