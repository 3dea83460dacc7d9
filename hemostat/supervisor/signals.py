"""Signals as a file descriptor, so that the supervisor can wait for them together with other events."""

import os
import signal
from types import FrameType
from typing import Self


class Signals:
    """Received SIGINT and SIGTERM signals, and a descriptor that is readable after a signal or a child's
    exit."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.fileno, self._write_end = os.pipe()
        for end in (self.fileno, self._write_end):
            os.set_blocking(end, False)

    @property
    def is_impatient(self) -> bool:
        return self.received.count(signal.SIGINT) > 1

    def __enter__(self) -> Self:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
        self._before = {number: signal.signal(number, self._note) for number in numbers}
        self._wakeup = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.fileno)
        os.close(self._write_end)

    def _note(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self.received.append(number)

    def drain(self) -> None:
        try:
            os.read(self.fileno, 4096)
        except BlockingIOError:
            return
