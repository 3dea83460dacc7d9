"""Signals as a descriptor that the supervisor waits for along with everything else."""

import os
import signal
from types import FrameType
from typing import Self


class Signals:
    """SIGINT and SIGTERM as they come, and a descriptor that is readable when one has, or a child ended."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.fileno, self._write_end = os.pipe()
        for end in (self.fileno, self._write_end):
            os.set_blocking(end, False)

    @property
    def impatient(self) -> bool:
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
