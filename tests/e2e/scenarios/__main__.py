"""`python -m tests.e2e.scenarios`: play all scenarios, or `--only` some. `--busy`: on a busy host.
`--dry-run`: nothing is done, and the decisions are compared with the actions. `--list`: list their names."""

import argparse
import re
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import msgspec

from hemostat.core.diagnosis.case import encode
from tests.e2e.scenarios.busy import CHOSEN, TARGET, BusyHost
from tests.e2e.scenarios.kinds import markdown
from tests.e2e.scenarios.play import Played
from tests.e2e.scenarios.rehearsal import CHOSEN as REHEARSED
from tests.e2e.scenarios.report import Totals, show, totals
from tests.e2e.scenarios.suite import SCENARIOS, run


class Told(msgspec.Struct, frozen=True):
    totals: Totals
    played: list[Played]


def main() -> int:
    asked = _arguments()
    if asked.list:
        sys.stdout.write(markdown(SCENARIOS.values()))
        return 0
    every = REHEARSED if asked.dry_run else CHOSEN if asked.busy else SCENARIOS
    names = list(dict.fromkeys(asked.only or every))
    correct = True
    for number in range(asked.repeat):
        started = time.monotonic()
        with BusyHost() if asked.busy else nullcontext() as host:
            played = run(
                names, _progress, record=asked.record is not None, busy=asked.busy, dry_run=asked.dry_run
            )
            busy = host.measured if host else None
        summary = totals((each.result for each in played), time.monotonic() - started, busy)
        correct = correct and summary.correct == summary.scenarios
        if asked.record:
            _record(asked.record / str(number + 1) if asked.repeat > 1 else asked.record, played)
        if asked.json:
            sys.stdout.write(msgspec.json.encode(Told(summary, played)).decode() + "\n")
        else:
            show((each.result for each in played), summary)
    return 0 if correct else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.scenarios", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a round instead of the table")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=SCENARIOS, help="play these alone")
    parser.add_argument("--list", action="store_true", help="print the scenarios by kind, in Markdown")
    parser.add_argument(
        "--busy",
        action="store_true",
        help=f"with {TARGET * 100:.0f} %% of the host's CPU in use; all {len(CHOSEN)} for it",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help=f"in a dry run, all {len(REHEARSED)} for it: compare what HemoStat would have done",
    )
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="play all N times")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="write each scenario's events, truth and incidents here",
    )
    return parser.parse_args()


def _progress(played: Played) -> None:
    verdict = "WRONG" if played.result.differences else "correct"
    title = f"{played.result.scenario}: {verdict} ({played.result.seconds:.1f} s)"
    print(title, *played.result.differences, sep="\n  ", file=sys.stderr)


def _record(directory: Path, played: list[Played]) -> None:
    incidents = directory / "incidents"
    incidents.mkdir(parents=True, exist_ok=True)
    for each in played:
        for name, recording in each.recordings.items():
            (incidents / f"{name}.json").write_bytes(encode(recording) + b"\n")
        each.recordings = {}
        path = directory / f"{re.sub(r'[^a-z0-9-]', '', each.result.scenario)}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(each)))


if __name__ == "__main__":
    sys.exit(main())
