"""What really reaches a terminal, and how the dashboard ends without one."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

COLOUR = re.compile(rb"\x1b\[(?:\d*;)*(?:3[0-7]|4[0-7]|9[0-7]|10[0-7]|[34]8;[25];[\d;]+)(?:;\d+)*m")
PROGRAM = """
from hemostat import tui
from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.tui.context import DashboardContext
from tests.support.clock import FakeClock
from tests.support.samples import NOW, event, stats
clock = FakeClock(NOW)  # stands still: on a busy machine numbers would be too old before they are shown
bus = InMemoryBus(clock)
bus.publish_live([event(stats(cpu=99.0), 0.0)], ttl=600)
raise SystemExit(tui.run(DashboardContext(bus, clock)))
"""


def shown(environ: dict[str, str], ready: Callable[[bytes], bool]) -> bytes:
    """What the dashboard sent until it was ready, and after `q` until it had gone."""
    ours, theirs = pty.openpty()
    plain = {key: value for key, value in os.environ.items() if "COLOR" not in key}
    plain |= {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", **environ}
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=plain, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        sent = _read(ours, ready)
        os.write(ours, b"q")
        sent += _read(ours, lambda _: child.poll() is not None)
        assert child.wait(10) == 0
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    return sent


def _read(terminal: int, enough: Callable[[bytes], bool]) -> bytes:
    sent, end = b"", time.monotonic() + 60
    while not enough(sent):
        if time.monotonic() > end:
            pytest.fail(f"not shown: {sent!r}")
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                sent += os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
    return sent


@pytest.mark.parametrize("name", ["NO_COLOR", "HEMOSTAT_NO_COLOR"])
def test_no_colour_option_sends_no_colour(name):
    sent = shown({name: "1"}, lambda sent: b"99.0 %" in sent)
    assert COLOUR.findall(sent) == []


def test_empty_no_color_variable_is_ignored():
    """And the pattern finds colours where there are some; the terminal gets its own screen back."""
    sent = shown({"NO_COLOR": ""}, lambda sent: b"99.0 %" in sent)
    assert COLOUR.findall(sent)
    assert sent.rindex(b"\x1b[?1049l") > sent.index(b"\x1b[?1049h")


class Ended(NamedTuple):
    code: int
    cpu: float
    """Seconds of processor time that the process took."""
    sent: bytes


class Session:
    """`hemostat tui` with standard streams of its own; those not given are the terminal `tty`."""

    def __init__(self, tty: "Pty", environ: dict[str, str] | None = None, **streams: int) -> None:
        self.tty = tty
        chosen = {"stdin": tty.theirs, "stdout": tty.theirs, "stderr": tty.theirs, **streams}
        plain = {"TERM": "xterm-256color", "HEMOSTAT_NO_COLOR": "1", **(environ or {})}
        self.child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM_OF_COMMAND], env={**os.environ, **plain}, **chosen
        )
        self.sent = b""

    def until(self, text: bytes) -> None:
        self.sent += _read(self.tty.ours, lambda sent: text in sent)

    def end(self) -> Ended:
        """What it sends until it ends; a process that does not end in 20 s is killed."""
        deadline = time.monotonic() + 20
        while not (waited := os.wait4(self.child.pid, os.WNOHANG))[0]:
            if time.monotonic() > deadline:
                self.child.kill()
                deadline += 60
            if not self.tty.closed and select.select([self.tty.ours], [], [], 0.05)[0]:
                self.sent += _chunk(self.tty.ours)
            elif self.tty.closed:
                time.sleep(0.02)
        self.child.returncode = os.waitstatus_to_exitcode(waited[1])
        used = waited[2]
        return Ended(self.child.returncode, used.ru_utime + used.ru_stime, self.sent)


class Pty:
    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.ours, self.theirs = pty.openpty()
        self.closed = False
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> None:
        """Take the terminal away."""
        os.close(self.theirs)
        os.close(self.ours)
        self.closed = True


PROGRAM_OF_COMMAND = """
import signal, sys
from hemostat.cli.main import run
signal.signal(signal.SIGHUP, signal.SIG_IGN)
raise SystemExit(run(["tui", "--demo"]))
"""


@contextmanager
def terminal(columns: int = 80, rows: int = 24) -> Iterator[Pty]:
    made = Pty(columns, rows)
    try:
        yield made
    finally:
        if not made.closed:
            made.close()


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_missing_terminal_is_one_line_and_exit_code_2(name):
    with terminal() as tty, Path(os.devnull).open("r+b") as null:
        ended = Session(tty, **{name: null.fileno()}).end()
    assert ended.code == 2
    assert ended.sent.startswith(b"hemostat: the dashboard needs a terminal")
    assert b"Traceback" not in ended.sent
    assert max(map(len, ended.sent.splitlines())) <= 80
    assert ended.cpu < 3


def test_open_pipe_is_not_a_keyboard():
    read, write = os.pipe()
    with terminal() as tty:
        assert Session(tty, stdin=read).end().code == 2
    os.close(read)
    os.close(write)


def test_dashboard_draws_on_stdout(tmp_path):
    with terminal() as tty, (tmp_path / "log").open("wb") as log:
        session = Session(tty, stderr=log.fileno())
        session.until(b"shop-web-1")
        os.write(tty.ours, b"q")
        assert session.end().code == 0
    assert (tmp_path / "log").read_bytes() == b""


def test_lost_terminal_ends_the_dashboard():
    """Though SIGHUP is ignored, as under nohup."""
    with terminal() as tty:
        session = Session(tty)
        session.until(b"shop-web-1")
        before = time.monotonic()
        tty.close()
        ended = session.end()
        assert time.monotonic() - before < 10
    assert ended.code == 0
    assert ended.cpu < 6


def test_lost_keyboard_ends_the_dashboard():
    with terminal() as tty, terminal() as keyboard:
        session = Session(tty, stdin=keyboard.theirs)
        session.until(b"shop-web-1")
        keyboard.close()
        ended = session.end()
    assert ended.code == 0
    assert ended.sent.rindex(b"\x1b[?1049l") > ended.sent.index(b"\x1b[?1049h")


@pytest.mark.parametrize(("columns", "rows"), [(0, 0), (1, 1), (20, 5), (300, 2)])
def test_terminal_of_any_size_is_drawn_and_restored(columns, rows):
    """A size that is told differently from different streams would be laid out again without end."""
    with terminal(columns, rows) as tty, terminal(100, 30) as keyboard:
        session = Session(tty, stdin=keyboard.theirs)
        session.until(b"\x1b[?1049h")
        time.sleep(1)
        os.write(keyboard.ours, b"q")
        ended = session.end()
    assert ended.code == 0
    assert len(ended.sent) < 100_000


@pytest.mark.parametrize(
    "environ",
    [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}, {"LC_ALL": "en_US.ISO-8859-1"}],
)
def test_dashboard_is_drawn_in_ascii_if_required(environ):
    with terminal() as tty:
        session = Session(tty, environ)
        session.until(b"+ healthy")
        os.write(tty.ours, b"q")
        ended = session.end()
    assert ended.code == 0
    drawn = re.sub(rb"\x1b\[[0-?]*[ -/]*[@-~]|\xb7", b"", ended.sent)
    assert drawn.isascii()
    assert b"? Help" in drawn
    assert drawn.replace(b"? Help", b"").replace(b" ?", b"").count(b"?") == 0


def _chunk(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
