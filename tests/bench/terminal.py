"""A program in a pseudo terminal, and what it sends."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SIZE = (120, 40)
CURSOR = re.compile(rb"\x1b\[1;7[;m]")
"""The line under the cursor is bold and reversed."""


class Terminal:
    """A program in a pseudo terminal. Its output is read as soon as it arrives."""

    def __init__(self, command: Sequence[str], environ: dict[str, str], cwd: Path | None = None) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
        self._began = time.monotonic()
        self.process = subprocess.Popen(
            command,
            env=environ,
            cwd=cwd,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._ours = ours
        self.sent = 0

    def wait_for(self, pattern: "re.Pattern[bytes]", seconds: float = 30.0) -> float:
        """Seconds from when the program was started until it had sent this."""
        seen = b""
        for chunk, at in self._read(seconds):
            seen = seen[-4096:] + chunk
            if pattern.search(seen):
                return at - self._began
        raise SystemExit(f"not shown: {pattern.pattern!r} in {seen[-2000:]!r}")

    def watch(self, seconds: float) -> int:
        """How many bytes come within so many seconds."""
        return sum(len(chunk) for chunk, _ in self._read(seconds))

    def press(self, key: bytes) -> float:
        """Seconds until the cursor was drawn again."""
        began = time.monotonic()
        os.write(self._ours, key)
        seen = b""
        for chunk, at in self._read(5.0):
            seen += chunk
            if CURSOR.search(seen):
                return at - began
        raise SystemExit("a key was not answered")

    def _read(self, seconds: float) -> Iterator[tuple[bytes, float]]:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._ours], [], [], left)[0]:
                try:
                    yield os.read(self._ours, 1 << 16), time.monotonic()
                except OSError:  # the program has ended
                    return

    def close(self) -> None:
        self.process.terminate()
        while self.process.poll() is None:
            self.watch(0.05)
        os.close(self._ours)


@contextmanager
def running(command: Sequence[str], environ: dict[str, str], cwd: Path | None = None) -> Iterator[Terminal]:
    made = Terminal(command, environ, cwd)
    try:
        yield made
    finally:
        made.close()
