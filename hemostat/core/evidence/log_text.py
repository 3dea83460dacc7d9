"""Log text as a terminal finally shows it: without colours, titles and overwritten text.

A line that restarts after a carriage return, as in progress bars, is replaced as a whole. A mixture of two
states could separate a secret from the name by which it is recognised.
"""

import re
from typing import Final

ESCAPE_SEQUENCE: Final = re.compile(
    r"\x1b\][^\x07\x1b\x9c\n]{0,2048}(?:\x07|\x1b\\|\x9c)"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b\x9c\n]{0,2048}(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)(?P<number>[0-?]{0,64})[ -/]{0,4}(?P<command>[@-~])"  # CSI
    r"|\x1b[ -/]{0,4}[0-~]"  # other commands, character sets
)
MOVE_COMMANDS: Final = frozenset("ABEFGJK")
"""CSI commands that move the cursor or erase text."""
UNPRINTABLE: Final = re.compile(r"[\x00-\x07\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Invisible control characters, and characters that no encoding supports."""
MAX_ROW_CHARACTERS: Final = 8192
"""Characters of a row that is written piece by piece. Each piece copies the row."""
MOVE_CHARACTERS: Final = re.compile(r"[\r\b\x1b\x9b]")
PIECE: Final = re.compile(r"[^\r\n\b\x1b]+|[\r\n\b]|\x1b\[(?P<number>\d{0,9})(?P<command>[A-K])|\x1b")


def render_final_text(text: str) -> str:
    """The text left on the screen, with lines separated by line feeds."""
    text = text.replace("\r\n", "\n").replace("\v", "\n").replace("\f", "\n")
    text = ESCAPE_SEQUENCE.sub(_keep_move, text) if MOVE_CHARACTERS.search(text) else text
    if not MOVE_CHARACTERS.search(text):
        return UNPRINTABLE.sub("", text)
    screen = _Screen()
    for piece in PIECE.finditer(text):
        screen.take(piece[0], piece["number"] or "", piece["command"] or "")
    return UNPRINTABLE.sub("", "\n".join(screen.rows))


def remove_controls(text: str) -> str:
    """The text without terminal control characters. No text counts as overwritten."""
    return UNPRINTABLE.sub("", ESCAPE_SEQUENCE.sub("", text.replace("\r\n", "\n"))).translate(
        _REMOVED_CONTROLS
    )


_REMOVED_CONTROLS: Final = dict.fromkeys(map(ord, "\b\v\f\r"))


def _keep_move(match: re.Match[str]) -> str:
    command = match["command"]
    if not command or command not in MOVE_COMMANDS:
        return ""
    number = match["number"] if match["number"].isdecimal() else ""
    return f"\x1b[{number}{command}"


class _Screen:
    """Rows, and where the next text goes: at the end of the row, or in place of it (`_at_start`)."""

    def __init__(self) -> None:
        self.rows = [""]
        self._row = 0
        self._at_start = True

    def take(self, piece: str, number: str, command: str) -> None:
        if command:
            self._execute(command, number)
        elif piece == "\n":
            self._move(1)
            self._at_start = True
        elif piece == "\r":
            self._at_start = True
        elif piece == "\b":
            self._set_row(self.rows[self._row][:-1])
        elif piece != "\x1b":
            self._write(piece)

    def _execute(self, command: str, number: str) -> None:
        count = int(number or 1)
        match command:
            case "A" | "F":
                self._move(-count)
            case "B" | "E":
                self._move(count)
            case "J" if number in {"", "0"}:
                del self.rows[self._row + 1 :]
        if command in "EF" or (command == "G" and count <= 1):
            self._at_start = True
        if command == "K" and self._is_row_erased(number):
            self._set_row("")

    def _is_row_erased(self, mode: str) -> bool:
        """Whether the row is erased: all of it (2), or the part after the cursor."""
        return mode == "2" or (mode in {"", "0"} and self._at_start)

    def _write(self, text: str) -> None:
        """Writes text to the row. A name without its value yet stays, because it may identify the value as a
        secret."""
        before = self.rows[self._row]
        is_replaced = self._at_start and not before.rstrip(" ").endswith(("=", ":"))
        self._set_row(text if is_replaced else before + text)
        self._at_start = False

    def _set_row(self, text: str) -> None:
        self.rows[self._row] = text[:MAX_ROW_CHARACTERS]

    def _move(self, rows: int) -> None:
        """Moves down, at most one row past the last, or up to the first row."""
        self._row = max(0, min(self._row + rows, len(self.rows)))
        if self._row == len(self.rows):
            self.rows.append("")
