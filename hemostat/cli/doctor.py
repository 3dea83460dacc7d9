"""`hemostat doctor`: every check, one line each. It looks, and starts nothing."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from hemostat import errors
from hemostat.cli.options import Globals
from hemostat.core.text import clean

if TYPE_CHECKING:
    from hemostat.cli.checks import Check

SIGNS: Final = {"ok": "✓", "warning": "!", "failure": "✗"}
NAME_WIDTH: Final = 15


@click.command()
@click.pass_obj
def doctor(given: Globals) -> int:
    """Check that this machine has what HemoStat needs. Exit code 1 if something is missing."""
    from hemostat.cli.checks import QUESTIONS, Machine, examine
    from hemostat.cli.labels import CHECK

    given.start_logging()
    machine = Machine(given.load, os.environ)
    try:
        checks = [examine(question, machine) for question in (*QUESTIONS, CHECK)]
    finally:
        machine.close()
    failed = any(check.level == "failure" for check in checks)
    if given.json:
        rows = [
            {"name": each.name, "level": each.level, "message": each.message, "hint": each.hint}
            for each in checks
        ]
        click.echo(json.dumps({"ok": not failed, "checks": rows}))
    else:
        click.echo("\n".join(report(checks)))
    return errors.FAILURE if failed else errors.OK


def report(checks: Sequence["Check"]) -> list[str]:
    lines = []
    for check in checks:
        lines.append(clean(f"{SIGNS[check.level]} {check.name:<{NAME_WIDTH}}  {check.message}"))
        if check.hint:
            lines.append(clean(f"  {'':<{NAME_WIDTH}}  {check.hint}"))
    count = Counter(str(check.level) for check in checks)
    lines.append(f"{count['failure']} failed, {count['warning']} to note, {count['ok']} fine")
    return lines
