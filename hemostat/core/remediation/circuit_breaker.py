"""Circuit breakers stop remediation after repeated failures and allow one trial after a wait.

A container's breaker counts all its failures. A host's breaker counts only failures of the host or its
engine: a failing health check, a missing mount or a port in use is no reason to leave other containers down.

A breaker is closed until `breaker_failures` remediations in a row have failed, or `host_breaker_failures` for
the host. It is then open for `breaker_open` seconds. After that it is half open and allows one trial, whose
outcome closes or reopens the breaker. The state is computed from the attempts in the ledger and stored
nowhere else.

A host's breaker is shared by project (core.labels.project). At most two failures of each other project count
against a project, and only the project's own failures extend the open time. So no project can open the
breaker for others alone, and however many projects there are, a container waits at most `breaker_open` before
its project gets a trial.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from hemostat.core.labels.project import limit_others
from hemostat.core.ledger.controls import ALL_CONTAINERS
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Epoch, Outcome

COUNTED_OUTCOMES = frozenset({Outcome.HEALED, Outcome.FAILED})
MAX_OTHER_FAILURES: Final = 2
"""Failures of each other project that count against a project."""
MIN_FAILED_CONTAINERS: Final = 2
"""Different containers that must have failed to open a host's breaker."""

QUOTED_TEXT: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
CONTAINER_FAULTS: Final = re.compile(
    r"OCI runtime|mount|no such|not found|unable to find (?:user|group)", re.IGNORECASE
)
"""Matches errors caused by one container's own command, user, limits or volumes."""
HOST_FAULTS: Final = re.compile(
    r"(?:^|[: ])(?:timed out|timeout|deadline exceeded|no space left on device|cannot allocate memory"
    r"|too many open files(?: in system)?|read-only file system|input/output error"
    r"|resource temporarily unavailable)(?:: unknown)?[\s.)]*$"
    r"|containerd\.sock|containerd is not running|failed to (?:start|create) shim\b",
    re.IGNORECASE,
)
"""Matches engine errors that affect all containers, at the end of the message. The text before may quote the
container's configuration."""


def is_host_fault(error: str) -> bool:
    """Whether an engine's error message points to a fault of the host or the engine."""
    text = QUOTED_TEXT.sub("", error)
    return CONTAINER_FAULTS.search(text) is None and HOST_FAULTS.search(text) is not None


class BreakerState(msgspec.Struct, frozen=True):
    """`failures` is the current number of failures in a row. `until` is when the breaker becomes half open
    (epoch seconds)."""

    failures: int = 0
    open: bool = False
    half_open: bool = False
    until: Epoch = 0.0


def compute_container_breaker(
    name: str, attempts: Sequence[Attempt], book: LedgerSnapshot, limits: ResponderSettings, now: float
) -> BreakerState:
    """The breaker of a container, from its attempts. Attempts that ended before an operator closed the
    breaker do not count."""
    since = book.controls.get_reset_time(name)
    failed = _find_failure_streak((each for each in attempts if _is_counted(each)), since)
    if len(failed) < limits.breaker_failures:
        return BreakerState(len(failed))
    return _make_open_state(len(failed), _get_end(failed[-1]) + limits.breaker_open, now)


def compute_host_breaker(
    book: LedgerSnapshot, limits: ResponderSettings, now: float, project: str | None
) -> BreakerState:
    """The host's breaker for this project. None stands for a project without failures."""
    return _compute_host_breaker(_find_host_failures(book), limits, now, project)


def find_worst_host_breaker(
    book: LedgerSnapshot, limits: ResponderSettings, now: float
) -> tuple[BreakerState, str | None]:
    """The breaker for the project that it blocks longest, and that project; None as project if it blocks
    all."""
    failed = _find_host_failures(book)
    projects = dict.fromkeys([None, *(each.project for each in failed)])
    views = {project: _compute_host_breaker(failed, limits, now, project) for project in projects}
    project = max(views, key=lambda name: (views[name].until, views[name].failures))
    worst = views[project]
    return worst, project if worst.open and not views[None].open else None


def _find_host_failures(book: LedgerSnapshot) -> list[Attempt]:
    """Failures of the host since its latest success, and since an operator closed all breakers."""
    since = book.controls.resets.get(ALL_CONTAINERS, 0.0)
    attempts = (a for a in book.ended_attempts if _is_counted(a) and (a.host_fault or _has_healed(a)))
    return _find_failure_streak(attempts, since)


def _compute_host_breaker(
    host_failures: Iterable[Attempt], limits: ResponderSettings, now: float, project: str | None
) -> BreakerState:
    failed = limit_others(project, host_failures, MAX_OTHER_FAILURES, lambda each: each.project)
    opening = _count_until_opening(failed, limits.host_breaker_failures)
    if not opening:
        return BreakerState(len(failed))
    own = [each for each in failed[opening:] if each.project == project]
    until = max(map(_get_end, [failed[opening - 1], *own])) + limits.breaker_open
    return _make_open_state(len(failed), until, now)


def _count_until_opening(failed: Iterable[Attempt], failures: int) -> int:
    """How many of these failures opened the host's breaker; 0 if they did not."""
    containers: set[str] = set()
    for number, each in enumerate(failed, 1):
        containers.add(each.container)
        if number >= failures and len(containers) >= MIN_FAILED_CONTAINERS:
            return number
    return 0


def _find_failure_streak(attempts: Iterable[Attempt], since: float) -> list[Attempt]:
    """The failures after the latest success, ordered by their end."""
    failed: list[Attempt] = []
    for attempt in sorted((each for each in attempts if _get_end(each) > since), key=_get_end):
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
    """A stop does not count: its outcome does not show whether a container can be healed."""
    return attempt.outcome in COUNTED_OUTCOMES and attempt.action is not Action.STOP


def _get_end(attempt: Attempt) -> float:
    return attempt.time if attempt.finished is None else attempt.finished
