"""Text from outside, made safe to show, and the bytes of text files read."""

import codecs
from collections.abc import Iterable
from typing import Final

BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
"""Byte order marks, the longer of two that begin alike first."""

MAX_QUOTED_CHARACTERS: Final = 60
"""Characters of somebody else's text that an error message repeats."""
MAX_REDACTED: Final = 1000
"""Characters of such a text in which secrets are looked for."""

MAX_LISTED_NAMES: Final = 5
MAX_NAME_CHARACTERS: Final = 60
"""Containers that one sentence names, and characters of each name."""


def escape_controls(text: str) -> str:
    """The text on one line, with everything written out that a terminal would act on."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def escape_json(text: str) -> str:
    """JSON that means the same, with everything escaped that a terminal would act on. Line feeds stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else _escape_character(char) for char in text)


def _escape_character(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True))


def quote_text(text: str) -> str:
    """The text as a Python literal without secrets, its end left out where it is long. It is cut after it is
    redacted, so that no cut lays half a secret open."""
    from hemostat.core.redact import redact  # takes time, and there is seldom anything to quote

    masked = redact(text[:MAX_REDACTED])
    shown = masked if "[redacted" in masked else text  # escapes are quoted, and redacting drops them
    return repr(shown) if len(shown) <= MAX_QUOTED_CHARACTERS else f"{shown[:MAX_QUOTED_CHARACTERS]!r}…"


def truncate(text: str, most: int) -> str:
    """At most so many characters of it."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def list_names(names: Iterable[str]) -> str:
    """The first few by name, each bounded in length, and how many more there are."""
    ordered = sorted(names)
    shown = ", ".join(truncate(name, MAX_NAME_CHARACTERS) for name in ordered[:MAX_LISTED_NAMES])
    more = len(ordered) - MAX_LISTED_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def decode_text(data: bytes) -> str:
    """The text of a file that a person wrote, in UTF-8 with or without a byte order mark. Raises ValueError,
    which says what the file is and in which line."""
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), "")
    if encoding or _is_wide(data):
        raise ValueError(f"is {encoding or 'UTF-16'}; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = f"0x{data[error.start]:02x}"
        raise ValueError(
            f"is not UTF-8 (byte {byte} in line {_find_line_number(data, error.start)}); save it as UTF-8"
        ) from None
    if "\0" in text:
        raise ValueError(
            f"has a NUL byte in line {_find_line_number(data, data.index(0))}; it is no text file"
        )
    return text


def _is_wide(data: bytes) -> bool:
    """Whether every second byte is NUL, as in UTF-16 of Latin letters without a mark."""
    pairs = len(data) // 2
    return pairs > 0 and len(data) % 2 == 0 and pairs in (data[0::2].count(0), data[1::2].count(0))


def _find_line_number(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
