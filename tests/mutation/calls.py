"""Which tests call which function, as the recorder stored it; selects the tests for a change."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Self

from tests.mutation.changes import Change


class CoveringTest(NamedTuple):
    name: str
    seconds: float

    @property
    def path(self) -> str:
        return self.name.partition("::")[0]


class Calls:
    def __init__(self) -> None:
        self._tests: list[CoveringTest] = []
        self._by_function: dict[str, list[CoveringTest]] = defaultdict(list)
        self._by_file: dict[str, list[CoveringTest]] = defaultdict(list)

    @classmethod
    def read(cls, directory: Path) -> Self:
        calls = cls()
        for path in sorted(directory.glob("*.json")):
            for name, test in json.loads(path.read_text("utf-8")).items():
                calls.add(CoveringTest(name, test["seconds"]), test["calls"])
        return calls

    def add(self, test: CoveringTest, functions: Iterable[str]) -> None:
        self._tests.append(test)
        for function in functions:
            self._by_function[function].append(test)
        for path in {function.partition(":")[0] for function in functions}:
            self._by_file[path].append(test)

    def find_tests(self, change: Change, *, seconds: float) -> list[CoveringTest]:
        """Return the tests that call the changed function, or any function of the file if the change is
        outside of functions; and those near the changed module, which may call the function when they are
        imported. Near tests are first, then fast ones. All together take at most about `seconds`."""
        calling = self._by_function.get(f"{change.path}:{change.function}") or self._by_file.get(change.path)
        tests = {test for test in self._tests if is_near(test.path, change.path)}.union(calling or ())
        order = sorted(tests, key=lambda test: (not is_near(test.path, change.path), test.seconds, test.name))
        return list(_take_seconds(order, seconds))


def is_near(test: str, module: str) -> bool:
    """Return whether a test file is named after the module, or is in the folder of the module's room."""
    named = PurePosixPath(test).stem.removeprefix("test_") == PurePosixPath(module).stem
    room = PurePosixPath("tests", *PurePosixPath(module).parts[1:-1])
    return named or PurePosixPath(test).parent == room


def _take_seconds(tests: Iterable[CoveringTest], seconds: float) -> Iterator[CoveringTest]:
    for test in tests:
        if test.seconds <= seconds:
            seconds -= test.seconds
            yield test
