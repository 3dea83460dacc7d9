"""Replaces characters that an output's encoding lacks by ASCII of the same width in cells.

The replacement is an error handler for encoders (`errors=ASCII_FALLBACK`). It handles the output of every
library, and is never called for output in UTF-8.
"""

import codecs
import unicodedata
from typing import Final

ASCII_FALLBACK: Final = "hemostat.ascii"
"""The name under which encoders find the handler."""
ASCII_ENCODING: Final = "hemostat_ascii"
"""ASCII under another name: Click takes an output in `ascii` for a mistake, and writes UTF-8 there."""

_ASCII_REPLACEMENTS: Final = {
    "+": "✓±",
    "x": "✗\N{MULTIPLICATION SIGN}",
    "*": "●•",
    "o": "○°",
    ".": "◌·",
    "@": "↻◎",
    "#": "◆■▪",
    "-": "◇□▫─┄┈\N{EN DASH}\N{EM DASH}\N{HORIZONTAL BAR}",
    "=": "━═‖",
    "^": "▲↑",
    "v": "▼↓",
    ">": "▶▸→»",
    "<": "◀◂←«⏎",
    "~": "…≈",
    "/": "÷",
    "|": "│┃║┤├┝┥",
    "'": "\u2018\u2019\u201a",
    '"': "\u201c\u201d\u201e",
    "u": "µ",
}
_SYMBOLS: Final = {char: ascii_char for ascii_char, chars in _ASCII_REPLACEMENTS.items() for char in chars}
_RANGES: Final = (
    ("\u2500", "\u257f", "+"),  # corners and crossings of lines
    ("\u2800", "\u28ff", "*"),  # Braille, as in spinners
)
_EIGHTH_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_LEVELS: Final = "_..--==#"
_BLOCKS: Final = str.maketrans(_EIGHTH_BLOCKS, _LEVELS)


def to_ascii(text: str) -> str:
    """Return the text in ASCII, each character in as many cells as it had."""
    return "".join(map(_character_to_ascii, text))


def _character_to_ascii(char: str) -> str:
    if char.isascii():
        return char
    if symbol := _SYMBOLS.get(char):
        return symbol
    if "\u2580" <= char <= "\u259f":
        return char.translate(_BLOCKS) if char in _EIGHTH_BLOCKS else "#"
    for first, last, symbol in _RANGES:
        if first <= char <= last:
            return symbol
    return _letter_to_ascii(char)


def _letter_to_ascii(char: str) -> str:
    """Return `e` for `é`, nothing for a character without width, question marks for any other character."""
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return ""
    width = 2 if unicodedata.east_asian_width(char) in "WF" else 1
    base = "".join(part for part in unicodedata.normalize("NFKD", char) if part.isascii())
    return base if len(base) == width else "?" * width


def _replace_unencodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return to_ascii(error.object[error.start : error.end]), error.end


def _find_codec(name: str) -> codecs.CodecInfo | None:
    if name != ASCII_ENCODING:
        return None
    ascii_codec = codecs.lookup("ascii")
    return codecs.CodecInfo(
        ascii_codec.encode,
        ascii_codec.decode,
        streamreader=ascii_codec.streamreader,
        streamwriter=ascii_codec.streamwriter,
        incrementalencoder=ascii_codec.incrementalencoder,
        incrementaldecoder=ascii_codec.incrementaldecoder,
        name=ASCII_ENCODING,
    )


codecs.register_error(ASCII_FALLBACK, _replace_unencodable)
codecs.register(_find_codec)
