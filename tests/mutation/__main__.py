"""Changes the code at random and shows which changes no test notices.

    python -m tests.mutation --count 120 --seed 1

The first run records which test calls which function, which takes as long as all tests together. The record
and the copy of the tree, in which the tests run, are outside of the repository. `--record` records again.
"""

import argparse
import hashlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from tests.mutation.calls import Calls
from tests.mutation.changes import Change, can_be_compiled, list_changes
from tests.mutation.tree import Result, Tree

ROOT: Final = Path(__file__).resolve().parents[2]
TARGETS: Final = (
    "hemostat/core",
    "hemostat/agents",
    "hemostat/consumer",
    "hemostat/adapters/redis/bus.py",
    "hemostat/adapters/redis/deferred.py",
    "hemostat/adapters/redis/ledger.py",
    "hemostat/adapters/redis/rows.py",
)
FOLDERS: Final = (
    "core",
    "agents",
    "contracts",
    "adapters",
    "cli",
    "compat",
    "eval",
    "injection",
    "redteam",
    "docs",
)
TESTS: Final = tuple(
    path.relative_to(ROOT).as_posix()
    for path in (*(ROOT / "tests" / folder for folder in FOLDERS), *sorted(ROOT.glob("tests/test_*.py")))
)
"""Tests without an engine."""


def draw_changes(root: Path, targets: Sequence[str], *, count: int, seed: int) -> list[Change]:
    """Return the same changes for the same code and seed."""
    paths = sorted(path for target in targets for path in list_python_files(root / target))
    every = [
        change
        for path in paths
        for change in list_changes(path.relative_to(root).as_posix(), path.read_bytes())
    ]
    random.Random(seed).shuffle(every)  # noqa: S311 - not for secrets
    possible = (each for each in every if can_be_compiled(each.apply((root / each.path).read_bytes())))
    return [change for change, _ in zip(possible, range(count), strict=False)]


def list_python_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else list(path.rglob("*.py"))


def record_calls(directory: Path, jobs: int) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as path:
        Tree(ROOT, Path(path)).run_pytest(
            ["-n", str(jobs), "--dist", "loadfile", "-p", "tests.mutation.recorder", *TESTS],
            seconds=None,
            HEMOSTAT_CALLS=str(directory),
        )


def check_all(changes: Sequence[Change], calls: Calls, *, jobs: int, seconds: float) -> Iterator[Result]:
    trees: SimpleQueue[Tree] = SimpleQueue()

    def check(change: Change) -> Result:
        tree = trees.get()
        try:
            return tree.check(change, calls.find_tests(change, seconds=seconds))
        finally:
            trees.put(tree)

    with tempfile.TemporaryDirectory() as path, ThreadPoolExecutor(jobs) as pool:
        for number in range(jobs):
            trees.put(Tree(ROOT, Path(path, str(number))))
        yield from pool.map(check, changes)


def main() -> None:
    default = Path(tempfile.gettempdir(), f"hemostat-calls-{hashlib.sha256(bytes(ROOT)).hexdigest()[:8]}")
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=120, help="number of changes")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="draws the same changes again")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes")
    parser.add_argument(
        "--seconds", type=float, default=120.0, help="seconds of tests for one change at most"
    )
    parser.add_argument("--calls", type=Path, default=default, help="directory of the record of calls")
    parser.add_argument("--record", action="store_true", help="record again which tests call which function")
    parser.add_argument("targets", nargs="*", default=TARGETS, help="files and folders to change")
    options = parser.parse_args()
    if options.record or not options.calls.is_dir():
        record_calls(options.calls, options.jobs)
    changes = draw_changes(ROOT, options.targets, count=options.count, seed=options.seed)
    noticed = 0
    calls = Calls.read(options.calls)
    for number, result in enumerate(check_all(changes, calls, jobs=options.jobs, seconds=options.seconds), 1):
        noticed += result.noticed
        if not result.noticed:
            change = result.change
            print(f"{change.path}:{change.line}: {change.kind}, {result.tests} tests\n      {result.lines}")
        if number % 10 == 0:
            print(f"# {number} of {len(changes)}", file=sys.stderr, flush=True)
    share = noticed / len(changes) if changes else 1.0
    print(f"seed {options.seed}: {noticed} of {len(changes)} changes noticed ({share:.1%})")


if __name__ == "__main__":
    main()
