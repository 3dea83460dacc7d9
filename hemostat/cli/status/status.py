"""`hemostat status`: prints containers, open incidents and roles once."""

import json
import time
from collections.abc import Callable
from typing import Final

import click

from hemostat.cli.options import Globals
from hemostat.cli.output.tables import show_table
from hemostat.cli.status.status_tables import format_headline, make_tables
from hemostat.core.history.status import SystemStatus, build_status
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.core.text import escape_controls
from hemostat.errors import BusError
from hemostat.events import DURABLE
from hemostat.ports import Bus
from hemostat.streams import ROLES_BY_NAME

MAX_EVENTS_PER_STREAM: Final = 2000
"""Events of each type that are read for open incidents. So many take a tenth of a second."""


@click.command()
@click.pass_obj
def status(options: Globals) -> None:
    """Show containers, open incidents and roles. Exit code 3 if Redis is not running."""
    from hemostat import app

    settings, now = options.load_settings(), time.time()
    try:
        bus = app.open_bus(settings, start=False)
        try:
            with app.open_operator(settings) as orders:
                system_status = read_status(bus, now, orders.read_overview)
        finally:
            bus.close()
    except BusError as error:
        if options.json:
            click.echo(
                json.dumps(
                    {
                        **build_status((), (), (), expected=tuple(ROLES_BY_NAME), now=0.0).to_dict(),
                        "error": str(error),
                    }
                )
            )
        raise
    if options.json:
        click.echo(json.dumps(system_status.to_dict()))
        return
    click.echo(escape_controls(format_headline(system_status)))
    for table in make_tables(system_status, now):
        show_table(table)


def read_status(bus: Bus, now: float, overview: Callable[[str], HostLimitStatus]) -> SystemStatus:
    """The status. `overview` returns a host's limit status."""
    history = [event for name in DURABLE for event in bus.read_recent(name, MAX_EVENTS_PER_STREAM)]
    beats, stats = bus.read_last_values("heartbeat"), bus.read_last_values("container_stats")
    hosts = sorted({event.host for event in (*beats, *stats)})
    return build_status(
        beats,
        stats,
        history,
        expected=tuple(ROLES_BY_NAME),
        now=now,
        buried=bus.count_dead_letters(),
        safety={host: overview(host) for host in hosts},
    )
