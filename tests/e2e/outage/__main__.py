"""Prints the table, or JSON. Exits with 1 if a row is not clean."""

import argparse
import sys

from rich.box import MARKDOWN
from rich.table import Table

from tests.e2e.outage import DATABASES, FULL, SHORT, Row, play
from tests.support.lab.report import clean_up_on_sigterm, print_rows


def table(rows: list[Row]) -> Table:
    shown = Table(
        "database", "incidents", "events", "killed", "stored", "missing, foreign, changed", "untold",
        "told twice", "unexplained", "audit verify", "all done after", box=MARKDOWN,
    )  # fmt: skip
    for row in rows:
        shown.add_row(
            row.database,
            str(row.incidents),
            str(row.events),
            ", ".join(f"{what} {count}" for what, count in row.kills.items()),
            str(row.stored),
            f"{row.missing}, {row.foreign}, {row.changed}",
            str(row.untold),
            f"{row.twice} of at most {row.at_most}",
            str(row.unexplained),
            row.audit or "clean",
            f"{row.seconds:.0f} s",
            style=None if row.clean else "bold red",
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.outage", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs="+", metavar="DATABASE", choices=DATABASES, default=list(DATABASES))
    parser.add_argument("--full", action="store_true", help="200 incidents and the program's own waits")
    parser.add_argument("--seed", type=int, default=7, help="of what is killed when")
    options = parser.parse_args()
    clean_up_on_sigterm()
    rows = []
    for name in options.only:
        with DATABASES[name]() as database:
            rows.append(play(database, FULL if options.full else SHORT, options.seed))
    return print_rows(rows, table, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
