"""Prints the table, or JSON. Exits with 1 if a row is not as expected."""

import argparse
import logging
import re
import sys

from rich.box import MARKDOWN
from rich.table import Table

from tests.e2e.advice import FAULTS, VENDORS, Row, play
from tests.support.lab.report import print_rows


def table(rows: list[Row]) -> Table:
    """Return a line for each fault, and a separate line for each vendor where the vendors differ."""
    columns = ("fault", "decides", "decision", "breaker", "asked", "seconds", "what people are told")
    shown = Table(*columns, box=MARKDOWN)
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        likeness = (row.fault, row.decided, row.decision, row.breaker, str(row.requests), row.wrong)
        groups.setdefault(likeness, []).append(row)
    for (*cells, wrong), alike in sorted(groups.items(), key=lambda group: list(FAULTS).index(group[0][0])):
        fault = cells[0] if len(alike) == len(VENDORS) else f"{cells[0]} ({alike[0].vendor})"
        seconds = " / ".join(f"{row.seconds:.2f}" for row in alike)
        told = f"{_plain(alike[0].told)} [{wrong}]" if wrong else _plain(alike[0].told)
        shown.add_row(fault, *cells[1:], seconds, told, style="bold red" if wrong else None)
    return shown


def _plain(told: str) -> str:
    """Return the text without the names of the service."""
    told = re.sub(r"(the server|Anthropic|OpenAI) at [\w.:-]+|(anthropic|openai):[\w.-]+", "it", told)
    return told.removeprefix("by the rules: ")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.advice", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs="+", metavar="FAULT", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--timeout", type=float, default=2.0, help="analyzer.timeout, in seconds")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    rows = [play(vendor, name, timeout=options.timeout) for vendor in VENDORS for name in options.only]
    return print_rows(rows, table, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
