"""Results of the checks of `hemostat doctor`."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Level(StrEnum):
    """Results by severity. A skipped check needs a part of HemoStat that is not started yet."""

    SKIPPED = "skipped"
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


class CheckResult(NamedTuple):
    level: Level
    message: str
    hint: str = ""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """`hint` is what to do about it; empty where there is nothing to do. `engine`: the engine of the table
    `engines` that is checked; empty for other checks and without that table."""

    name: str
    engine: str = ""
    level: Level
    message: str
    hint: str = ""


class DoctorReport(msgspec.Struct, frozen=True, kw_only=True):
    """`ok`: no check has failed."""

    ok: bool
    checks: tuple[Check, ...]


def find_worst(findings: Iterable[CheckResult], fine: str) -> CheckResult:
    """All results in one line, with the worst level. Without a result, `fine`."""
    by_severity = sorted(findings, key=lambda each: list(Level).index(each.level), reverse=True)
    if not by_severity:
        return CheckResult(Level.OK, fine)
    hints = "; ".join(dict.fromkeys(each.hint for each in by_severity if each.hint))
    return CheckResult(by_severity[0].level, "; ".join(each.message for each in by_severity), hints)
