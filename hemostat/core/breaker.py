"""Circuit breakers: after repeated failures nothing is tried for a while, then one trial decides.

A container's counts all its failures. A host's counts those alone that speak of the host or its engine: that
a container's check still fails, that its mount is gone or its port taken, is no reason to leave others down.

Closed until `failures` remediations in a row have failed; then open; after `open_for` seconds half open: one
trial is let through, which closes it or opens it again. There is no state but the ledger's attempts.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from hemostat.core.model import Attempt
from hemostat.events import Action, Outcome

COUNTED = frozenset({Outcome.HEALED, Outcome.FAILED})


HOST_FAULTS: Final = re.compile(
    r"timed? ?out|deadline exceeded|no space left|cannot allocate memory|too many open files"
    r"|read-only file system|input/output error|resource temporarily unavailable|containerd|shim",
    re.IGNORECASE,
)
"""What an engine says that fails for all containers alike."""


def is_host_fault(error: str) -> bool:
    return HOST_FAULTS.search(error) is not None


class Breaker(msgspec.Struct, frozen=True):
    """`failures` is how many in a row, up to now; `until` when it becomes half open (epoch seconds)."""

    failures: int = 0
    open: bool = False
    half_open: bool = False
    until: float = 0.0


def of(
    attempts: Sequence[Attempt],
    failures: int,
    open_for: float,
    *,
    since: float = 0.0,
    now: float,
    spread: bool = False,
) -> Breaker:
    """The breaker over these attempts, oldest first. Those that ended before `since` do not count: somebody
    closed it then. `spread`: it is a host's, which one container's failures alone do not open."""
    ended = [a for a in attempts if _counts(a, spread=spread) and _end(a) > since]
    failed: list[Attempt] = []
    for attempt in sorted(ended, key=_end, reverse=True):
        if attempt.outcome is Outcome.HEALED:
            break
        failed.append(attempt)
    count = len(failed)
    if count < failures or (spread and len({attempt.container for attempt in failed}) < 2):  # noqa: PLR2004
        return Breaker(count)
    until = _end(failed[0]) + open_for
    return Breaker(count, open=now < until, half_open=now >= until, until=until)


def _counts(attempt: Attempt, *, spread: bool) -> bool:
    """That a container could be stopped says nothing of whether it can be healed."""
    if spread and attempt.outcome is Outcome.FAILED and not attempt.host_fault:
        return False
    return attempt.outcome in COUNTED and attempt.action is not Action.STOP


def _end(attempt: Attempt) -> float:
    return attempt.time if attempt.finished is None else attempt.finished
