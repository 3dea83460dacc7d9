"""`hemostat approvals`, `approve`, `reject`, `pause`, `resume`, `reset`: decisions of operators.

They take effect before the next action of every responder. Each is recorded, and notified with the
operator's name: the user of this machine, or the name in --by.
"""

import getpass
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from hemostat import errors
from hemostat.cli.completion.names import complete_approvals, complete_containers
from hemostat.cli.operator.near_names import suggest_nearest
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.local_time import format_local
from hemostat.cli.output.tables import Row, Table, show_table
from hemostat.cli.output.terminal import write_json
from hemostat.core.ledger.controls import ALL_CONTAINERS, Approval, ApprovalAnswer
from hemostat.core.text import escape_controls
from hemostat.core.units import parse_duration, show_duration
from hemostat.core.wording import describe_cause
from hemostat.errors import RedisNotStartedError, UsageError
from hemostat.events import ContainerStats, Epoch

if TYPE_CHECKING:
    from hemostat.operator import OperatorCommands

by_option = click.option(
    "--by", metavar="NAME", help="Name of the operator. Default: the user of this machine."
)
reason_option = click.option("--reason", default="", metavar="TEXT", help="Reason, stored with the event.")
container_option = click.option(
    "--container",
    default=ALL_CONTAINERS,
    metavar="NAME",
    shell_complete=complete_containers,
    help="Only this container. Default: all containers.",
)

ahead_option = click.option(
    "--ahead", is_flag=True, help="Accept the name of a container that is not watched, or does not exist yet."
)
start_ahead_option = click.option(
    "--ahead",
    is_flag=True,
    help="Also while HemoStat is not running: it applies from the start with the same state directory. "
    "Accepts any name of a container.",
)


APPROVAL_SHAPE: Final = JsonShape("core.ledger.controls:Approval")


class PauseResult(msgspec.Struct, frozen=True, kw_only=True):
    """`container` is a name, `*` for all. `until` is when the pause ends by itself, null for never."""

    container: str
    until: Epoch | None


class ResumeResult(msgspec.Struct, frozen=True, kw_only=True):
    """`container` is a name, `*` for all. `resumed`: whether a pause was in effect."""

    container: str
    resumed: bool


class ResetResult(msgspec.Struct, frozen=True, kw_only=True):
    """`container` is a name, `*` for all."""

    container: str


class Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@contextmanager
def open_operator(options: Globals, *, start: bool = False) -> Iterator["OperatorCommands"]:
    """Yield the operator commands. `start`: also while the embedded Redis does not run."""
    from hemostat import app

    with app.open_operator(options.load_settings(), start=start) as orders:
        yield orders


@contextmanager
def _name_ahead(command: str) -> Iterator[None]:
    """Name the option --ahead of a command that fails because Redis is not running."""
    try:
        yield
    except RedisNotStartedError as error:
        hint = f"{error.hint}; before the start: hemostat {command} --ahead"
        raise RedisNotStartedError(error.message, hint=hint) from None


@click.command()
@click.pass_obj
@prints_json(APPROVAL_SHAPE._replace(form="array"))
def approvals(options: Globals) -> None:
    """List pending approvals and the time until they expire."""
    now = time.time()
    with open_operator(options) as orders:
        open_approvals = [each for each in orders.list_approvals() if each.is_open(now)]
    if options.json:
        write_json(open_approvals)
        return
    rows = [
        Row(
            (
                each.id,
                each.container,
                each.plan,
                describe_cause(each.cause, None),
                f"{show_duration(each.until - now)} left",
            )
        )
        for each in open_approvals
    ]
    show_table(Table("Waiting for approval", ("id", "container", "what", "why", "time"), rows))
    if not rows:
        click.echo("no action is waiting for approval")


@click.command()
@click.argument("approval_id", metavar="ID", shell_complete=complete_approvals)
@reason_option
@by_option
@click.pass_obj
@prints_json(APPROVAL_SHAPE)
def approve(options: Globals, approval_id: str, reason: str, by: str | None) -> int:
    """Approve the pending action ID. All other limits still apply."""
    return _answer(options, approval_id, ApprovalAnswer.APPROVED, reason, by)


@click.command()
@click.argument("approval_id", metavar="ID", shell_complete=complete_approvals)
@reason_option
@by_option
@click.pass_obj
@prints_json(APPROVAL_SHAPE)
def reject(options: Globals, approval_id: str, reason: str, by: str | None) -> int:
    """Reject the pending action ID."""
    return _answer(options, approval_id, ApprovalAnswer.REJECTED, reason, by)


@click.command()
@click.option(
    "--for", "seconds", type=Duration(), metavar="TIME", help="Duration, such as 30m. Default: until resumed."
)
@container_option
@start_ahead_option
@reason_option
@by_option
@click.pass_obj
@prints_json(JsonShape("cli.operator.decisions:PauseResult"))
def pause(
    options: Globals, seconds: float | None, container: str, ahead: bool, reason: str, by: str | None
) -> None:
    """Pause all remediation. Detection and notifications continue, and actions wait."""
    from hemostat import app

    if seconds is not None and seconds <= 0:
        raise UsageError("--for must be longer than 0", hint="give --for a time, such as 30m")
    settings = options.load_settings()
    is_early = ahead and not app.is_redis_started(settings)
    with _name_ahead("pause"):
        _require_known(options, container, ahead=ahead)
        with open_operator(options, start=ahead) as orders:
            pause_set = orders.pause(container, by=by or find_user(), reason=reason, seconds=seconds)
    length = "until: hemostat resume" if seconds is None else f"for {show_duration(seconds)}"
    text = f"paused: {_name_target(container)}, {length}"
    if is_early:
        text += f"; HemoStat is not running, the pause is stored in {settings.state_path}"
    print_result(options, text, PauseResult(container=container, until=pause_set.until))


@click.command()
@container_option
@start_ahead_option
@reason_option
@by_option
@click.pass_obj
@prints_json(JsonShape("cli.operator.decisions:ResumeResult"))
def resume(options: Globals, container: str, ahead: bool, reason: str, by: str | None) -> int:
    """Resume remediation."""
    with _name_ahead("resume"), open_operator(options, start=ahead) as orders:
        pauses = orders.read_controls().pauses
        is_resumed = orders.resume(container, by=by or find_user(), reason=reason)
    near = "" if is_resumed else suggest_nearest(container, pauses.keys() - {ALL_CONTAINERS}, "")
    text = (
        f"resumed: {_name_target(container)}"
        if is_resumed
        else ": ".join(filter(None, (f"no pause was in effect for {_name_target(container)}", near)))
    )
    print_result(options, text, ResumeResult(container=container, resumed=is_resumed))
    return errors.OK if is_resumed else errors.FAILURE


@click.command()
@container_option
@ahead_option
@reason_option
@by_option
@click.pass_obj
@prints_json(JsonShape("cli.operator.decisions:ResetResult"))
def reset(options: Globals, container: str, ahead: bool, reason: str, by: str | None) -> None:
    """Close the circuit breaker and release the leases: earlier failures no longer count, and unfinished
    actions no longer block others, unless a running responder is working on them.
    """
    _require_known(options, container, ahead=ahead)
    with open_operator(options) as orders:
        orders.reset_breaker(container, by=by or find_user(), reason=reason)
    print_result(options, f"breaker closed: {_name_target(container)}", ResetResult(container=container))


def _require_known(options: Globals, container: str, *, ahead: bool) -> None:
    """Raise UsageError for a name that no watched container has. `ahead`: accept every name."""
    from hemostat import app

    if ahead or container == ALL_CONTAINERS:
        return
    with closing(app.open_bus(options.load_settings(), start=False)) as bus:
        stats = [event.data for event in bus.read_last_values("container_stats")]
    names = {each.container.name for each in stats if isinstance(each, ContainerStats)}
    if container not in names:
        otherwise = "see: hemostat status; --ahead accepts a name that does not exist yet"
        hint = suggest_nearest(container, names, otherwise)
        raise UsageError(f"no watched container is named {container!r}", hint=hint)


def _answer(options: Globals, approval_id: str, answer: ApprovalAnswer, reason: str, by: str | None) -> int:
    with open_operator(options) as orders:
        answered = orders.answer_approval(approval_id, answer, by=by or find_user(), reason=reason)
        known_ids = [] if answered else [each.id for each in orders.list_approvals()]
    if answered is None:
        hint = suggest_nearest(approval_id, known_ids, "see: hemostat approvals")
        raise UsageError(f"no pending approval has the id {approval_id!r}", hint=hint)
    approval, is_settled = answered
    text = (
        f"{answer}: {approval.action} of {approval.container}"
        if is_settled
        else f"too late: {_describe_state(approval)}"
    )
    print_result(options, text, approval)
    return errors.OK if is_settled else errors.FAILURE


def _describe_state(approval: Approval) -> str:
    if approval.is_withdrawn:
        return approval.describe_end()
    if approval.answer is None:
        return "no operator answered in time"
    return f"{approval.answer} by {approval.by} at {format_local(approval.answered, '%H:%M:%S')}"


def print_result(options: Globals, text: str, result: msgspec.Struct) -> None:
    if options.json:
        write_json(result)
    else:
        click.echo(escape_controls(text))


def _name_target(container: str) -> str:
    return "everything" if container == ALL_CONTAINERS else container


def find_user() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return f"unknown@{socket.gethostname()}"
