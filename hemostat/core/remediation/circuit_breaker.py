"""Circuit breakers: after repeated failures nothing is tried for a while, then one trial decides.

A container's counts all its failures. A host's counts those alone that speak of the host or its engine: that
a container's check still fails, that its mount is gone or its port taken, is no reason to leave others down.

Closed until `failures` remediations in a row have failed; then open; after `open_for` seconds half open: one
trial is let through, which closes it or opens it again. There is no state but the ledger's attempts.

A host's breaker is shared out by project (core.labels.project): of every other project two failures count
against a project, and only its own failures keep it open for longer. So no tenant opens it for others alone,
and no number of projects keeps a container waiting for longer than `open_for` before its project has a trial.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from hemostat.core.labels.project import limit_others
from hemostat.core.ledger.rows import Attempt
from hemostat.events import Action, Outcome

COUNTED_OUTCOMES = frozenset({Outcome.HEALED, Outcome.FAILED})
MAX_OTHER_FAILURES: Final = 2
"""Failures of each other project that count against a project."""
MIN_FAILED_CONTAINERS: Final = 2
"""Different containers that must have failed to open the breaker of a host."""

QUOTED_TEXT: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
CONTAINER_FAULTS: Final = re.compile(
    r"OCI runtime|mount|no such|not found|unable to find (?:user|group)", re.IGNORECASE
)
"""In errors that tell of what one container asks for: its command, its user, its limits, its volumes."""
HOST_FAULTS: Final = re.compile(
    r"(?:^|[: ])(?:timed out|timeout|deadline exceeded|no space left on device|cannot allocate memory"
    r"|too many open files(?: in system)?|read-only file system|input/output error"
    r"|resource temporarily unavailable)(?:: unknown)?[\s.)]*$"
    r"|containerd\.sock|containerd is not running|failed to (?:start|create) shim\b",
    re.IGNORECASE,
)
"""What an engine says that fails for all containers alike, at the end of its message: before that may stand
what the container asked for."""


def is_host_fault(error: str) -> bool:
    """Whether an engine's error tells of the host or the engine, as far as its words go."""
    said = QUOTED_TEXT.sub("", error)
    return CONTAINER_FAULTS.search(said) is None and HOST_FAULTS.search(said) is not None


class BreakerState(msgspec.Struct, frozen=True):
    """`failures` is how many in a row, up to now; `until` when it becomes half open (epoch seconds)."""

    failures: int = 0
    open: bool = False
    half_open: bool = False
    until: float = 0.0


def compute_container_state(
    attempts: Sequence[Attempt], failures: int, open_for: float, *, since: float = 0.0, now: float
) -> BreakerState:
    """A container's breaker over its attempts. Those that ended before `since` do not count: somebody closed
    it then."""
    failed = _find_failure_streak((each for each in attempts if _is_counted(each)), since)
    if len(failed) < failures:
        return BreakerState(len(failed))
    return _make_open_state(len(failed), _get_end(failed[-1]) + open_for, now)


def find_host_failures(attempts: Iterable[Attempt], since: float) -> list[Attempt]:
    """The failures of the host after its latest success. Attempts that ended before `since` do not count."""
    return _find_failure_streak(
        (a for a in attempts if _is_counted(a) and (a.host_fault or _has_healed(a))), since
    )


def compute_host_state(
    host_failures: Iterable[Attempt], project: str | None, failures: int, open_for: float, *, now: float
) -> BreakerState:
    """A host's breaker over its failures, as it stands for this project; None: for one that has failed at
    nothing."""
    failed = limit_others(project, host_failures, MAX_OTHER_FAILURES, lambda each: each.project)
    opening = _count_until_opening(failed, failures)
    if not opening:
        return BreakerState(len(failed))
    own = [each for each in failed[opening:] if each.project == project]
    return _make_open_state(len(failed), max(map(_get_end, [failed[opening - 1], *own])) + open_for, now)


def _count_until_opening(failed: Iterable[Attempt], failures: int) -> int:
    """By how many of these the breaker of a host was opened; 0 where it was not."""
    containers: set[str] = set()
    for number, each in enumerate(failed, 1):
        containers.add(each.container)
        if number >= failures and len(containers) >= MIN_FAILED_CONTAINERS:
            return number
    return 0


def _find_failure_streak(counted: Iterable[Attempt], since: float) -> list[Attempt]:
    """The failures after the latest success, in the order in which they ended."""
    failed: list[Attempt] = []
    for attempt in sorted((each for each in counted if _get_end(each) > since), key=_get_end):
        if _has_healed(attempt):
            failed.clear()
        else:
            failed.append(attempt)
    return failed


def _make_open_state(failures: int, until: float, now: float) -> BreakerState:
    return BreakerState(failures, open=now < until, half_open=now >= until, until=until)


def _has_healed(attempt: Attempt) -> bool:
    return attempt.outcome is Outcome.HEALED


def _is_counted(attempt: Attempt) -> bool:
    """That a container could be stopped says nothing of whether it can be healed."""
    return attempt.outcome in COUNTED_OUTCOMES and attempt.action is not Action.STOP


def _get_end(attempt: Attempt) -> float:
    return attempt.time if attempt.finished is None else attempt.finished
