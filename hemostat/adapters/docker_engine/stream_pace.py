"""Slows down the reading of streams: a stream without end must not use up the host's CPU."""

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Final

from hemostat.core.detection.cpu_share import CpuShare

MAX_SHARE: Final = 0.2
BURST_SECONDS: Final = 10.0
"""CPU that reading takes: of a core, and seconds at once. Events of 1,000 containers that fail every minute
take less than 0.01 of a core."""
BEHIND_SECONDS: Final = 10.0
"""Seconds for which a stream counts as behind after the last pause."""


class StreamPace:
    """The streams that share one limit. Safe to use from several threads at once. `closed` ends a pause."""

    def __init__(self, closed: threading.Event, share: float = MAX_SHARE) -> None:
        self._closed = closed
        self._share = CpuShare(share, BURST_SECONDS)
        self._lock = threading.Lock()
        self._used = 0.0
        self._paused_at: float | None = None

    @property
    def is_behind(self) -> bool:
        """Whether more arrives than is read."""
        return self._paused_at is not None and time.monotonic() - self._paused_at < BEHIND_SECONDS

    def limit(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks, with pauses. Counts the thread's CPU from one chunk to the next: for reading and for
        what is done with the chunk."""
        before = time.thread_time()
        for chunk in chunks:
            yield chunk
            now = time.thread_time()
            self._wait(self._spend(now - before))
            before = now

    def _spend(self, seconds: float) -> float:
        with self._lock:
            self._used += seconds
            pause = self._share.compute_pause(self._used, time.monotonic())
            if pause > 0:
                self._paused_at = time.monotonic()
        return pause

    def _wait(self, pause: float) -> None:
        if pause > 0:
            self._closed.wait(pause)
