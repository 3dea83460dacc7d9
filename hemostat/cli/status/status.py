"""`hemostat status`: prints containers, open incidents and roles once."""

import sys
import time
from collections.abc import Callable

import click
import msgspec

from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.tables import exceed_terminal, show_table
from hemostat.cli.output.terminal import fold_line, write_json
from hemostat.cli.status.status_tables import format_headline, make_tables
from hemostat.core.history.status import SystemStatus, build_status, select_faults
from hemostat.core.history.waiting_list import (
    DeadLetterSummary,
    WaitingItem,
    count_unacknowledged,
    list_waiting,
)
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.core.text import escape_controls
from hemostat.errors import BusError
from hemostat.events import DURABLE
from hemostat.operator import MAX_EVENTS_PER_STREAM, OperatorCommands
from hemostat.ports import Bus
from hemostat.streams import ROLES, ROLES_BY_NAME


class StatusOutput(SystemStatus, frozen=True, kw_only=True):
    """`waiting` waits for a person. `error`: why Redis could not be read; missing where it was read."""

    waiting: tuple[WaitingItem, ...]
    error: str | msgspec.UnsetType = msgspec.UNSET


@click.command()
@click.option("--faults", is_flag=True, help="Show only incidents, and roles and containers with a fault.")
@click.pass_obj
@prints_json(JsonShape("cli.status.status:StatusOutput"))
def status(options: Globals, faults: bool) -> None:
    """Show containers, open incidents and roles. Exit code 3 if Redis is not running.

    On a terminal with too few lines the open incidents are last.
    """
    from hemostat import app

    settings, now = options.load_settings(), time.time()
    try:
        bus = app.open_bus(settings, start=False)
        try:
            with app.open_operator(settings) as orders:
                system_status = read_status(bus, now, orders.read_overview)
                items = find_waiting(bus, orders, system_status, now)
        finally:
            bus.close()
    except BusError as error:
        if options.json:
            nothing = build_status((), (), (), expected=tuple(ROLES_BY_NAME), now=0.0)
            write_json(_build_output(nothing, error=str(error)))
        raise
    if options.json:
        write_json(_build_output(select_faults(system_status) if faults else system_status, items))
        return
    headline = escape_controls(format_headline(system_status, count_unacknowledged(items)))
    headline = fold_line(headline, sys.stdout)
    tables = make_tables(system_status, now, faults=faults)
    scrolls = exceed_terminal(tables)
    click.echo(headline)
    for table in [*tables[1:], tables[0]] if scrolls else tables:
        show_table(table)
    if scrolls:
        click.echo(f"\n{headline}")


def _build_output(
    system_status: SystemStatus,
    items: tuple[WaitingItem, ...] = (),
    error: str | msgspec.UnsetType = msgspec.UNSET,
) -> StatusOutput:
    fields = {name: getattr(system_status, name) for name in SystemStatus.__struct_fields__}
    return StatusOutput(**fields, waiting=items, error=error)


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


def find_waiting(
    bus: Bus, orders: OperatorCommands, system_status: SystemStatus, now: float
) -> tuple[WaitingItem, ...]:
    """What waits for a person."""
    return list_waiting(
        system_status,
        orders.list_approvals(),
        commands={role.name: role.command for role in ROLES},
        dead_letters=_summarize_dead_letters(bus, now),
        now=now,
    )


def _summarize_dead_letters(bus: Bus, now: float) -> DeadLetterSummary | None:
    newest = bus.read_last_dead_letter()
    if newest is None or not newest.is_recent(now):
        return None
    count = bus.count_dead_letters()
    noun = "event" if count == 1 else "events"
    return DeadLetterSummary(newest.time, f"{count:,} {noun} could not be handled, {newest.describe(now)}")
