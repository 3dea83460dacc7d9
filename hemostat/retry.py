"""Waits out transient failures: an engine that restarts, a Redis that comes back."""

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from hemostat.core.backoff import compute_backoff
from hemostat.errors import AdapterError
from hemostat.ports import Clock

FIRST_DELAY_SECONDS: Final = 0.05
MAX_DELAY_SECONDS: Final = 5.0

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Retry:
    """Repeats a call for as long as it fails in a way that waiting can cure.

    `error` is the failure that is waited out now; `trouble` is its text for heartbeats, empty for none.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.error: AdapterError | None = None

    @property
    def trouble(self) -> str:
        return str(self.error or "")

    def __call__(self, call: Callable[[], T]) -> T:
        """Return the call's result. Raises errors that are neither transient nor curable, and Interrupted
        when the process is to stop."""
        tries = 0
        while True:
            try:
                result = call()
            except AdapterError as error:
                if not (error.transient or error.curable):
                    raise
                tries += 1
                self._set_error(error)
                self._clock.sleep(compute_backoff(tries, FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS))
            else:
                if tries:
                    logger.info("connection.restored tries=%d", tries)
                    self.error = None
                return result

    def _set_error(self, error: AdapterError) -> None:
        if self.trouble != str(error):
            logger.warning("connection.failed error=%s", error)
        self.error = error
