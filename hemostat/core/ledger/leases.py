"""Determines until when an attempt in the ledger belongs to the responder that wrote it.

How long an action may take depends on the container's settings. A lease is therefore bounded both where it is
written and where it is read: no row, regardless of its writer, keeps a container or a slot for longer than
MAX_LEASE_SECONDS.
"""

from typing import Final

from hemostat.core.ledger.controls import Controls
from hemostat.core.ledger.rows import Attempt

MAX_LEASE_SECONDS: Final = 900.0
MAX_SKEW_SECONDS: Final = 5.0
"""Maximum difference between the clocks of two machines."""


def limit_lease(seconds: float) -> float:
    return min(seconds, MAX_LEASE_SECONDS)


def get_lease_end(attempt: Attempt) -> float:
    """Return when the lease ends (epoch seconds), bounded by MAX_LEASE_SECONDS."""
    return min(attempt.lease, _get_lease_start(attempt) + MAX_LEASE_SECONDS)


def is_leased(
    attempt: Attempt, now: float, controls: Controls | None = None, seen_at: float | None = None
) -> bool:
    """Return whether the attempt's responder may still be working on it. A lease taken before an operator's
    reset is over. A lease from the future (the clock was set back, or no responder wrote the row) keeps its
    length, counted from when it was first `seen_at` (epoch seconds)."""
    taken_at = _get_lease_start(attempt)
    if seen_at is not None and taken_at > now:
        return seen_at <= now < seen_at + limit_lease(attempt.lease - taken_at)
    if controls is not None and taken_at <= controls.get_reset_time(attempt.container) <= now:
        return False
    return taken_at - MAX_LEASE_SECONDS <= now < get_lease_end(attempt)


def is_from_future(attempt: Attempt, now: float) -> bool:
    return _get_lease_start(attempt) > now + MAX_SKEW_SECONDS


def _get_lease_start(attempt: Attempt) -> float:
    return max(attempt.time, attempt.renewed)
