"""Wraps text to a width, with headings and labels, and removes terminal control characters. Pure."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from rich.cells import cell_len, chop_cells
from rich.text import Text

from hemostat.core.text import escape_controls
from hemostat.tui.render.text import FAINT, PLAIN, VARIATION_SELECTORS, fit

LABEL_WIDTH: Final = 15
"""Cells of a label before a text: `restart policy`."""
MIN_WIDTH: Final = 8
"""Cells of a text, however narrow the screen is."""


def format_clock(time: float) -> str:
    return f"{datetime.fromtimestamp(time).astimezone():%H:%M:%S}"


def format_date(time: float) -> str:
    return f"{datetime.fromtimestamp(time).astimezone():%Y-%m-%d %H:%M:%S}"


def strip_fonts(svg: str) -> str:
    """The SVG without fonts, which would be fetched from the network."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def clean_text(text: str) -> str:
    return escape_controls(text).translate(VARIATION_SELECTORS)


def wrap_text(text: str, width: int) -> list[str]:
    """The lines, broken between words if possible. At least one line."""
    width = max(MIN_WIDTH, width)
    lines = [""]
    for word in clean_text(text).split():
        joined = f"{lines[-1]} {word}".lstrip()
        if cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines += chop_cells(word, width)
    return [line for line in lines if line] or [""]


def draw_heading(title: str, width: int) -> Text:
    """A title in a rule."""
    text = fit(title, min(cell_len(title), max(MIN_WIDTH, width - 4)))
    return Text.assemble(
        ("─ ", FAINT), (text, "bold"), (f" {'─' * max(0, width - cell_len(text) - 3)}", FAINT)
    )


def draw_row(label: str, text: str, width: int, style: str = PLAIN) -> Iterator[Text]:
    """A label, and beside it the wrapped text with a hanging indent."""
    for number, part in enumerate(wrap_text(text, width - LABEL_WIDTH)):
        yield Text.assemble((fit(label if number == 0 else "", LABEL_WIDTH), "bold"), (part, style))


def draw_paragraph(lines: Iterable[str], width: int, style: str = PLAIN) -> Iterator[Text]:
    """Each line wrapped, with continuation lines indented."""
    for line in lines:
        first, *continuation = wrap_log(line, width)
        yield Text(first, style)
        yield from (Text(f"  {part}", style) for part in continuation)


def wrap_log(line: str, width: int) -> list[str]:
    """The wrapped line. Blanks are preserved: they may belong to a table or a traceback."""
    text, width = clean_text(line.expandtabs(4)), max(MIN_WIDTH, width)
    if cell_len(text) <= width:
        return [text]
    first = chop_cells(text, width)[0]
    return [first, *chop_cells(text[len(first) :], width - 2)]
