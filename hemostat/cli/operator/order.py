"""`hemostat order`: sends an operator's orders to the responders of the containers' hosts.

The plan and the question are printed to stderr, the answers to stdout. Modules that only a running order
needs are imported there: shell completion imports this one.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Final

import click
import msgspec

from hemostat import errors
from hemostat.cli.completion.names import complete_host_containers
from hemostat.cli.operator.decisions import Duration, by_option, find_user, reason_option
from hemostat.cli.operator.near_names import suggest_nearest
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import write_json
from hemostat.core.text import escape_controls
from hemostat.core.units import show_duration
from hemostat.errors import HemoStatError, TimedOutError, UsageError
from hemostat.events import (
    Action,
    Container,
    ContainerStats,
    Event,
    Heartbeat,
    Order,
    Outcome,
    Reason,
    RemediationComplete,
)
from hemostat.terminal import can_ask

if TYPE_CHECKING:
    from hemostat.operator import OperatorCommands
    from hemostat.ports import Bus

ACTIONS: Final = tuple(str(action) for action in Action if action is not Action.NONE)
RESOURCES: Final = ("cpu", "memory", "replicas")
POLL_SECONDS: Final = 0.5
"""Seconds without an event after which the stream is read: pub/sub messages may be lost."""
MAX_PAST_EVENTS: Final = 200
UNFINISHED_OUTCOMES: Final = frozenset({Outcome.WAITING, Outcome.AWAITING_APPROVAL})


class OrderAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An order, and the outcome of its action; null without an answer in time. `durations` are seconds by
    phase."""

    incident: str
    host: str
    container: str
    outcome: Outcome | None = None
    reason: Reason | None = None
    detail: str | None = None
    durations: dict[str, float] | None = None


PlacedOrders = Mapping[str, tuple[str, Order]]
"""By incident: the host and the order."""


@click.command()
@click.argument("action", type=click.Choice(ACTIONS))
@click.argument(
    "containers",
    nargs=-1,
    required=True,
    metavar="[HOST/]CONTAINER...",
    shell_complete=complete_host_containers,
)
@click.option("--resource", type=click.Choice(RESOURCES), help="Resource to scale.")
@click.option(
    "--force", is_flag=True, help="Ignore budget and breakers, if responder.orders_override is set."
)
@click.option("--yes", "-y", is_flag=True, help="Skip the confirmation.")
@click.option("--wait/--no-wait", default=True, help="Wait for the outcome. Default: wait.")
@click.option(
    "--timeout",
    type=Duration(),
    default="5m",
    show_default=True,
    metavar="TIME",
    help="Maximum time to wait.",
)
@reason_option
@by_option
@click.pass_obj
@prints_json(JsonShape("cli.operator.order:OrderAnswer", "array"))
def order(
    options: Globals,
    action: str,
    containers: Sequence[str],
    resource: str | None,
    force: bool,
    yes: bool,
    wait: bool,
    timeout: float,
    reason: str,
    by: str | None,
) -> int:
    """Run ACTION on containers: restart, start, stop, scale, cleanup or exec.

    The responder of the container's host runs the action, subject to policy. Exit code 1 if the action was
    refused or failed, 4 if there was no answer in time.
    """
    from hemostat import app

    if (action == Action.SCALE) != (resource is not None):
        raise UsageError("--resource is required by scale, and only by scale", hint="--resource cpu")
    settings = options.load_settings()
    with closing(app.open_bus(settings, start=False)) as bus, app.open_operator(settings) as orders:
        parameters: dict[str, float | str | bool] = {} if resource is None else {"resource": resource}
        orders_by_host = [
            (
                host,
                Order(
                    container=container,
                    action=Action(action),
                    by=by or find_user(),
                    reason=reason,
                    parameters=parameters,
                    force=force,
                ),
            )
            for host, container in _find_containers(bus, containers)
        ]
        _confirm_orders(orders, orders_by_host, yes=yes)
        outcomes = bus.subscribe(("remediation_complete",), timeout=POLL_SECONDS)
        next(outcomes)  # the subscription starts here
        placed = {orders.place_order(host, each): (host, each) for host, each in orders_by_host}
        answers = _collect_answers(bus, outcomes, placed, timeout) if wait else {}
    return _print_answers(options, placed, answers, timeout if wait else None)


def _find_containers(bus: "Bus", names: Sequence[str]) -> list[tuple[str, Container]]:
    """Each named container once, with its host. Raises HemoStatError if no responder runs there."""
    containers = [
        (event.host, event.data.container)
        for event in bus.read_last_values("container_stats")
        if isinstance(event.data, ContainerStats)
    ]
    alive = {
        event.host
        for event in bus.read_last_values("heartbeat")
        if isinstance(event.data, Heartbeat) and event.data.role == "responder"
    }
    several = len({host for host, _ in containers} | alive) > 1
    places = [_find_container(name, containers, several=several) for name in dict.fromkeys(names)]
    for host, _ in places:
        if host not in alive:
            raise HemoStatError(f"no responder runs on {host}", hint="start it there with: hemostat respond")
    return places


def _find_container(
    name: str, containers: Sequence[tuple[str, Container]], *, several: bool
) -> tuple[str, Container]:
    """The named container.

    If there are several hosts, one must be named: another host's container may be missing.
    """
    if several and "/" not in name:
        raise UsageError(f"there are several hosts: {name!r} has no host", hint="write HOST/CONTAINER")
    for host, each in containers:
        if name in {each.name, f"{host}/{each.name}"}:
            return host, each
    known_names = [f"{host}/{each.name}" if several else each.name for host, each in containers]
    raise UsageError(
        f"no watched container is named {name!r}",
        hint=suggest_nearest(name, known_names, "see: hemostat status"),
    )


def _confirm_orders(orders: "OperatorCommands", placed: Sequence[tuple[str, Order]], *, yes: bool) -> None:
    """Show the plan and the limits, and ask for confirmation.

    Raises UsageError without a terminal, and click.Abort if the answer is no.
    """
    from hemostat.core.remediation.orders import describe_plan

    for host, each in placed:
        click.echo(
            escape_controls(f"{describe_plan(each)}, on {host}: {orders.describe_prediction(host, each)}"),
            err=True,
        )
    if yes:
        return
    if not can_ask():
        raise UsageError("no order was published: no terminal for the confirmation", hint="add --yes")
    click.confirm("publish the order?", abort=True, err=True)


def _collect_answers(
    bus: "Bus", events: Iterator[Event | None], placed: PlacedOrders, timeout: float
) -> dict[str, Event]:
    """The final answer to each order that arrived in time, by incident. Interim states are printed."""
    from hemostat.core.history.identity import identify_event
    from hemostat.core.history.sentences import format_event_line

    deadline, seen = time.monotonic() + timeout, set[str]()
    answers: dict[str, Event] = {}
    for event in events:
        for each in [event] if event else bus.read_recent("remediation_complete", MAX_PAST_EVENTS):
            incident, completion = each.incident or "", each.data
            if (
                incident not in placed
                or not isinstance(completion, RemediationComplete)
                or (key := identify_event(each)) in seen
            ):
                continue
            seen.add(key)
            if completion.outcome in UNFINISHED_OUTCOMES:
                click.echo(
                    escape_controls(f"{completion.container.name}: {format_event_line(each)}"), err=True
                )
            else:
                answers[incident] = each
        if len(answers) == len(placed) or time.monotonic() >= deadline:
            break
    return answers


def _print_answers(
    options: Globals, placed: PlacedOrders, answers: Mapping[str, Event], timeout: float | None
) -> int:
    """`timeout`: None if the command does not wait for answers."""
    from hemostat.core.history.sentences import format_event_line

    if options.json:
        write_json([_build_answer(key, place, answers.get(key)) for key, place in placed.items()])
    else:
        for key, (_, each) in placed.items():
            text = (
                format_event_line(answers[key])
                if key in answers
                else "ordered"
                if timeout is None
                else "no answer yet"
            )
            click.echo(escape_controls(f"{each.container.name}: {text}"))
    if timeout is None:
        return errors.OK
    if any(not _is_healed(event) for event in answers.values()):
        return errors.FAILURE
    if len(answers) < len(placed):
        waited = show_duration(timeout)
        raise TimedOutError(
            f"no answer within {waited}; the action may still run", hint="see: hemostat events"
        )
    return errors.OK


def _is_healed(event: Event) -> bool:
    return isinstance(event.data, RemediationComplete) and event.data.outcome is Outcome.HEALED


def _build_answer(incident: str, place: tuple[str, Order], answer: Event | None) -> OrderAnswer:
    host, order = place
    placed = OrderAnswer(incident=incident, host=host, container=order.container.name)
    completion = answer.data if answer else None
    if not isinstance(completion, RemediationComplete):
        return placed
    return msgspec.structs.replace(
        placed,
        outcome=completion.outcome,
        reason=completion.reason,
        detail=completion.detail,
        durations=completion.durations,
    )
