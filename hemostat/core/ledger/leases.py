"""Until when an attempt in the ledger belongs to the responder that wrote it.

How long an action may take depends on what a container asks for. So a lease is bounded where it is written
and where it is read: no row, whoever wrote it, keeps a container or a slot for longer than MAX_LEASE_SECONDS.
"""

from typing import Final

from hemostat.core.ledger.controls import Controls
from hemostat.core.ledger.rows import Attempt

MAX_LEASE_SECONDS: Final = 900.0
MAX_SKEW_SECONDS: Final = 5.0
"""By which the clocks of two machines may differ."""


def limit_lease(seconds: float) -> float:
    return min(seconds, MAX_LEASE_SECONDS)


def get_lease_end(attempt: Attempt) -> float:
    """When the lease ends (epoch seconds), whatever the row says."""
    return min(attempt.lease, _get_lease_start(attempt) + MAX_LEASE_SECONDS)


def is_leased(
    attempt: Attempt, now: float, controls: Controls | None = None, seen: float | None = None
) -> bool:
    """Whether its responder may still be at work on it. A lease that was taken before a person's reset is
    over. A lease from the future (the clock was set back, or the row is not a responder's) lasts for as long
    as it was to last from when it was `seen` first (epoch seconds)."""
    taken = _get_lease_start(attempt)
    if seen is not None and taken > now:
        return seen <= now < seen + limit_lease(attempt.lease - taken)
    if controls is not None and taken <= controls.reset(attempt.container) <= now:
        return False
    return taken - MAX_LEASE_SECONDS <= now < get_lease_end(attempt)


def is_from_future(attempt: Attempt, now: float) -> bool:
    return _get_lease_start(attempt) > now + MAX_SKEW_SECONDS


def _get_lease_start(attempt: Attempt) -> float:
    return max(attempt.time, attempt.renewed)
