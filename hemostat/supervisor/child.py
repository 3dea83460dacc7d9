"""A role's process: its start, its exit, and when it is started again."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from hemostat.core.backoff import compute_backoff, count_restart_streak
from hemostat.errors import USAGE
from hemostat.supervisor.child_process import ChildProcess, fork
from hemostat.supervisor.output import LineSplitter

FIRST_DELAY_SECONDS: Final = 0.1
MAX_DELAY_SECONDS: Final = 5.0
"""Maximum seconds between two starts: while a role is down, containers are not healed."""
RESET_SECONDS: Final = 60.0
"""Seconds that a child must have lived for its next exit to count as the first again."""
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")


class Child:
    """One role's process, or the time of its next start."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.lines = LineSplitter()
        self.process: ChildProcess | None = None
        self.due: float | None = 0.0
        self.is_ready = False
        """Whether the process has reported that its role is up."""
        self.ready_end: int | None = None
        """The descriptor on which the process reports that."""
        self._ends: list[float] = []
        self._cpu_seconds = 0.0

    def start(self, run: Callable[[int], int]) -> None:
        """Start the process, which calls `run` with the descriptor to which it writes when it is ready."""
        self.due = None
        self.ready_end, write_end = os.pipe()
        try:
            self.process = fork(self.role, partial(run, write_end), write_end)
        finally:
            os.close(write_end)

    def measure_start(self) -> float:
        """Return the seconds of CPU that the first process has used since the last call, before it is ready.
        A child that was started again is not measured: it may end each time."""
        if self.process is None or self.is_ready or self._ends:
            return 0.0
        before, self._cpu_seconds = self._cpu_seconds, read_cpu_seconds(self.process.pid)
        return self._cpu_seconds - before

    def close_ready_end(self) -> None:
        if self.ready_end is not None:
            os.close(self.ready_end)
            self.ready_end = None

    def is_refused(self, code: int) -> bool:
        """Return whether an exit with `code` reports a configuration that never worked.

        A role that ran once is started again whatever its exit code: a bad edit of the file later on must not
        end the roles that still run.
        """
        return code == USAGE and not self._ends

    def note_end(self, now: float) -> float:
        """Record the exit, and return the seconds until the next start."""
        self.process = None
        self.is_ready = False
        self._ends = [*self._ends[-20:], now]
        wait = compute_backoff(
            count_restart_streak(self._ends, now, RESET_SECONDS), FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS
        )
        self.due = now + wait
        return wait


def read_cpu_seconds(pid: int) -> float:
    """Seconds of CPU that a process has used (proc(5), /proc/pid/stat, fields 14 and 15); 0 for none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    except (OSError, ValueError, IndexError):
        return 0.0
