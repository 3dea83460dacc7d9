"""Lines of a container's log, made safe to show: without controls and secrets, and with their level. Pure.

The rules for secrets look at several lines at once, so each block of lines is masked together with the lines
before it.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import AnyStr, Final

import msgspec

from hemostat.core.evidence.build import LINE_CUT_NOTE, MAX_LOG_LINE_CHARACTERS, MAX_SECRET_CHARACTERS
from hemostat.core.evidence.log_text import render_final_text
from hemostat.core.redact import redact
from hemostat.core.text import escape_controls

CONTEXT_LINES: Final = 200
LIST_CONTEXT_LINES: Final = 60
SHORT_CONTEXT_LINES: Final = 8
"""Lines before a block that are masked with it: the most from where a private key begins, which has up to 195
lines (RSA with 16,384 bits), fewer where a list may begin, and the fewest otherwise."""
LOOKAHEAD_LINES: Final = 2
LOOKAHEAD_CHARACTERS: Final = 1000
"""Lines after a block, and characters of each: a value may stand before the name that makes it a secret."""
BLOCK_LINES: Final = 60
MAX_BLOCK_CHARACTERS: Final = 24_000
"""Lines and characters that are masked at a time: a search in a longer text would make keys wait."""
MAX_KEY_CHARACTERS: Final = 32_000
MAX_LIST_CHARACTERS: Final = 16_000
MAX_SHORT_CHARACTERS: Final = 8000
"""Characters of the lines before a block that are masked with it, in the same three cases."""
STAMP_LENGTH: Final = 30
"""Characters of a time such as `2026-11-24T00:26:00.123456789Z`."""
LEVEL_CHARACTERS: Final = 200
"""Characters of a line in which its level is looked for."""


class LogLine(msgspec.Struct, frozen=True, gc=False):
    """A masked line. `stamp` is the engine's time; `level` is E, W, I, D or empty; `source` numbers the
    container."""

    stamp: str
    text: str
    level: str = ""
    source: int = 0

    @property
    def time(self) -> float:
        return parse_stamp(self.stamp)


def parse_stamp(stamp: str) -> float:
    """The time in epoch seconds, cut after a microsecond."""
    return datetime.fromisoformat(f"{stamp[:26]}+00:00").timestamp()


_NAMES: Final = {
    "E": ("error", "err", "fatal", "critical", "crit", "panic", "severe", "emerg", "alert"),
    "W": ("warning", "warn"),
    "I": ("info", "information", "notice"),
    "D": ("debug", "trace", "verbose", "fine"),
}
_LEVELS: Final = {name: level for level, names in _NAMES.items() for name in names}
_NAME: Final = "|".join(sorted(_LEVELS, key=len, reverse=True))
_FIELD: Final = re.compile(
    rf"""(?:\b|_)(?:level|lvl|severity|loglevel|log_level)\\?["']?\s{{0,2}}[=:]\s{{0,2}}\\?["']?(?P<name>{_NAME})\b""",
    re.IGNORECASE,
)
"""`level=error`, `"level":"error"`, `severity: ERROR`."""
_NUMBER: Final = re.compile(r'"level"\s?:\s?(?P<number>[1-6]0)\b')
"""Levels of bunyan and pino."""
_NUMBERS: Final = {"1": "D", "2": "D", "3": "I", "4": "W", "5": "E", "6": "E"}
_BRACKET: Final = re.compile(
    rf"[\[<(|]\s{{0,3}}(?:\w{{1,20}}[:.])?(?P<name>{_NAME})\s{{0,3}}[\]>)|]", re.IGNORECASE
)
"""`[ERROR]`, `<warn>`, `[core:error]`."""
_WORD: Final = re.compile(rf"(?:^|[\s:])(?P<name>(?:{_NAME.upper()}))(?=[\s:,]|$)")
"""`ERROR` as a word in capitals."""
_HEAD: Final = re.compile(rf"^\W{{0,3}}(?P<name>{_NAME})[:\]]", re.IGNORECASE)
"""`error: cannot open`."""
_LETTER: Final = re.compile(r"(?:^|[\d\]Z]\s)(?P<letter>[EWIDF])(?:\s|\d{4}\s\d\d:|/)")
"""` E ` after a time, `E1124 00:26:00` of klog, `E/` of logcat."""


def find_level(text: str) -> str:
    """E, W, I or D by the shape of common formats. Empty if the line has none."""
    head = text[:LEVEL_CHARACTERS]
    match = _FIELD.search(head) or _HEAD.search(head) or _BRACKET.search(head) or _WORD.search(head)
    if match is not None:
        return _LEVELS[match["name"].lower()]
    if match := _NUMBER.search(head):
        return _NUMBERS[match["number"][0]]
    if match := _LETTER.search(head):
        return match["letter"].replace("F", "E")
    return ""


def clean_line(raw: bytes) -> str:
    """The line as a terminal finally shows it, on one line, cut only after the longest possible secret."""
    text = raw.decode("utf-8", "replace")[: MAX_LOG_LINE_CHARACTERS + MAX_SECRET_CHARACTERS]
    return text if text.isprintable() else render_final_text(text.expandtabs(4)).replace("\n", " ").rstrip()


def mask_lines(
    raw: Sequence[bytes], before: Sequence[bytes] = (), after: Sequence[bytes] = (), *, source: int = 0
) -> list[LogLine]:
    """The lines, each after its time, masked. `before`: the lines before them. `after`: the lines that
    follow."""
    context_lines = take_near(before[-CONTEXT_LINES:], MAX_KEY_CHARACTERS)
    everything, head = [*context_lines, *raw, *after[:LOOKAHEAD_LINES]], len(context_lines)
    texts = [clean_line(line[STAMP_LENGTH + 1 :]) for line in everything]
    lines: list[LogLine] = []
    for begin, end in split_blocks(texts, head, head + len(raw)):
        context = _choose_context(texts[max(0, begin - CONTEXT_LINES) : begin])
        following = (text[:LOOKAHEAD_CHARACTERS] for text in texts[end : end + LOOKAHEAD_LINES])
        block = [*context, *texts[begin:end], *following]
        masked = redact("\n".join(block)).split("\n")
        for number, text in zip(align_lines(block, masked), masked, strict=True):
            at = begin + number - len(context)
            if begin <= at < end:
                lines.append(_make_line(everything[at], text, source))
    return lines


def split_blocks(texts: Sequence[str], begin: int, stop: int) -> Iterator[tuple[int, int]]:
    """Where the blocks begin and end that are masked at a time."""
    size = 0
    for number in range(begin, stop):
        if number - begin >= BLOCK_LINES or (size + len(texts[number]) > MAX_BLOCK_CHARACTERS and size):
            yield begin, number
            begin, size = number, 0
        size += len(texts[number])
    if begin < stop:
        yield begin, stop


def take_near(lines: Sequence[AnyStr], most: int) -> Sequence[AnyStr]:
    """The last of the lines, with at most so many characters, as far as lines are looked at."""
    for number, line in enumerate(reversed(lines)):
        most -= min(len(line), MAX_LOG_LINE_CHARACTERS + MAX_SECRET_CHARACTERS)
        if most < 0:
            return lines[len(lines) - number :]
    return lines


def _choose_context(texts: Sequence[str]) -> Sequence[str]:
    """The lines that may belong to what follows."""
    texts = take_near(texts, MAX_KEY_CHARACTERS)
    for number, text in enumerate(texts[:-LIST_CONTEXT_LINES]):
        if "PRIVATE KEY" in text and "END" not in text:
            return texts[number:]
    near = take_near(texts[-LIST_CONTEXT_LINES:], MAX_LIST_CHARACTERS)
    begins = any(
        text.endswith((":", "[", "{", "(", "|", "=", "\\"))
        or "PRIVATE KEY" in text
        or "Private-Lines" in text
        or text.lstrip().startswith("- ")
        for text in near
    )
    return near if begins else take_near(near[-SHORT_CONTEXT_LINES:], MAX_SHORT_CHARACTERS)


def _make_line(raw: bytes, text: str, source: int) -> LogLine:
    level = find_level(text)
    if len(text) > MAX_LOG_LINE_CHARACTERS:
        text = text[:MAX_LOG_LINE_CHARACTERS] + LINE_CUT_NOTE
    shown = text if text.isascii() and text.isprintable() else _make_printable(text)
    return LogLine(raw[:STAMP_LENGTH].decode("ascii", "replace"), shown, level, source)


def _make_printable(text: str) -> str:
    return escape_controls(text).translate(_VARIATION_SELECTORS)


_VARIATION_SELECTORS: Final = dict.fromkeys((0xFE0E, 0xFE0F))
"""Terminals disagree about the width of the character before them."""


def align_lines(before: Sequence[str], after: Sequence[str]) -> list[int]:
    """For each line after masking, the index of the line that it was. A mask may replace several lines."""
    if len(before) == len(after):
        return list(range(len(before)))
    numbers: list[int] = []
    at, last = 0, len(before) - 1
    for text in after:
        if at <= last and before[at] != text and "[redacted" not in text:
            at = next((number for number in range(at, last + 1) if before[number] == text), at)
        numbers.append(min(at, last))
        at += 1
    return numbers
