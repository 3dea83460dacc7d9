"""What this process is at work on: to the ledger, its second worker looks like itself after a crash."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class InFlight:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[str] = set()

    @property
    def full(self) -> frozenset[str]:
        """What is worked on now."""
        with self._lock:
            return frozenset(self._names)

    @contextmanager
    def take(self, name: str) -> Iterator[bool]:
        """Whether nobody else here is at work on `name`; while the context lasts, nobody else will be."""
        with self._lock:
            free = name not in self._names
            self._names.add(name)
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._names.discard(name)
