"""Whether there is a terminal, and how results are written to it."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def interactive() -> bool:
    """Whether results are read by a person at a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def console() -> "Console":
    """For results on a terminal. NO_COLOR is honoured, and HEMOSTAT_NO_COLOR."""
    from rich.console import Console

    colourless = os.environ.get("NO_COLOR") or os.environ.get("HEMOSTAT_NO_COLOR")
    return Console(no_color=True if colourless else None, highlight=False)
