"""Prints the table, or JSON; ends with 1 if a row is not as it should be."""

import argparse
import json
import logging
import sys

import msgspec
from rich.console import Console
from rich.table import Table

from tests.e2e.advice import FAULTS, VENDORS, Row, play


def table(rows: list[Row]) -> Table:
    shown = Table(
        "vendor", "fault", "decides", "decision", "what people are told", "seconds", "asked", "breaker"
    )
    for row in rows:
        told = f"{row.told} ({row.wrong})" if row.wrong else row.told
        numbers = (f"{row.seconds:.2f}", str(row.requests))
        style = None if row.clean else "bold red"
        shown.add_row(
            row.vendor, row.fault, row.decided, row.decision, told, *numbers, row.breaker, style=style
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.advice", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs="+", metavar="FAULT", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--timeout", type=float, default=2.0, help="analyzer.timeout, in seconds")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    rows = [play(vendor, name, timeout=options.timeout) for vendor in VENDORS for name in options.only]
    if options.json:
        print(json.dumps([msgspec.to_builtins(row) | {"clean": row.clean} for row in rows]))
    else:
        Console(width=None if sys.stdout.isatty() else 190).print(table(rows))
    return 0 if all(row.clean for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
