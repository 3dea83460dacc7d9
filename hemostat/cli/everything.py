"""`hemostat all`: one child process a role, each started with the options this command was given."""

import os
import sys
from pathlib import Path

import click

import hemostat
from hemostat.cli.options import Globals
from hemostat.cli.roles import dry_run
from hemostat.topology import BY_NAME, ROLES


@click.command("all")
@dry_run
@click.pass_obj
def everything(given: Globals) -> int:
    """Run all roles, and restart one that dies. Ctrl-C stops them all; a second one at once."""
    from hemostat import app, supervisor

    settings = given.settings()
    given.start_logging()
    # What cannot work from the beginning is told at once; what fails later is waited for.
    app.open_engine(settings).close()
    app.open_bus(settings, start=True).close()

    def child(role: str, instance: str) -> list[str]:
        return child_command(BY_NAME[role].command, instance, given)

    roles = [role.name for role in ROLES]
    try:
        return supervisor.supervise(roles, child, state_dir=settings.state_path, out=sys.stderr)
    finally:
        app.turn_off(settings)


def child_command(name: str, instance: str, given: Globals) -> list[str]:
    return [
        *interpreter(),
        "-m",
        "hemostat",
        name,
        "--instance",
        instance,
        "--parent",
        str(os.getpid()),
        *given.arguments(),
    ]


def interpreter() -> list[str]:
    """`-m` would import from the working directory, where a file may bear the name of a library: only a
    source tree is run from there."""
    in_source_tree = Path(hemostat.__file__).resolve().parents[1] == Path.cwd()
    return [sys.executable] if in_source_tree else [sys.executable, "-P"]
