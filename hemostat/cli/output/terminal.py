"""Writes results to a terminal."""

import os
import sys
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, Final

from hemostat import terminal

if TYPE_CHECKING:
    from msgspec import Struct
    from rich.console import Console

MIN_FOLD_WIDTH: Final = 40
"""Columns below which lines are not folded at words, and further lines are not indented."""


def is_interactive() -> bool:
    """Whether standard output is a terminal."""
    return terminal.is_terminal(sys.stdout)


def fold_line(text: str, stream: IO[str], *, indent: int = 0) -> str:
    """The line, folded at words if the stream is a terminal. Further lines are indented by `indent` cells."""
    width = terminal.find_width(stream) if terminal.is_terminal(stream) else None
    if width is None or width < max(MIN_FOLD_WIDTH, 2 * indent) or len(text) <= width:
        return text
    import textwrap

    return textwrap.fill(
        text,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def write_json(value: "Struct | Sequence[Struct]", fields: Any = None) -> None:
    """Write a struct, or a list of structs, to standard output as a line of JSON.

    `fields`: the same object as read from JSON, with fields that the struct lacks. Characters that a terminal
    or an editor would act on are escaped, whatever standard output is: a pager or a file shows them later.
    """
    from hemostat.json_output import build_output, encode_output

    line = encode_output(build_output(value, fields))
    sys.stdout.flush()
    sys.stdout.buffer.write(line.encode() + b"\n")
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
