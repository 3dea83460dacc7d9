"""`hemostat doctor`: runs every check and prints one line for each. It starts nothing."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click
import msgspec

from hemostat import errors
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import fold_line, write_json
from hemostat.core.text import escape_controls

if TYPE_CHECKING:
    from hemostat.cli.doctor.findings import Check

SIGNS: Final = {"skipped": "-", "ok": "✓", "warning": "!", "failure": "✗"}
NAME_WIDTH: Final = 15
MERGED_TEXT: Final = "{} checks that need the Redis of HemoStat: after hemostat all, run doctor again"


@click.command()
@click.pass_obj
@prints_json(JsonShape("cli.doctor.findings:DoctorReport"))
def doctor(options: Globals) -> int:
    """Check the requirements of HemoStat and its connections. Exit code 1 if a requirement is not met, 2 if
    the settings are invalid.
    """
    from hemostat.cli.doctor.checks import CHECKS, run_checks
    from hemostat.cli.doctor.findings import DoctorReport
    from hemostat.cli.doctor.labels import LABELS_CHECK
    from hemostat.cli.doctor.machine import Machine

    options.start_logging()
    machine = Machine(options.load, os.environ)
    try:
        checks = [each for question in (*CHECKS, LABELS_CHECK) for each in run_checks(question, machine)]
    finally:
        machine.close()
    failed = any(check.level == "failure" for check in checks)
    if options.json:
        write_json(DoctorReport(ok=not failed, checks=tuple(checks)))
    else:
        for line in format_checks(checks):
            click.echo(fold_line(line, sys.stdout, indent=NAME_WIDTH + 4))
    if any(check.level == "failure" and check.name == "configuration" for check in checks):
        return errors.USAGE
    return errors.FAILURE if failed else errors.OK


def format_checks(checks: Sequence["Check"]) -> list[str]:
    lines = []
    for check in _merge_skipped(checks):
        message = f"{check.engine}: {check.message}" if check.engine else check.message
        lines.append(escape_controls(f"{SIGNS[check.level]} {check.name:<{NAME_WIDTH}}  {message}"))
        if check.hint:
            lines.append(escape_controls(f"  {'':<{NAME_WIDTH}}  {check.hint}"))
    count = Counter(str(check.level) for check in checks)
    skipped = f", {count['skipped']} not checked" if count["skipped"] else ""
    lines.append(f"{count['failure']} failed, {count['warning']} warnings, {count['ok']} passed{skipped}")
    return lines


def _merge_skipped(checks: Sequence["Check"]) -> list["Check"]:
    """The checks, with one in place of all that are skipped without a hint of their own."""
    skipped = [check for check in checks if check.level == "skipped" and not check.hint]
    if len(skipped) < 2:  # noqa: PLR2004 - two checks are merged
        return list(checks)
    merged = msgspec.structs.replace(skipped[0], name="not checked", message=MERGED_TEXT.format(len(skipped)))
    return [merged if check is skipped[0] else check for check in checks if check not in skipped[1:]]
