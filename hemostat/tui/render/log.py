"""The log screen as styled text. Pure. Every colour is accompanied by a word or a letter."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import Final

import msgspec
from rich.cells import cell_len, get_character_cell_size
from rich.text import Text

from hemostat.tui.data.log_lines import LogLine
from hemostat.tui.data.log_restarts import MARK_LEVEL, is_mark
from hemostat.tui.render.text import BAD, BUSY, FAINT, PLAIN, fit
from hemostat.tui.render.wrap import clean_text, format_clock, format_date

MAX_NAME_WIDTH: Final = 18
"""Cells for a container's name before its lines."""
MIN_TEXT_WIDTH: Final = 16
"""Cells of a line's text, however narrow the screen is."""
DATE_WIDTH: Final = 100
"""Columns from which a time stamp has the date and milliseconds."""
INDENT: Final = "  "
"""Before the further rows of a wrapped line."""
CHARACTERS_PER_CELL: Final = 4
"""Characters that are drawn for each cell of a row: many without a width may be combined in one."""
NAME_STYLES: Final = (
    "cyan",
    "magenta",
    "green",
    "blue",
    "yellow",
    "bright_cyan",
    "bright_magenta",
    "bright_green",
)
LEVEL_STYLES: Final = {"E": BAD, "W": BUSY, "I": PLAIN, "D": FAINT, "": PLAIN, MARK_LEVEL: "bold reverse"}
MATCH_STYLE: Final = "bold reverse"


class LogLook(msgspec.Struct, frozen=True):
    """How lines are drawn. `names` are those of the containers, by source."""

    width: int
    names: tuple[str, ...]
    stamps: bool = False
    wrap: bool = False
    term: str = ""

    @property
    def name_width(self) -> int:
        if len(self.names) < 2:  # noqa: PLR2004 - a name distinguishes at least two
            return 0
        return min(MAX_NAME_WIDTH, max(cell_len(clean_text(name)) for name in self.names), self.width // 4)

    @property
    def stamp_width(self) -> int:
        if not self.stamps:
            return 0
        return 19 if self.width >= DATE_WIDTH else 9

    @property
    def text_width(self) -> int:
        names = self.name_width + 1 if self.name_width else 0
        return max(MIN_TEXT_WIDTH, self.width - self.stamp_width - names - 2)


class LogRows:
    """Maps rows of the screen to lines: a wrapped line has several rows.

    `former` are the rows before a change: the same lines in the same width need not be measured again.
    """

    def __init__(self, lines: Sequence[LogLine], look: LogLook, former: "LogRows | None" = None) -> None:
        self.lines = lines
        self.look = look
        self._starts: list[int] | None = None
        if look.wrap:
            width = look.text_width
            known = former.count_rows_by_line() if former and former.look.text_width == width else {}
            counts = (known.get(id(line)) or count_rows(line.text, width) for line in lines)
            self._starts = list(accumulate(counts, initial=0))

    def count_rows_by_line(self) -> dict[int, int]:
        """The rows of each line, by the identity of the line. Empty without wrapping."""
        if self._starts is None:
            return {}
        return {
            id(line): end - begin
            for line, (begin, end) in zip(self.lines, pairwise(self._starts), strict=True)
        }

    def __len__(self) -> int:
        return len(self.lines) if self._starts is None else self._starts[-1]

    def find_row(self, number: int) -> int:
        """The first row of the line."""
        return number if self._starts is None else self._starts[number]

    def find_line(self, row: int) -> int:
        return row if self._starts is None else bisect_right(self._starts, row) - 1

    def draw(self, row: int) -> Text:
        number = self.find_line(row)
        return draw_line(self.lines[number], self.look, row - self.find_row(number))


def count_rows(text: str, width: int) -> int:
    size = len(text)
    if not text.isascii():
        return len(_split(text, width))
    return 1 if size <= width else 1 + -(-(size - width) // (width - len(INDENT)))


def _split(text: str, width: int) -> list[str]:
    """The rows of the text. Text of a log has no characters that change the width of others, so that the sum
    of the widths is enough. Rich's own function takes 10 times as long."""
    ends = list(accumulate(map(_measure_character, text)))
    parts: list[str] = []
    begin, room = 0, width
    while begin < len(text):
        end = bisect_right(ends, (ends[begin - 1] if begin else 0) + room, lo=begin)
        parts.append((INDENT if parts else "") + text[begin:end])
        begin, room = end, width - len(INDENT)
    return parts or [""]


@cache
def _measure_character(character: str) -> int:
    return get_character_cell_size(character)


def draw_line(line: LogLine, look: LogLook, part: int = 0) -> Text:
    """The time, the container, the level as a letter, and the text. `part`: the row of a wrapped line."""
    text = Text()
    if look.stamp_width:
        text.append(fit(_format_stamp(line, look) if part == 0 else "", look.stamp_width), FAINT)
    if look.name_width:
        style = NAME_STYLES[line.source % len(NAME_STYLES)]
        text.append(f"{fit(look.names[line.source], look.name_width)} ", style)
    style = LEVEL_STYLES[line.level]
    letter = "" if is_mark(line) else line.level
    text.append(f"{letter or ' '} " if part == 0 else "  ", style)
    parts = _split(line.text, look.text_width) if look.wrap else [_cut_before_match(line.text, look)]
    head = len(text)
    text.append(parts[min(part, len(parts) - 1)], style)
    if look.term:
        _highlight(text, head, look.term)
    return text


def _cut_before_match(text: str, look: LogLook) -> str:
    """The text. Its beginning is left out if a match would not be visible otherwise."""
    at = text.lower().find(look.term.lower()) if look.term else 0
    if at + len(look.term) >= look.text_width:
        text = f"…{text[max(0, at - look.text_width // 3) :]}"
    most = CHARACTERS_PER_CELL * look.text_width
    return text if len(text) <= most else f"{text[:most]}…"


def _highlight(text: Text, head: int, term: str) -> None:
    low, needle = text.plain.lower(), term.lower()
    at = low.find(needle, head)
    while at >= 0 and len(low) == len(text.plain):
        text.stylize(MATCH_STYLE, at, at + len(needle))
        at = low.find(needle, at + len(needle))


def _format_stamp(line: LogLine, look: LogLook) -> str:
    time = line.time
    return f"{format_date(time)[5:]}.{line.stamp[20:23]}" if look.width >= DATE_WIDTH else format_clock(time)


def format_lines(lines: Sequence[LogLine], names: Sequence[str]) -> str:
    """The lines as a file: the time, the container if there are several, and the text."""
    heads = make_heads(names)
    return "".join(f"{line.stamp}{heads[line.source]} {line.text}\n" for line in lines)


def make_heads(names: Sequence[str]) -> list[str]:
    """What stands between the time and the text of a line in a file, by log."""
    return [f" {clean_text(name)}" if len(names) > 1 else "" for name in names]


def make_file_name(names: Sequence[str]) -> str:
    """A file name that is safe in every file system."""
    return f"log-{re.sub(r'[^A-Za-z0-9_.-]', '', names[0].replace('/', '-'))[:40] or 'container'}.txt"


class LogStatus(msgspec.Struct, frozen=True):
    """What the lines above the log say."""

    names: tuple[str, ...]
    following: bool
    lines: int
    first: float | None = None
    """Time of the first line in memory."""
    whole: bool = False
    """Whether there are no older lines."""
    search: str = ""
    note: str = ""
    """Progress of a job, or why there is no log."""


def draw_title(status: LogStatus, width: int) -> Text:
    """Whose log this is, and whether it is followed."""
    state, style = ("▶ following", "bold green") if status.following else ("‖ paused", BUSY)
    names = clean_text(", ".join(status.names))
    if len(status.names) > 1:
        names = f"{len(status.names)} containers: {names}"
    room = max(8, width - len(" log ") - len(state) - 4)
    return Text.assemble((" log ", "bold reverse"), "  ", (state, style), "  ", fit(names, room).rstrip())


def draw_status(status: LogStatus, look: LogLook) -> Text:
    """What is in memory, the options, the search, and what is being done."""
    if status.lines and status.first is not None:
        begin = "its beginning" if status.whole else format_date(status.first)
        known = f"{status.lines:,} lines from {begin}"
    else:
        known = "no lines"
    options = [word for word, on in (("times", look.stamps), ("wrap", look.wrap)) if on]
    text = Text("  ".join([known, *options]), FAINT)
    for part, style in ((status.search, "bold"), (status.note, BUSY)):
        if part:
            text.append(f"  {clean_text(part)}", style)
    text.truncate(look.width, overflow="ellipsis")
    return text
