"""Logs what the engine sends and HemoStat cannot read, without filling the log."""

import threading
import time
from collections.abc import Callable
from typing import Final

from hemostat.core.text import truncate

LOG_SECONDS: Final = 60.0
MAX_ERROR_CHARACTERS: Final = 300


class Rejections:
    """Counts rejections of one kind, and logs them once in LOG_SECONDS at most. `log` is called with their
    number and the last error. Safe to use from several threads at once."""

    def __init__(self, log: Callable[[int, str], None]) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._count = 0
        self._logged_at: float | None = None

    def note(self, error: str) -> None:
        now = time.monotonic()
        with self._lock:
            self._count += 1
            if self._logged_at is not None and now - self._logged_at < LOG_SECONDS:
                return
            count, self._count, self._logged_at = self._count, 0, now
        self._log(count, truncate(error, MAX_ERROR_CHARACTERS))
