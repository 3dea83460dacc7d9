"""What may be written to a terminal: no control characters, and colour only where it is wanted."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def clean(text: str) -> str:
    """The text on one line, with everything written out that a terminal would act on."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def interactive() -> bool:
    """Whether results are read by a person at a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def console() -> "Console":
    """For results on a terminal. NO_COLOR is honoured, and HEMOSTAT_NO_COLOR."""
    from rich.console import Console

    colourless = os.environ.get("NO_COLOR") or os.environ.get("HEMOSTAT_NO_COLOR")
    return Console(no_color=True if colourless else None, highlight=False)
