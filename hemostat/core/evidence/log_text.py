"""What a program printed, as a terminal shows it in the end: without colours, titles and overwritten text.

A line that is begun again by a carriage return, as progress bars do, is replaced as a whole: no mixture of
two states, in which a secret has lost the name that it is known by.
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
"""CSI commands that change where text goes or what is left of it."""
UNPRINTABLE: Final = re.compile(r"[\x00-\x07\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Controls that show nothing, and what no encoding knows."""
MAX_ROW_CHARACTERS: Final = 8192
"""Characters of a row that is written piece by piece: each piece copies the row."""
MOVE_CHARACTERS: Final = re.compile(r"[\r\b\x1b\x9b]")
PIECE: Final = re.compile(r"[^\r\n\b\x1b]+|[\r\n\b]|\x1b\[(?P<number>\d{0,9})(?P<command>[A-K])|\x1b")


def render_final_text(text: str) -> str:
    """The text that is left on the screen, its lines separated by line feeds."""
    text = text.replace("\r\n", "\n").replace("\v", "\n").replace("\f", "\n")
    text = ESCAPE_SEQUENCE.sub(_keep_move, text) if MOVE_CHARACTERS.search(text) else text
    if not MOVE_CHARACTERS.search(text):
        return UNPRINTABLE.sub("", text)
    screen = _Screen()
    for piece in PIECE.finditer(text):
        screen.take(piece[0], piece["number"] or "", piece["command"] or "")
    return UNPRINTABLE.sub("", "\n".join(screen.rows))


def remove_controls(text: str) -> str:
    """The text without what a terminal would act on; nothing of it is taken for overwritten."""
    return UNPRINTABLE.sub("", ESCAPE_SEQUENCE.sub("", text.replace("\r\n", "\n"))).translate(
        _REMOVED_CONTROLS
    )


_REMOVED_CONTROLS: Final = dict.fromkeys(map(ord, "\b\v\f\r"))


def _keep_move(found: re.Match[str]) -> str:
    command = found["command"]
    if not command or command not in MOVE_COMMANDS:
        return ""
    number = found["number"] if found["number"].isdecimal() else ""
    return f"\x1b[{number}{command}"


class _Screen:
    """Rows, and where the next text goes: behind that of its row, or in its place (`at_start`)."""

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

    def _is_row_erased(self, what: str) -> bool:
        """Whether the row is erased: all of it (2), or what is behind the place of writing."""
        return what == "2" or (what in {"", "0"} and self._at_start)

    def _write(self, text: str) -> None:
        """A name whose value is to come stays: it may be what tells that the value is a secret."""
        before = self.rows[self._row]
        is_replaced = self._at_start and not before.rstrip(" ").endswith(("=", ":"))
        self._set_row(text if is_replaced else before + text)
        self._at_start = False

    def _set_row(self, text: str) -> None:
        self.rows[self._row] = text[:MAX_ROW_CHARACTERS]

    def _move(self, rows: int) -> None:
        """Down as far as there is something, or one row more; up to the first."""
        self._row = max(0, min(self._row + rows, len(self.rows)))
        if self._row == len(self.rows):
            self.rows.append("")
