"""A copy of the repository in which changes are made, and tests run on them."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.mutation.calls import CoveringTest
from tests.mutation.changes import Change

WITHOUT_ENGINE: Final = ("-m", "not docker and not postgres", "-p", "no:cacheprovider", "-q")
FIRST_SECONDS: Final = 5.0
"""Seconds of tests that are run first, before all others: most changes are noticed by these."""
STARTUP_SECONDS: Final = 60.0
SLOWDOWN: Final = 4.0
"""Changed code that takes this many times as long as the tests took when they were recorded hangs."""


class Result(NamedTuple):
    change: Change
    noticed: bool
    tests: int
    lines: str
    """The changed lines, before and after."""


class Tree:
    """A copy of the repository in which one change at a time is made."""

    def __init__(self, root: Path, path: Path) -> None:
        self.path = path
        files = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        for name in filter(None, files.split("\0")):
            if (root / name).is_file():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, path / name)
        subprocess.run(
            [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "hemostat"],
            cwd=path, check=True,
        )  # fmt: skip

    def run_pytest(self, arguments: Sequence[str], *, seconds: float | None, **variables: str) -> int | None:
        """Return pytest's exit code; None if it took more than `seconds`."""
        variables |= {"PYTHONPATH": str(self.path), "PYTHONHASHSEED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        with subprocess.Popen(
            [sys.executable, "-m", "pytest", *WITHOUT_ENGINE, *arguments],
            cwd=self.path, env=os.environ | variables, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def notices(self, tests: Sequence[CoveringTest]) -> bool:
        """Return whether a test fails, hangs or cannot even be imported."""
        tests = [test for test in tests if (self.path / test.path).is_file()]
        if not tests:
            return False
        files = list(dict.fromkeys(test.path for test in tests))
        selection = self.path / "selection"
        names = [test.name for test in sorted(tests, key=lambda test: files.index(test.path))]
        selection.write_text("\n".join(names), "utf-8")
        seconds = STARTUP_SECONDS + SLOWDOWN * sum(test.seconds for test in tests)
        code = self.run_pytest(
            ["-x", "-p", "tests.mutation.selection", *files],
            seconds=seconds,
            HEMOSTAT_SELECTION=str(selection),
        )
        return code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}

    def check(self, change: Change, tests: Sequence[CoveringTest]) -> Result:
        path = self.path / change.path
        source = path.read_bytes()
        path.write_bytes(change.apply(source))
        try:
            first = [test for test, seconds in _add_up(tests) if seconds <= FIRST_SECONDS]
            noticed = self.notices(first) or self.notices(tests[len(first) :])
        finally:
            path.write_bytes(source)
        return Result(change, noticed, len(tests), show_change(change, source))


def _add_up(tests: Sequence[CoveringTest]) -> Iterator[tuple[CoveringTest, float]]:
    seconds = 0.0
    for test in tests:
        seconds += test.seconds
        yield test, seconds


def show_change(change: Change, source: bytes) -> str:
    begin = source.rfind(b"\n", 0, change.start) + 1
    end = source.find(b"\n", change.end)
    old = source[begin:end].decode().strip()
    new = (source[begin : change.start] + change.new.encode() + source[change.end : end]).decode().strip()
    return f"{old}\n      {new}"
