"""`python -m tests.fuzz`: every target in turn, with new seeds, until the time is over."""

import argparse
import itertools
import sys
import time

from tests.fuzz.play import play
from tests.fuzz.targets import TARGETS

ROUND = 500
"""Examples of a target before the next has its turn."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to go on")
    parser.add_argument("--only", nargs="+", choices=TARGETS, metavar="NAME", help="these targets alone")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9, help="the first seed")
    asked = parser.parse_args()
    names, end, failed, played = list(asked.only or TARGETS), time.monotonic() + asked.minutes * 60, set(), 0
    print(f"the first seed is {asked.seed}")
    for seed in itertools.count(asked.seed):
        for name in names:
            if time.monotonic() >= end or len(failed) == len(names):
                print(f"{played} examples, failed: {' '.join(sorted(failed)) or 'none'}")
                return 1 if failed else 0
            if name not in failed:
                try:
                    play(TARGETS[name], examples=ROUND, first=seed)
                except Exception as error:  # noqa: BLE001 - whatever a target raises is its finding
                    failed.add(name)
                    print(
                        f"{name}: {error!r}"[:500],
                        *smallest(error),
                        sep="\n  ",
                    )
                played += ROUND
    return 0


def smallest(error: Exception) -> list[str]:
    """The smallest input that failed, as hypothesis notes it."""
    return [note[-1000:] for note in getattr(error, "__notes__", ()) if note.startswith("F")]


if __name__ == "__main__":
    sys.exit(main())
