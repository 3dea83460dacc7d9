"""Tracks the attempts that this process works on.

The ledger cannot tell a second worker from the same worker after a crash.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class InFlight:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[str] = set()

    @property
    def names(self) -> frozenset[str]:
        """The names that are worked on now."""
        with self._lock:
            return frozenset(self._names)

    @contextmanager
    def take(self, name: str) -> Iterator[bool]:
        """Yield whether `name` is free in this process. While the context lasts, `name` is taken."""
        with self._lock:
            free = name not in self._names
            self._names.add(name)
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._names.discard(name)
