"""`hemostat doctor`: runs every check and prints one line for each. It starts nothing."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click
import msgspec

from hemostat import errors
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import write_json
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
    for check in _merge_skipped(checks):
        lines.append(escape_controls(f"{SIGNS[check.level]} {check.name:<{NAME_WIDTH}}  {check.message}"))
        if check.hint:
            lines.append(escape_controls(f"  {'':<{NAME_WIDTH}}  {check.hint}"))
    count = Counter(str(check.level) for check in checks)
    skipped = f", {count['skipped']} not checked" if count["skipped"] else ""
    lines.append(f"{count['failure']} failed, {count['warning']} warnings, {count['ok']} passed{skipped}")
    return lines


def _merge_skipped(checks: Sequence["Check"]) -> list["Check"]:
    """The checks, with one in place of all that are skipped for the same reason."""
    merged: list[Check] = []
    for check in checks:
        names = [each.name for each in checks if each.level == "skipped" and each.message == check.message]
        if check.level != "skipped" or len(names) == 1:
            merged.append(check)
        elif check.name == names[0]:
            merged.append(
                msgspec.structs.replace(check, name="not checked", message=MERGED_TEXT.format(len(names)))
            )
    return merged
