"""The machine's clock, and a sleep that ends when the process is told to stop."""

import threading
import time

from hemostat.ports import Interrupted


class SystemClock:
    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        if self._stop.wait(max(0.0, seconds)):
            raise Interrupted


def seconds_of_day(now: float) -> float:
    """Seconds since midnight, in this machine's local time."""
    local = time.localtime(now)
    return local.tm_hour * 3600.0 + local.tm_min * 60.0 + local.tm_sec
