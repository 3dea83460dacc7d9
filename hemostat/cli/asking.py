"""Filters and periods shared by the commands that query the event store."""

import time
from collections.abc import Callable
from typing import Any

import click
import msgspec

from hemostat.cli.when import Moment
from hemostat.core.history.event_row import EventQuery
from hemostat.events import Kind, Outcome

_FILTER_OPTIONS = (
    click.option("--since", type=Moment(), metavar="WHEN", help="From then on, such as 7d or 2026-11-24."),
    click.option("--until", type=Moment(), metavar="WHEN", help="Up to then."),
    click.option("--host", metavar="NAME", help="Of this host."),
    click.option("--container", metavar="NAME", help="About this container."),
    click.option("--project", metavar="NAME", help="Of this compose project."),
    click.option("--kind", type=click.Choice([str(each) for each in Kind]), help="Of this kind."),
    click.option("--outcome", type=click.Choice([str(each) for each in Outcome]), help="With this outcome."),
)


def add_filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that `wanted` understands."""
    for option in reversed(_FILTER_OPTIONS):
        command = option(command)
    return command


def build_query(since: float | None, **asked: Any) -> EventQuery:
    return msgspec.structs.replace(EventQuery(since=since), **asked)


def resolve_span(since: float | None, until: float | None, default: float) -> tuple[float, float]:
    """From `default` seconds ago until now, where nothing else is said. Raises UsageError."""
    until = time.time() if until is None else until
    since = until - default if since is None else since
    if since >= until:
        raise click.UsageError("--since is not before --until")
    return since, until
