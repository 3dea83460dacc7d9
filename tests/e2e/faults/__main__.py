"""Prints the table, or JSON. Exits with 1 if a row is not clean."""

import argparse
import sys
import time

from rich.table import Table

from tests.e2e.faults import FAULTS, FULL, SHORT
from tests.e2e.faults.account import Row
from tests.support.lab.image import provide_image
from tests.support.lab.report import clean_up_on_sigterm, print_rows


def table(rows: list[Row]) -> Table:
    shown = Table(
        "fault", "injected", "closed", "told", "open", "lost", "doubled", "over budget", "recovered", "note"
    )
    for row in rows:
        numbers = (row.injected, row.closed, row.escalated, row.open, row.lost, row.doubled, row.over_budget)
        style = None if row.clean else "bold red"
        shown.add_row(row.fault, *map(str, numbers), f"{row.recovered:.1f} s", row.note, style=style)
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.faults", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs="+", metavar="FAULT", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--full", action="store_true", help="as many as the table in docs/FAULTS.md")
    options = parser.parse_args()
    clean_up_on_sigterm()
    provide_image()
    rows = []
    for name in options.only:
        began = time.monotonic()
        rows.append(FAULTS[name](FULL if options.full else SHORT))
        print(f"{name}: {time.monotonic() - began:.0f} s", rows[-1], file=sys.stderr, flush=True)
    return print_rows(rows, table, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
