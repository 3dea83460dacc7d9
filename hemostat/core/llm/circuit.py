"""A circuit breaker for a service that is asked for advice: while it is open, nobody asks."""

from typing import Final

import msgspec

from hemostat.core.backoff import compute_backoff

FIRST_PAUSE_SECONDS: Final = 5.0
MAX_PAUSE_SECONDS: Final = 300.0
MAX_SERVICE_WAIT_SECONDS: Final = 3600.0
"""Seconds that a service may keep us waiting for, whatever it says."""


class LlmCircuit(msgspec.Struct, frozen=True):
    """`failures` in a row, the last for the reason `why`; nobody asks before `until` (epoch seconds)."""

    failures: int = 0
    until: float = 0.0
    why: str = ""

    def left(self, now: float) -> float:
        """Seconds until the next trial; 0: ask. A clock that was set back closes it."""
        left = self.until - now
        return left if 0 < left <= MAX_SERVICE_WAIT_SECONDS else 0.0

    def failed(self, why: str, now: float, wait: float | None = None, *, allowed: int = 0) -> "LlmCircuit":
        """`wait`: seconds that the service asked for; `allowed`: so many failures in a row are no outage."""
        left = self.left(now)
        # Those that were on their way when it opened tell of the same failure.
        count = self.failures if left else self.failures + 1
        if count <= allowed:
            return LlmCircuit(count, self.until, why)
        pause = max(
            compute_backoff(count, FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS),
            min(wait or 0.0, MAX_SERVICE_WAIT_SECONDS),
            left,
        )
        return LlmCircuit(count, now + pause, why)


CLOSED_CIRCUIT: Final = LlmCircuit()
