"""`hemostat all`: one child process a role, restarted with the back-off that containers get too.

One thread waits for everything at once: the children's output, their ends, signals, and what is due. A child
that ends is started again for as long as the supervisor lives, unless it says that its configuration is
wrong: starting it again would not mend that.
"""

import ctypes
import errno
import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, Protocol, Self

from hemostat.core.restart import delay, streak
from hemostat.core.units import show_duration
from hemostat.errors import INTERRUPTED, OK, USAGE, UsageError

FIRST: Final = 0.1
CEILING: Final = 5.0
"""Seconds between two starts at most: while a role is down, nobody is healed by it."""
RESET: Final = 60.0
"""Seconds that a child must have lived for its next end to count as the first again."""
GRACE: Final = 10.0
"""Seconds between SIGTERM and SIGKILL."""
LONGEST_LINE: Final = 32 * 1024
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a log on a full disk answers: lines are lost for it, and no role is."""

COLOURS: Final = ("36", "35", "33", "32", "34")
PR_SET_PDEATHSIG: Final = 1


class Out(Protocol):
    """Where the lines of all go."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...

    def isatty(self) -> bool: ...


Command = Callable[[str, str], list[str]]
"""A role's name and the instance's, to the child's argument vector."""


def supervise(
    roles: Sequence[str],
    command: Command,
    *,
    state_dir: Path,
    out: Out,
    grace: float = GRACE,
    json_lines: bool = False,
) -> int:
    """Run until SIGTERM (exit code 0), SIGINT (130), or a child's configuration error (2).

    `json_lines`: every line is a JSON object that names the role; a child's own are passed on as they are.
    Raises UsageError if another supervisor holds `state_dir`.
    """
    with _lock(state_dir), _Signals() as signals:
        return _Supervisor(roles, command, signals, out, grace, json_lines=json_lines).run()


def die_with_parent(parent: int) -> None:
    """Called by a child: be ended when the process `parent` is, even by SIGKILL, so that no role outlives its
    supervisor and meets its successor's."""
    if hasattr(library := ctypes.CDLL(None), "prctl"):
        library.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


class _Child:
    """One role's process, or the time at which there is to be one again."""

    def __init__(self, role: str, number: int) -> None:
        self.role = role
        self.colour = COLOURS[number % len(COLOURS)]
        self.process: subprocess.Popen[bytes] | None = None
        self.due: float | None = 0.0
        self._ends: list[float] = []
        self._rest = b""

    def ended(self, now: float) -> float:
        """Note the end; the seconds until the next start."""
        self.process = None
        self._ends = [*self._ends[-20:], now]
        wait = delay(streak(self._ends, now, RESET), FIRST, CEILING)
        self.due = now + wait
        return wait

    def lines(self, data: bytes) -> list[str]:
        """Whole lines out of what was read; an empty read ends the last one."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (not data or len(self._rest) > LONGEST_LINE):
            lines, self._rest = [*lines, self._rest], b""
        return [_harmless(line[:LONGEST_LINE]) for line in lines]


class _Supervisor:
    def __init__(
        self,
        roles: Sequence[str],
        command: Command,
        signals: "_Signals",
        out: Out,
        grace: float,
        *,
        json_lines: bool,
    ) -> None:
        self._json_lines = json_lines
        self._children = [_Child(role, number) for number, role in enumerate(roles)]
        self._command = command
        self._signals = signals
        self._out = out
        self._grace = grace
        self._instance = f"{socket.gethostname()}-{os.getpid()}"
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals.fileno, selectors.EVENT_READ)
        self._width = max(len("hemostat"), *map(len, roles))
        self._coloured = out.isatty() and not any(map(os.environ.get, ("NO_COLOR", "HEMOSTAT_NO_COLOR")))

    def run(self) -> int:
        broken = False
        try:
            while not (self._signals.received or broken):
                self._start_due()
                self._wait(self._until_due())
                broken = self._reap()
            self._stop()
        finally:
            self._kill()
        if broken:
            return USAGE
        return INTERRUPTED if signal.SIGINT in self._signals.received else OK

    # --- children -----------------------------------------------------------------------------------

    def _start_due(self) -> None:
        for child in self._children:
            if child.due is not None and child.due <= time.monotonic():
                child.due = None
                # A session of its own: a terminal's Ctrl-C is for the supervisor, which stops its children.
                child.process = subprocess.Popen(
                    self._command(child.role, self._instance),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                if child.process.stdout is not None:
                    self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _until_due(self) -> float | None:
        dues = [child.due for child in self._children if child.due is not None]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _reap(self) -> bool:
        """Deal with children that have ended; whether one says that its configuration is wrong."""
        broken = False
        for child in self._children:
            code = None if child.process is None else child.process.poll()
            if code is None:
                continue
            self._drain(child)
            wait = child.ended(time.monotonic())
            broken = broken or code == USAGE
            then = "stopping" if code == USAGE else f"starting it again in {show_duration(wait)}"
            self._say(f"{child.role} {_how(code)}, {then}")
        return broken

    def _stop(self) -> None:
        """SIGTERM to all at once: what they have in hand is on the streams. A second Ctrl-C ends the wait."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while self._running() and time.monotonic() < deadline and not self._signals.impatient:
            self._wait(deadline - time.monotonic())
            for child in self._running():
                if child.process is not None and child.process.poll() is not None:
                    self._drain(child)
                    child.process = None
        for child in self._running():
            self._say(f"{child.role} did not stop in time and is killed")

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)
        for child in self._running():
            if child.process is not None:
                child.process.wait()
                self._drain(child)
        self._selector.close()

    def _running(self) -> list[_Child]:
        return [child for child in self._children if child.process is not None]

    def _signal(self, number: int) -> None:
        for child in self._running():
            if child.process is not None:
                child.process.send_signal(number)

    # --- output -------------------------------------------------------------------------------------

    def _wait(self, timeout: float | None) -> None:
        for key, _ in self._selector.select(timeout):
            if isinstance(key.data, _Child):
                self._forward(key.data, key.fd)
            else:
                self._signals.drain()

    def _forward(self, child: _Child, descriptor: int) -> bool:
        """Pass on what can be read now; False at the end."""
        data = os.read(descriptor, 65536)
        for line in child.lines(data):
            self._write(child.role, child.colour, line)
        if not data:
            self._selector.unregister(descriptor)
        return bool(data)

    def _drain(self, child: _Child) -> None:
        """The last words of a child that has ended."""
        if child.process is None or (pipe := child.process.stdout) is None:
            return
        os.set_blocking(pipe.fileno(), False)
        try:
            while pipe.fileno() in self._selector.get_map() and self._forward(child, pipe.fileno()):
                pass
        except BlockingIOError:  # a grandchild holds the pipe open
            self._selector.unregister(pipe)
        pipe.close()

    def _say(self, text: str) -> None:
        self._write("hemostat", "1", text)

    def _write(self, label: str, colour: str, text: str) -> None:
        try:
            self._out.write(self._line(label, colour, text) + "\n")
            self._out.flush()
        except OSError as error:
            if error.errno not in FULL:
                raise

    def _line(self, label: str, colour: str, text: str) -> str:
        if self._json_lines:
            return _object(label, text)
        head = f"{label:<{self._width}} |"
        return f"\x1b[{colour}m{head}\x1b[0m {text}" if self._coloured else f"{head} {text}"


def _object(role: str, text: str) -> str:
    """The line as a JSON object that names its role; what is none becomes the text of one."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        told = {"time": now, "level": "warning", "event": "process.said", "text": text}
    return json.dumps({"role": role, **told}, ensure_ascii=False)


class _Signals:
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


@contextmanager
def _lock(state_dir: Path) -> Iterator[None]:
    """Hold the state directory. The lock goes with the process, however it ends."""
    path = state_dir / "all.lock"
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"the state directory {state_dir} cannot be used ({reason})", hint="set state_dir"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise UsageError(
                f"hemostat all is already running on {state_dir}, as process {holder}",
                hint="stop it, or set another state_dir",
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _harmless(line: bytes) -> str:
    text = line.decode(errors="replace").rstrip("\r")
    return "".join(
        char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
