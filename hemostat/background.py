"""Runs work in daemon threads: work that hangs must not keep the process from ending."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)


def run_in_background(work: Callable[[], T], name: str) -> Future[T]:
    """Run `work` in a daemon thread of this name, and return the future of its result or exception."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - raised by `Future.result` in the thread that asks
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


class DaemonPool:
    """Runs work in at most `size` daemon threads, which are started when they are needed. An executor of the
    standard library waits for its threads at the end of the process."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._changed = threading.Condition()
        self._queue: deque[Callable[[], object]] = deque()
        self._thread_count = 0
        self._idle_count = 0
        self._is_stopped = False

    def submit(self, work: Callable[[], object]) -> None:
        """Run `work` as soon as a thread is free; not at all after `stop`. An exception is logged."""
        with self._changed:
            if self._is_stopped:
                return
            self._queue.append(work)
            if len(self._queue) > self._idle_count and self._thread_count < self._size:
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
                self._thread_count += 1
            self._changed.notify()

    def stop(self) -> None:
        """Drop the work that waits, and end the threads once their work has ended."""
        with self._changed:
            self._is_stopped = True
            self._queue.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while (work := self._take()) is not None:
            try:
                work()
            except Exception:
                logger.exception("background_work.failed thread=%s", self._name)

    def _take(self) -> Callable[[], object] | None:
        with self._changed:
            self._idle_count += 1
            self._changed.wait_for(lambda: self._queue or self._is_stopped)
            self._idle_count -= 1
            return self._queue.popleft() if self._queue else None
