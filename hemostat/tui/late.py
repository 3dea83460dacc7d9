"""A bus that is opened when something is first asked of it."""

import threading
from collections.abc import Callable
from typing import Any

from hemostat.ports import Bus


class Late:
    """Has all that the bus has. Opening it, and loading what speaks to it, takes a while: meanwhile the
    screen is there. What `opens` raises is raised by whatever was asked, and tried anew the next time."""

    def __init__(self, opens: Callable[[], Bus]) -> None:
        self._opens = opens
        self._lock = threading.Lock()
        self._bus: Bus | None = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._bus is None:
                self._bus = self._opens()
        return getattr(self._bus, name)

    def close(self) -> None:
        if self._bus is not None:
            self._bus.close()
