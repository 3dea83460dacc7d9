"""`hemostat all`: runs one child process for each role, with the options of this command."""

import gc
import os
import sys
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import hemostat
from hemostat.cli.options import Globals
from hemostat.cli.output.terminal import fold_line
from hemostat.cli.run.roles import dry_run
from hemostat.core.text import escape_controls
from hemostat.errors import EngineError, EngineSilentError
from hemostat.streams import ROLES, ROLES_BY_NAME
from hemostat.terminal import is_terminal

if TYPE_CHECKING:
    from hemostat.config import Settings

BANNERS: Final = {
    "dry-run": "dry run: actions are reported and not run",
    "approve": "mode approve: every action waits for an approval (hemostat approve)",
}
"""Banners by the responder's mode. The mode `auto` needs no banner."""


@click.command("all")
@click.option("--parent", type=int, hidden=True, help="End when this process ends.")
@dry_run
@click.pass_obj
def everything(options: Globals, parent: int | None) -> int:
    """Run all roles and restart a role that dies. Ctrl-C stops them; a second Ctrl-C, at once."""
    from hemostat import app, supervisor
    from hemostat.cli.output.logs import RotatedLines, make_rotating_handler, open_log_stream, resolve_format
    from hemostat.supervisor.child_process import call_in_child, die_with_parent
    from hemostat.supervisor.service_manager import ServiceManager

    if parent is not None:
        die_with_parent(parent)
    # As the documentation of `gc` advises before a fork: what is collected now leaves free memory in pages
    # that the children would then write to, and so copy. At what is frozen their collector does not look.
    gc.disable()
    settings = options.load_settings()
    app.import_role_modules()
    # In a child: the check imports what the supervisor does not need, and starts threads.
    call_in_child(partial(_check_settings, settings))
    options.start_logging()
    if (banner := BANNERS.get(settings.responder.mode)) and is_terminal(sys.stderr):
        click.echo(f"hemostat: {banner}", err=True)
    options.log_format = resolve_format(options.log_format, options.log_file)
    out = (
        open_log_stream(options.log_format)
        if options.log_file is None
        else RotatedLines(make_rotating_handler(options.log_file))
    )
    gc.freeze()
    gc.enable()
    try:
        return supervisor.supervise(
            list_children(settings),
            partial(_run_child, options, os.getpid()),
            state_dir=settings.state_path,
            out=out,
            manager=ServiceManager(),
            json_lines=options.log_format == "json",
        )
    finally:
        app.stop_embedded_redis(settings)


def _run_child(options: Globals, parent: int, name: str, instance: str, ready: int) -> int:
    """Run the command of a role in its forked process, with the settings as they are now."""
    from hemostat.cli.main import run

    role, _, engine = name.partition(" ")
    command = ROLES_BY_NAME[role].command if role in ROLES_BY_NAME else role
    arguments = make_child_arguments(command, instance, parent, options, engine)
    return run([*arguments, "--ready", str(ready)])


def list_children(settings: "Settings") -> list[str]:
    """Return the names of the child processes: of each role, and with the table `engines`, of the monitor and
    the responder with each engine, as in `monitor web1`."""
    names = [
        f"{role.name} {engine}" if engine else role.name
        for role in ROLES
        for engine in (settings.engines if role.per_host and settings.engines else [""])
    ]
    return names + (["metrics"] if settings.metrics.address else [])


def _check_settings(settings: "Settings") -> None:
    """Report errors that prevent a start at once. Later errors are waited for, and so is an engine of the
    table `engines` that does not answer: it must not hinder the others."""
    from hemostat import app

    if settings.engines:
        app.check_engine_addresses(settings)
    else:
        # Its roles ask a silent engine again.
        with suppress(EngineSilentError):
            _warn_of_healers(settings)
    app.open_notifiers(settings)
    app.make_advisor(settings, os.environ)
    app.open_bus(settings, start=True).close()


def _warn_of_healers(settings: "Settings") -> None:
    """Warn of other programs that act on containers. Raises EngineUnreachableError."""
    from hemostat import app
    from hemostat.core.setup.healers import find_conflict

    with closing(app.open_engine(settings)) as engine:
        try:
            rows = engine.list_containers()
        except EngineError:
            return  # the monitor reports it
    running = [row.ref for row in rows if row.status == "running"]
    if conflict := find_conflict(running, settings.monitor.only):
        text = f"hemostat: warning: {conflict.message}: {conflict.hint}"
        click.echo(fold_line(escape_controls(text), sys.stderr), err=True)


def make_child_arguments(
    name: str, instance: str, parent: int, options: Globals, engine: str = ""
) -> list[str]:
    """Return the arguments of the command `name` as a child of the process `parent`, with one engine of the
    table `engines` if named. Each engine has an instance of its own: heartbeats and reservations are known by
    role and instance."""
    return [
        name,
        "--instance",
        f"{instance}-{engine}" if engine else instance,
        "--parent",
        str(parent),
        *options.build_arguments(),
        *(["--engine", engine] if engine else []),
    ]


def make_roles_command() -> list[str]:
    """Return the command that runs all roles until they are told to stop, or this process ends."""
    return [*find_interpreter(), "-m", "hemostat", "all", "--parent", str(os.getpid()), "-q"]


def find_interpreter() -> list[str]:
    """The interpreter's command, with -P unless run from a source tree.

    `-m` would import from the working directory, where a file may have the name of a library.
    """
    in_source_tree = Path(hemostat.__file__).resolve().parents[1] == Path.cwd()
    return [sys.executable] if in_source_tree else [sys.executable, "-P"]
