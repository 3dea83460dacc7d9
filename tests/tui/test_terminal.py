"""What really reaches a terminal."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

COLOUR = re.compile(rb"\x1b\[(?:\d*;)*(?:3[0-7]|4[0-7]|9[0-7]|10[0-7]|[34]8;[25];[\d;]+)(?:;\d+)*m")
PROGRAM = """
from hemostat import tui
from hemostat.adapters.memory_bus import MemoryBus
from hemostat.tui.model import Model
from tests.clock import FakeClock
from tests.samples import NOW, event, stats
clock = FakeClock(NOW)  # stands still: on a busy machine numbers would be too old before they are shown
bus = MemoryBus(clock)
bus.show([event(stats(cpu=99.0), 0.0)], ttl=600)
raise SystemExit(tui.run(Model(bus, clock)))
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
def test_without_colour_no_colour_is_sent(name):
    sent = shown({name: "1"}, lambda sent: b"99.0 %" in sent)
    assert COLOUR.findall(sent) == []


def test_an_empty_no_color_is_no_wish():
    """And the pattern finds colours where there are some; the terminal gets its own screen back."""
    sent = shown({"NO_COLOR": ""}, lambda sent: b"99.0 %" in sent)
    assert COLOUR.findall(sent)
    assert sent.rindex(b"\x1b[?1049l") > sent.index(b"\x1b[?1049h")
