"""Makes untrusted text safe to show, and decodes text files."""

import codecs
import re
from collections.abc import Iterable
from typing import Final

BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
"""Byte order marks. The longer of two marks with the same beginning is first."""

MAX_QUOTED_CHARACTERS: Final = 60
"""Characters of untrusted text that an error message repeats."""
MAX_REDACTED: Final = 1000
"""Characters of such a text that are searched for secrets."""

MAX_LISTED_NAMES: Final = 5
MAX_NAME_CHARACTERS: Final = 60
"""Maximum number of containers named in one sentence (MAX_LISTED_NAMES), and of characters of each name."""


CONTAINER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
"""Docker's pattern of names, with a maximum length: Docker has none."""


def is_container_name(text: str) -> bool:
    """Return whether a container can have this name. Events of roles may have any text there, such as `*`."""
    return CONTAINER_NAME.fullmatch(text) is not None


def escape_controls(text: str) -> str:
    """Return the text on one line, with everything escaped that a terminal would act on."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def escape_json(text: str) -> str:
    """Return equivalent JSON, with everything escaped that a terminal would act on. Line feeds stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else _escape_character(char) for char in text)


def _escape_character(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True))


def quote_text(text: str) -> str:
    """Return the text as a Python literal without secrets, shortened if it is long. It is cut after it is
    redacted, so that a cut does not expose part of a secret."""
    from hemostat.core.redact import redact  # slow to import, and seldom needed

    masked = redact(text[:MAX_REDACTED])
    safe_text = masked if "[redacted" in masked else text  # redacting drops escapes, which must be quoted
    return (
        repr(safe_text)
        if len(safe_text) <= MAX_QUOTED_CHARACTERS
        else f"{safe_text[:MAX_QUOTED_CHARACTERS]!r}…"
    )


def truncate(text: str, most: int) -> str:
    """Return at most `most` characters of the text."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def list_names(names: Iterable[str]) -> str:
    """Return the first names in order, each bounded in length, and the number of further ones."""
    ordered = sorted(names)
    listing = ", ".join(truncate(name, MAX_NAME_CHARACTERS) for name in ordered[:MAX_LISTED_NAMES])
    more = len(ordered) - MAX_LISTED_NAMES
    return f"{listing} and {more} more" if more > 0 else listing


def decode_text(data: bytes) -> str:
    """Return the text of a file written by a user, in UTF-8 with or without a byte order mark. Raises
    ValueError with the encoding found and the line of the error."""
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
            f"has a NUL byte in line {_find_line_number(data, data.index(0))}; it is not a text file"
        )
    return text


def _is_wide(data: bytes) -> bool:
    """Return whether every second byte is NUL, as in UTF-16 of Latin letters without a byte order mark."""
    pairs = len(data) // 2
    return pairs > 0 and len(data) % 2 == 0 and pairs in (data[0::2].count(0), data[1::2].count(0))


def _find_line_number(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
