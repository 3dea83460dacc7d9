"""Computes the back-off between restarts, of containers and of HemoStat's own child processes."""

from collections.abc import Sequence


def count_restart_streak(ends: Sequence[float], now: float, reset: float) -> int:
    """Return how many of the latest restarts belong together: each followed the previous one within `reset`
    seconds, and the last was less than `reset` seconds ago. `ends` are epoch seconds, oldest first."""
    count, next_time = 0, now
    for end in reversed(ends):
        if next_time - end >= reset:
            break
        count, next_time = count + 1, end
    return count


def compute_backoff(count: int, first: float, ceiling: float) -> float:
    """Return the back-off in seconds after `count` restarts in a row: 0 if none, else `first`, doubled up to
    `ceiling`."""
    if count <= 0:
        return 0.0
    return min(ceiling, first * 2.0 ** min(count - 1, 60))
