"""Writes results to a terminal."""

import os
import sys
from typing import TYPE_CHECKING

from hemostat import terminal
from hemostat.core.text import escape_json

if TYPE_CHECKING:
    from rich.console import Console


def is_interactive() -> bool:
    """Whether standard output is a terminal."""
    return terminal.is_terminal(sys.stdout)


def write_json(data: bytes) -> None:
    """Write a line of JSON to standard output. Characters that a terminal or an editor would act on are
    escaped, whatever standard output is: a pager or a file shows them later."""
    text = escape_json(data.decode("utf-8", "replace"))
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()


def make_console() -> "Console":
    """A console for results on a terminal, as wide as the terminal."""
    from rich.console import Console

    return Console(
        color_system="auto" if terminal.can_redraw(sys.stdout) else None,
        no_color=terminal.is_colour_off(os.environ) or None,
        highlight=False,
        width=terminal.find_width(sys.stdout),
    )
