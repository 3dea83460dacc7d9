"""Logs what the engine sends and HemoStat cannot read, without filling the log."""

import logging
import threading
import time
from typing import Final

from hemostat.core.text import truncate

LOG_SECONDS: Final = 60.0
MAX_ERROR_CHARACTERS: Final = 300

logger = logging.getLogger(__name__)


class Rejections:
    """Counts rejections of one kind, and logs them as `event` once in LOG_SECONDS at most. Safe to use from
    several threads at once."""

    def __init__(self, event: str) -> None:
        self._format = f"{event} count=%d error=%s"
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
        logger.warning(self._format, count, truncate(error, MAX_ERROR_CHARACTERS))
