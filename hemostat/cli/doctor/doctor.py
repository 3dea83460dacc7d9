"""`hemostat doctor`: runs every check and prints one line for each. It starts nothing."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from hemostat import errors
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import write_json
from hemostat.core.text import escape_controls

if TYPE_CHECKING:
    from hemostat.cli.doctor.findings import Check

SIGNS: Final = {"ok": "✓", "warning": "!", "failure": "✗"}
NAME_WIDTH: Final = 15


@click.command()
@click.pass_obj
@prints_json(JsonShape("cli.doctor.findings:DoctorReport"))
def doctor(options: Globals) -> int:
    """Check the requirements of HemoStat and its connections. Exit code 1 if a requirement is not met, 2 if
    the settings are invalid.
    """
    from hemostat.cli.doctor.checks import CHECKS, run_check
    from hemostat.cli.doctor.findings import DoctorReport
    from hemostat.cli.doctor.labels import LABELS_CHECK
    from hemostat.cli.doctor.machine import Machine

    options.start_logging()
    machine = Machine(options.load, os.environ)
    try:
        checks = [run_check(question, machine) for question in (*CHECKS, LABELS_CHECK)]
    finally:
        machine.close()
    failed = any(check.level == "failure" for check in checks)
    if options.json:
        write_json(DoctorReport(ok=not failed, checks=tuple(checks)))
    else:
        click.echo("\n".join(format_checks(checks)))
    if any(check.level == "failure" and check.name == "configuration" for check in checks):
        return errors.USAGE
    return errors.FAILURE if failed else errors.OK


def format_checks(checks: Sequence["Check"]) -> list[str]:
    lines = []
    for check in checks:
        lines.append(escape_controls(f"{SIGNS[check.level]} {check.name:<{NAME_WIDTH}}  {check.message}"))
        if check.hint:
            lines.append(escape_controls(f"  {'':<{NAME_WIDTH}}  {check.hint}"))
    count = Counter(str(check.level) for check in checks)
    lines.append(f"{count['failure']} failed, {count['warning']} warnings, {count['ok']} passed")
    return lines
