"""Runs `hemostat all`: one forked process per role and engine, restarted with the back-off of containers.

One thread waits for everything at once: the children's output, their exits, signals, and starts that are due.
The service manager learns from the same thread that all roles are up, and that the supervisor is alive.
A child that exits is started again for as long as the supervisor lives, unless its first start reports a
wrong configuration, which another start would not fix.
"""

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import Final

from hemostat.core.units import show_duration
from hemostat.errors import INTERRUPTED, OK, USAGE
from hemostat.supervisor.child import Child
from hemostat.supervisor.child_process import describe_exit
from hemostat.supervisor.lock import hold_lock
from hemostat.supervisor.output import OWN_LABEL, LineOutput, Output
from hemostat.supervisor.service_manager import READY, STOPPING, ServiceManager
from hemostat.supervisor.signals import Signals

GRACE_SECONDS: Final = 10.0
"""Seconds between SIGTERM and SIGKILL."""
PROGRESS_SECONDS: Final = 20.0
MIN_PROGRESS_SHARE: Final = 0.02
"""Share of a core that roles which load use together at least, measured each PROGRESS_SECONDS. A role that
waits uses less."""

Run = Callable[[str, str, int], int]
"""Runs a child in its process and returns the exit code. The arguments are the names of the child (ROLE, or
ROLE ENGINE) and of the instance, and the descriptor to which it writes a byte when it is ready."""


def supervise(
    roles: Sequence[str],
    run: Run,
    *,
    state_dir: Path,
    out: LineOutput,
    manager: ServiceManager,
    grace: float = GRACE_SECONDS,
    progress_seconds: float = PROGRESS_SECONDS,
    json_lines: bool = False,
) -> int:
    """Run until SIGTERM (exit code 0), SIGINT (130), or a configuration error of a child's first start (2).

    `json_lines`: every line is a JSON object that names the role; a child's own objects are passed on as they
    are. Raises UsageError if another supervisor holds `state_dir`.
    """
    with hold_lock(state_dir), Signals() as signals:
        output = Output(out, roles, json_lines=json_lines)
        return _Supervisor(roles, run, signals, output, manager, grace, progress_seconds).run()


class _Supervisor:
    def __init__(
        self,
        roles: Sequence[str],
        run: Run,
        signals: Signals,
        output: Output,
        manager: ServiceManager,
        grace: float,
        progress_seconds: float,
    ) -> None:
        self._children = [Child(role) for role in roles]
        self._run_child = run
        self._signals = signals
        self._output = output
        self._manager = manager
        self._grace = grace
        self._progress_seconds = progress_seconds
        self._progress_due = time.monotonic() + progress_seconds
        """When to measure whether the start goes on (monotonic seconds); infinite after the start."""
        self._has_been_ready = False
        self._instance = f"{socket.gethostname()}-{os.getpid()}"
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals.fileno, selectors.EVENT_READ, signals.drain)

    def run(self) -> int:
        is_refused = False
        try:
            while not (self._signals.received or is_refused):
                self._start_due()
                self._update_manager()
                self._wait(self._compute_wait())
                is_refused = self._reap()
            self._stop()
        finally:
            self._kill()
        if is_refused:
            return USAGE
        return INTERRUPTED if signal.SIGINT in self._signals.received else OK

    # --- children -----------------------------------------------------------------------------------

    def _start_due(self) -> None:
        for child in self._children:
            if child.due is None or child.due > time.monotonic():
                continue
            child.start(partial(self._run_child, child.role, self._instance))
            if child.process is not None:
                output = child.process.output
                self._selector.register(output, selectors.EVENT_READ, partial(self._forward, child, output))
            if child.ready_end is not None:
                self._selector.register(
                    child.ready_end, selectors.EVENT_READ, partial(self._note_ready, child)
                )

    def _note_ready(self, child: Child) -> None:
        if (end := child.ready_end) is not None:
            child.is_ready = bool(os.read(end, 1))
            self._forget_ready_end(child)

    def _forget_ready_end(self, child: Child) -> None:
        if child.ready_end is not None:
            self._selector.unregister(child.ready_end)
            child.close_ready_end()

    def _update_manager(self) -> None:
        """Tell the service manager the state: ready when all roles have been up at the same time."""
        missing = [child.role for child in self._children if not child.is_ready]
        is_first = not (missing or self._has_been_ready)
        self._has_been_ready = self._has_been_ready or is_first
        text = f"waiting for {', '.join(missing)}" if missing else "all roles are running"
        self._manager.set_status(text, *([READY] if is_first else []))
        self._extend_start(time.monotonic())
        self._manager.send_watchdog(time.monotonic())

    def _extend_start(self, now: float) -> None:
        """Request more time from the service manager while the roles load: another start on a slow host would
        begin with nothing and take as long."""
        if self._has_been_ready:
            self._progress_due = inf
        if now < self._progress_due:
            return
        self._progress_due = now + self._progress_seconds
        used = sum(child.measure_start() for child in self._children)
        if used >= MIN_PROGRESS_SHARE * self._progress_seconds:
            self._manager.extend_start()

    def _compute_wait(self) -> float | None:
        dues = [child.due for child in self._children if child.due is not None]
        due = min([*dues, self._manager.watchdog_due, self._progress_due])
        return None if due == inf else max(0.0, due - time.monotonic())

    def _reap(self) -> bool:
        """Handle children that have exited. Returns whether one of them is not to be started again."""
        is_refused = False
        for child in self._children:
            code = None if child.process is None else child.process.poll()
            if code is None:
                continue
            self._drain(child)
            self._forget_ready_end(child)
            stopping = child.is_refused(code)
            wait = child.note_end(time.monotonic())
            is_refused = is_refused or stopping
            then = "stopping" if stopping else f"restarting in {show_duration(wait)}"
            self._print(f"{child.role} {describe_exit(code)}, {then}")
        return is_refused

    def _stop(self) -> None:
        """Send SIGTERM to all at once: their unfinished entries are on the streams. A second Ctrl-C ends the
        wait."""
        self._manager.set_status("stopping", STOPPING)
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while self._list_running() and time.monotonic() < deadline and not self._signals.is_impatient:
            self._wait(deadline - time.monotonic())
            for child in self._list_running():
                if child.process is not None and child.process.poll() is not None:
                    self._drain(child)
                    child.process = None
        for child in self._list_running():
            self._print(f"{child.role} did not stop in time and was killed")

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)
        for child in self._list_running():
            if child.process is not None:
                child.process.wait()
                self._drain(child)
        for child in self._children:
            child.close_ready_end()
        self._selector.close()

    def _list_running(self) -> list[Child]:
        return [child for child in self._children if child.process is not None]

    def _signal(self, number: int) -> None:
        for child in self._list_running():
            if child.process is not None:
                child.process.send_signal(number)

    # --- output -------------------------------------------------------------------------------------

    def _wait(self, timeout: float | None) -> None:
        for key, _ in self._selector.select(timeout):
            key.data()

    def _forward(self, child: Child, descriptor: int) -> bool:
        """Pass on what can be read now; False at the end."""
        data = os.read(descriptor, 65536)
        for line in child.lines.feed(data):
            self._output.write(child.role, line)
        if not data:
            self._selector.unregister(descriptor)
        return bool(data)

    def _drain(self, child: Child) -> None:
        """Pass on the last output of a child that has exited."""
        if child.process is None:
            return
        output = child.process.output
        os.set_blocking(output, False)
        try:
            while output in self._selector.get_map() and self._forward(child, output):
                pass
        except BlockingIOError:  # a grandchild holds the pipe open
            self._selector.unregister(output)
        os.close(output)

    def _print(self, text: str) -> None:
        self._output.write(OWN_LABEL, text)
