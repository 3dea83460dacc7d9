"""What is opened when something is first asked of it."""

import threading
from collections.abc import Callable
from typing import Any


class Lazy:
    """Has all that it opens has. Opening it, and loading what speaks to it, takes a while: meanwhile the
    screen is there. What `opens` raises is raised by whatever was asked, and tried anew the next time."""

    def __init__(self, opens: Callable[[], Any]) -> None:
        self._open = opens
        self._lock = threading.Lock()
        self._opened: Any = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
        return getattr(self._opened, name)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
