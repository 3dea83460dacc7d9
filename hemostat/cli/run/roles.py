"""`hemostat monitor`, `analyze`, `respond`, `alert`: runs one role in this process until stopped."""

import _thread
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

import click

from hemostat import errors
from hemostat.cli.advisor import analysis
from hemostat.cli.completion.names import complete_incidents_or_files
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.streams import ROLES_BY_NAME, Role


class Stop:
    """A request to stop by signals. A second SIGINT ends the process at once."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.interrupted = False

    @property
    def exit_code(self) -> int:
        return errors.INTERRUPTED if self.interrupted else errors.OK

    def handle_signal(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self.interrupted:
                os._exit(errors.INTERRUPTED)
            self.interrupted = True
        # Set in another thread: the signal may have arrived while this thread holds the event's lock.
        _thread.start_new_thread(self.event.set, ())


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Set the event on SIGINT and SIGTERM, while the block runs."""
    stop = Stop()
    before = {number: signal.signal(number, stop.handle_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def make_instance_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def make_ready_callback(descriptor: int | None) -> Callable[[], None]:
    """A function that tells, once, that the role is up: the supervisor that waits at the descriptor, else
    the service manager."""

    def report() -> None:
        if descriptor is None:
            from hemostat.supervisor.service_manager import READY, ServiceManager

            ServiceManager().send(READY)
            return
        with suppress(OSError):  # the supervisor has ended
            os.write(descriptor, b"1")
        os.close(descriptor)

    return report


def run_role(role: Role, options: Globals, instance: str, ready: int | None) -> int:
    from hemostat import app
    from hemostat.ports import Interrupted

    settings = options.load_settings()
    options.start_logging()
    with stop_on_signals() as stop:
        with suppress(Interrupted):
            on_ready = make_ready_callback(ready)
            app.run_role(role.name, settings, instance=instance, stop=stop.event, on_ready=on_ready)
        return stop.exit_code


def make_command(role: Role) -> click.Command:
    @click.command(role.command, help=role.description)
    @click.option("--instance", default=make_instance_name, hidden=True)
    @click.option("--parent", type=int, hidden=True, help="End when this process ends.")
    @click.option("--ready", type=int, hidden=True, help="Descriptor to write to when the role is up.")
    @click.pass_obj
    def run(options: Globals, instance: str, parent: int | None, ready: int | None) -> int:
        if parent is not None:
            from hemostat.supervisor.child_process import die_with_parent

            die_with_parent(parent)
        return run_role(role, options, instance, ready)

    return run


def set_dry_run(context: click.Context, _: click.Parameter, is_set: bool) -> None:
    if is_set:
        context.obj.changes["responder.mode"] = "dry-run"


dry_run = click.option(
    "--dry-run",
    is_flag=True,
    expose_value=False,
    callback=set_dry_run,
    help="Report actions without running them: --set responder.mode=dry-run.",
)


def add_once_option(role: click.Command) -> click.Command:
    """Let the command also analyse one incident instead of running the role."""
    run = role.callback

    @click.command(role.name, help=role.help)
    @click.option(
        "--once",
        metavar="ID|FILE",
        shell_complete=complete_incidents_or_files,
        help="Analyse this incident and exit. No action runs.",
    )
    @analysis.advisor_option
    @analysis.prompt_option
    @click.pass_context
    @prints_json(analysis.ANALYSIS_SHAPE._replace(when="--once"))
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
    """Let the command also test the channels instead of running the role."""
    run = role.callback

    @click.command(role.name, help=role.help)
    @click.option(
        "--test",
        is_flag=False,
        flag_value="",
        metavar="[URL]",
        help="Send a test message to every channel, or to this address, and print the results. "
        "- reads the address from standard input.",
    )
    @click.pass_context
    @prints_json(JsonShape("cli.run.channel_test:ChannelAnswer", "array", when="--test"))
    def either(context: click.Context, /, test: str | None, **rest: object) -> int:
        if test is not None:
            from hemostat.cli.run.channel_test import send_tests

            return send_tests(context.obj, test)
        return int(context.invoke(run, **rest)) if run else errors.BUG

    either.params += role.params
    return either


monitor: Final = make_command(ROLES_BY_NAME["monitor"])
analyze: Final = add_once_option(make_command(ROLES_BY_NAME["analyzer"]))
respond: Final = dry_run(make_command(ROLES_BY_NAME["responder"]))
alert: Final = add_test_option(make_command(ROLES_BY_NAME["alert"]))
