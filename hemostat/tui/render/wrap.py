"""Words on lines of a width: wrapped, under headings, cleaned of what a terminal would act on. Pure."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from rich.cells import cell_len, chop_cells
from rich.text import Text

from hemostat.core.text import clean
from hemostat.tui.render.text import FAINT, PLAIN, UNSURE, fit

LABEL: Final = 15
"""Cells of what stands before a text: `restart policy`."""
LEAST: Final = 8
"""Cells that a text gets, however narrow it is."""


def clock(time: float) -> str:
    return f"{datetime.fromtimestamp(time).astimezone():%H:%M:%S}"


def date(time: float) -> str:
    return f"{datetime.fromtimestamp(time).astimezone():%Y-%m-%d %H:%M:%S}"


def without_fonts(svg: str) -> str:
    """Without the fonts, which would be fetched from the network."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def plain(text: str) -> str:
    return clean(text).translate(UNSURE)


def wrapped(text: str, width: int) -> list[str]:
    """Broken between words where that can be, else wherever it must be; at least one line."""
    width = max(LEAST, width)
    lines = [""]
    for word in plain(text).split():
        joined = f"{lines[-1]} {word}".lstrip()
        if cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines += chop_cells(word, width)
    return [line for line in lines if line] or [""]


def heading(title: str, width: int) -> Text:
    """A title in a rule."""
    told = fit(title, min(cell_len(title), max(LEAST, width - 4)))
    return Text.assemble(
        ("─ ", FAINT), (told, "bold"), (f" {'─' * max(0, width - cell_len(told) - 3)}", FAINT)
    )


def row(label: str, text: str, width: int, style: str = PLAIN) -> Iterator[Text]:
    """A label, and beside it the text, which hangs."""
    for number, part in enumerate(wrapped(text, width - LABEL)):
        yield Text.assemble((fit(label if number == 0 else "", LABEL), "bold"), (part, style))


def paragraph(lines: Iterable[str], width: int, style: str = PLAIN) -> Iterator[Text]:
    """Each of the lines as it is, wrapped; what is carried over is set in."""
    for line in lines:
        first, *rest = wrapped_log(line, width)
        yield Text(first, style)
        yield from (Text(f"  {part}", style) for part in rest)


def wrapped_log(line: str, width: int) -> list[str]:
    """Its blanks are kept: they may be a table, or a traceback."""
    told, width = plain(line.expandtabs(4)), max(LEAST, width)
    if cell_len(told) <= width:
        return [told]
    first = chop_cells(told, width)[0]
    return [first, *chop_cells(told[len(first) :], width - 2)]
