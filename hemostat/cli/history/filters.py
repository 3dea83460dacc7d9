"""Filters and periods shared by the commands that query the event store."""

import time
from collections.abc import Callable
from typing import Any

import click
import msgspec

from hemostat.cli.completion.names import complete_containers, complete_hosts, complete_projects
from hemostat.cli.output.local_time import Moment
from hemostat.core.history.event_row import EventQuery
from hemostat.events import Kind, Outcome

_FILTER_OPTIONS = (
    click.option(
        "--since", type=Moment(), metavar="WHEN", help="Only after this time, such as 7d or 2026-11-24."
    ),
    click.option("--until", type=Moment(), metavar="WHEN", help="Only before this time."),
    click.option("--host", metavar="NAME", shell_complete=complete_hosts, help="Only this host."),
    click.option(
        "--container", metavar="NAME", shell_complete=complete_containers, help="Only this container."
    ),
    click.option(
        "--project", metavar="NAME", shell_complete=complete_projects, help="Only this compose project."
    ),
    click.option(
        "--kind", type=click.Choice([str(each) for each in Kind]), help="Only this kind of incident."
    ),
    click.option("--outcome", type=click.Choice([str(each) for each in Outcome]), help="Only this outcome."),
)


def add_filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that `build_query` understands."""
    for option in reversed(_FILTER_OPTIONS):
        command = option(command)
    return command


def build_query(since: float | None, **filters: Any) -> EventQuery:
    return msgspec.structs.replace(EventQuery(since=since), **filters)


def resolve_span(since: float | None, until: float | None, default: float) -> tuple[float, float]:
    """The period, by default the last `default` seconds. Raises UsageError."""
    until = time.time() if until is None else until
    since = until - default if since is None else since
    if since >= until:
        raise click.UsageError("--since is not before --until")
    return since, until
