"""The output of the commands that print a table of rows."""

import json
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from rich.console import Console
from rich.table import Table

PIPE_COLUMNS = 400
"""A document wants each row on one line."""


class Row(Protocol):
    @property
    def clean(self) -> bool: ...


def clean_up_on_sigterm() -> None:
    """So that the containers and processes of the command are removed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def print_rows(rows: Sequence[Row], make_table: Callable[[Any], Table], *, as_json: bool) -> int:
    """Prints the rows as a table or JSON. Returns the exit code: 1 if a row is not clean."""
    if as_json:
        print(json.dumps([msgspec.to_builtins(row) | {"clean": row.clean} for row in rows]))
    else:
        Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS).print(make_table(rows))
    return 0 if all(row.clean for row in rows) else 1
