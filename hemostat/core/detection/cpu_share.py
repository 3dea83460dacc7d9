"""Limits the share of a CPU core that the work for one engine takes.

An engine may send any number of events, of any size, and so may its containers. Work beyond the share waits:
the connection fills, and the engine's side waits, too.
"""

from math import inf


class CpuShare:
    """A token bucket of CPU seconds. `share`: of one core, on average. `burst`: CPU seconds beyond the
    share that may be used at once."""

    def __init__(self, share: float, burst: float) -> None:
        self._share = share
        self._burst = burst
        self._balance = burst
        self._used = inf
        self._now = inf

    def compute_pause(self, used: float, now: float) -> float:
        """Return how many seconds the work has to wait, 0 if it may go on. `used`: CPU seconds used so far.
        `now`: seconds from an arbitrary start."""
        gained = self._share * max(0.0, now - self._now) - max(0.0, used - self._used)
        self._balance = min(self._burst, self._balance + gained)
        self._used, self._now = used, now
        return max(0.0, -self._balance / self._share)
