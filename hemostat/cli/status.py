"""`hemostat status`: one look at containers, open incidents and roles."""

import json
import time
from collections.abc import Callable
from typing import Final

import click

from hemostat.cli.options import Globals
from hemostat.cli.picture import headline, tables
from hemostat.cli.tables import show
from hemostat.core.history.status import SystemStatus, picture
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.core.text import clean
from hemostat.errors import BusError
from hemostat.events import DURABLE
from hemostat.ports import Bus
from hemostat.streams import BY_NAME

HISTORY: Final = 2000
"""Events of each type from which open incidents are told: a tenth of a second where there are so many."""


@click.command()
@click.pass_obj
def status(given: Globals) -> None:
    """Show containers, open incidents and roles. Exit code 3 when no Redis is running."""
    from hemostat import app

    settings, now = given.settings(), time.time()
    try:
        bus = app.open_bus(settings, start=False)
        try:
            with app.open_orders(settings) as orders:
                shown = look(bus, now, orders.overview)
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
    for table in tables(shown, now):
        show(table)


def look(bus: Bus, now: float, overview: Callable[[str], HostLimitStatus]) -> SystemStatus:
    """`overview` tells where a host stands towards the limits."""
    history = [event for name in DURABLE for event in bus.recent(name, HISTORY)]
    beats, stats = bus.last("heartbeat"), bus.last("container_stats")
    hosts = sorted({event.host for event in (*beats, *stats)})
    return picture(
        beats,
        stats,
        history,
        expected=tuple(BY_NAME),
        now=now,
        buried=bus.buried(),
        safety={host: overview(host) for host in hosts},
    )
