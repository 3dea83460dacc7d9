"""A pytest plugin that records which functions of `hemostat` each test calls.

    HEMOSTAT_CALLS=DIRECTORY python -m pytest -p tests.mutation.recorder

Each process writes a file of its own, so that pytest-xdist can be used.
"""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = f"{ROOT / 'hemostat'}{os.sep}"
INNER = re.compile(r"(\.<locals>)?\.?<(lambda|genexpr|listcomp|dictcomp|setcomp|module)>.*")


def get_function_name(code: CodeType) -> str | None:
    """`PATH:QUALIFIED.NAME` of the function; a lambda belongs to the function around the lambda."""
    if not code.co_filename.startswith(PACKAGE):
        return None
    return f"{Path(code.co_filename).relative_to(ROOT)}:{INNER.sub('', code.co_qualname)}"


class Recorder:
    def __init__(self, directory: Path) -> None:
        self._path = directory / f"{os.getpid()}.json"
        self._called: dict[int, CodeType] = {}
        self._names: dict[int, tuple[CodeType, str | None]] = {}
        self._tests: dict[str, dict[str, Any]] = {}
        self._failed: set[str] = set()

    def _see(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            code = frame.f_code
            self._called[id(code)] = code

    def _name(self, code: CodeType) -> str | None:
        if id(code) not in self._names:
            self._names[id(code)] = code, get_function_name(code)
        return self._names[id(code)][1]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._called.clear()
        begin = time.perf_counter()
        threading.setprofile(self._see)
        sys.setprofile(self._see)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
            seconds = round(time.perf_counter() - begin, 4)
            names = {self._name(code) for code in list(self._called.values())} - {None}
            self._tests[item.nodeid] = {"seconds": seconds, "calls": sorted(names)}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        passed = {name: test for name, test in self._tests.items() if name not in self._failed}
        if passed:
            self._path.write_text(json.dumps(passed), "utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(Path(os.environ["HEMOSTAT_CALLS"])))
