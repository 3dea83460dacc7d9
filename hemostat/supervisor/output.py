"""Writes the lines of all children, each labelled with its role and engine, to one output."""

import errno
import json
import time
from collections.abc import Iterable
from typing import Final, Protocol

from hemostat.terminal import can_colour

OWN_LABEL: Final = "hemostat"
"""The label of the supervisor's own lines."""
MAX_LINE_BYTES: Final = 32 * 1024
DISK_FULL_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of a log on a full disk: lines are lost, but no role ends."""
COLOURS: Final = ("36", "35", "33", "32", "34")


class LineOutput(Protocol):
    """The output of all lines."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...

    def isatty(self) -> bool: ...


class Output:
    """Writes lines to `out`: as text under coloured labels, or each as a JSON object (`json_lines`)."""

    def __init__(self, out: LineOutput, roles: Iterable[str], *, json_lines: bool) -> None:
        roles = tuple(roles)
        self._out = out
        self._json_lines = json_lines
        self._width = max(map(len, (OWN_LABEL, *roles)))
        self._is_coloured = can_colour(out)
        self._colours = {OWN_LABEL: "1"} | {
            role: COLOURS[number % len(COLOURS)] for number, role in enumerate(roles)
        }

    def write(self, label: str, text: str) -> None:
        try:
            self._out.write(self._format_line(label, text) + "\n")
            self._out.flush()
        except OSError as error:
            if error.errno not in DISK_FULL_ERRORS:
                raise

    def _format_line(self, label: str, text: str) -> str:
        if self._json_lines:
            return _make_object(label, text)
        head = f"{label:<{self._width}} |"
        return f"\x1b[{self._colours[label]}m{head}\x1b[0m {text}" if self._is_coloured else f"{head} {text}"


class LineSplitter:
    """Splits the data of a pipe into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes; empty data ends the last one. Control characters are
        replaced."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (not data or len(self._rest) > MAX_LINE_BYTES):
            lines, self._rest = [*lines, self._rest], b""
        return [_clean_line(line[:MAX_LINE_BYTES]) for line in lines]


def _make_object(label: str, text: str) -> str:
    """Return the line as a JSON object that names its role, and its engine if the label does; other text
    becomes the `text` of an object."""
    role, _, engine = label.partition(" ")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        fields = {"time": now, "level": "warning", "event": "process.said", "text": text}
    names = {"role": role, "engine": engine} if engine else {"role": role}
    return json.dumps({**names, **fields}, ensure_ascii=False)


def _clean_line(line: bytes) -> str:
    text = line.decode(errors="replace").rstrip("\r")
    return "".join(
        char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
