"""`hemostat monitor`, `analyze`, `respond`, `alert`: runs one role in this process until stopped."""

import _thread
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

import click

from hemostat import errors
from hemostat.cli import analysis
from hemostat.cli.options import Globals
from hemostat.streams import ROLES_BY_NAME, Role


class Stop:
    """The order to stop, as signals give it. SIGINT asks once; a second one is not to be argued with."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.interrupted = False

    @property
    def exit_code(self) -> int:
        return errors.INTERRUPTED if self.interrupted else errors.OK

    def heed(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self.interrupted:
                os._exit(errors.INTERRUPTED)
            self.interrupted = True
        # Not set here: the signal may have come while this very thread holds the event's lock.
        _thread.start_new_thread(self.event.set, ())


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """SIGINT and SIGTERM set the event, for as long as the block lasts."""
    stop = Stop()
    before = {number: signal.signal(number, stop.heed) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def make_instance_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def run_role(role: Role, given: Globals, instance: str) -> int:
    from hemostat import app
    from hemostat.ports import Interrupted

    settings = given.settings()
    given.start_logging()
    with stop_on_signals() as stop:
        with suppress(Interrupted):
            app.run_role(role.name, settings, instance=instance, stop=stop.event)
        return stop.exit_code


def make_command(role: Role) -> click.Command:
    @click.command(role.command, help=role.does)
    @click.option("--instance", default=make_instance_name, hidden=True)
    @click.option("--parent", type=int, hidden=True, help="End with this process, however it ends.")
    @click.pass_obj
    def run(given: Globals, instance: str, parent: int | None) -> int:
        if parent is not None:
            from hemostat.supervisor import die_with_parent

            die_with_parent(parent)
        return run_role(role, given, instance)

    return run


def set_dry_run(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        context.obj.changes["responder.mode"] = "dry-run"


dry_run = click.option(
    "--dry-run",
    is_flag=True,
    expose_value=False,
    callback=set_dry_run,
    help="Tell what would be done, and do nothing: --set responder.mode=dry-run.",
)


def add_once_option(role: click.Command) -> click.Command:
    """Let the command analyse one incident too, instead of all that come."""
    run = role.callback

    @click.command(role.name, help=role.help)
    @click.option("--once", metavar="ID|FILE", help="Analyse this incident and end; nothing is acted on.")
    @analysis.advisor_option
    @analysis.prompt_option
    @click.pass_context
    def either(
        context: click.Context, /, once: str | None, advisor: str | None, show_prompt: bool, **rest: object
    ) -> int:
        if once is not None:
            analysis.analyse_once(context.obj, once, advisor=advisor, show_prompt=show_prompt)
            return errors.OK
        if show_prompt:
            raise errors.UsageError("--show-prompt needs --once")
        return int(context.invoke(run, **rest)) if run else errors.BUG

    either.params += role.params
    return either


def add_test_option(role: click.Command) -> click.Command:
    """Let the command try the channels too, instead of running."""
    run = role.callback

    @click.command(role.name, help=role.help)
    @click.option("--test", is_flag=True, help="Send every channel a test message, and tell how that went.")
    @click.pass_context
    def either(context: click.Context, /, test: bool, **rest: object) -> int:
        if test:
            from hemostat.cli.channels import send_tests as send

            return send(context.obj)
        return int(context.invoke(run, **rest)) if run else errors.BUG

    either.params += role.params
    return either


monitor: Final = make_command(ROLES_BY_NAME["monitor"])
analyze: Final = add_once_option(make_command(ROLES_BY_NAME["analyzer"]))
respond: Final = dry_run(make_command(ROLES_BY_NAME["responder"]))
alert: Final = add_test_option(make_command(ROLES_BY_NAME["alert"]))
