"""A circuit breaker for the LLM service: while it is open, no requests are sent."""

from typing import Final

import msgspec

from hemostat.core.backoff import compute_backoff

FIRST_PAUSE_SECONDS: Final = 5.0
MAX_PAUSE_SECONDS: Final = 300.0
MAX_SERVICE_WAIT_SECONDS: Final = 3600.0
"""The longest wait in seconds, whatever the service asks for."""


class LlmCircuit(msgspec.Struct, frozen=True):
    """`failures` is the number of failures in a row, and `why` the reason for the last. No requests are sent
    before `until` (epoch seconds)."""

    failures: int = 0
    until: float = 0.0
    why: str = ""

    def get_seconds_left(self, now: float) -> float:
        """Seconds until the next trial; 0 means ask now. A clock that was set back closes the circuit."""
        seconds_left = self.until - now
        return seconds_left if 0 < seconds_left <= MAX_SERVICE_WAIT_SECONDS else 0.0

    def record_failure(
        self, why: str, now: float, wait: float | None = None, *, allowed: int = 0
    ) -> "LlmCircuit":
        """The state after a failure. `wait` is the seconds that the service asked to wait. Up to `allowed`
        failures in a row are no outage."""
        seconds_left = self.get_seconds_left(now)
        # Requests already under way when the circuit opened report the same failure.
        count = self.failures if seconds_left else self.failures + 1
        if count <= allowed:
            return LlmCircuit(count, self.until, why)
        pause = max(
            compute_backoff(count, FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS),
            min(wait or 0.0, MAX_SERVICE_WAIT_SECONDS),
            seconds_left,
        )
        return LlmCircuit(count, now + pause, why)


CLOSED_CIRCUIT: Final = LlmCircuit()
