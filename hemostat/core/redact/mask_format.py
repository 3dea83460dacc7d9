"""The form of a mask, and where a value ends."""

import re
from typing import Final

MASK: Final = re.compile(r"(\[redacted: [a-z -]{3,20}\])")

HEAD_CHARACTERS: Final = 128
"""Characters of a value that decide whether to mask it. Only masked values are read to their end, and masked
text is not read again, so the work stays linear. Longer values are masked."""

_QUOTED: Final = r"""[bBuUrR]?(?P<escape>\\{0,8})(?P<quote>["'`])
    (?P<body>(?:[^\\"'`\n]|(?!(?<!\\)(?P=escape)(?P=quote))[\\"'`])%s)"""
QUOTED: Final = re.compile(_QUOTED % "*", re.VERBOSE)
"""Up to the quote that is escaped as often as the first one, or to the end of the line."""
QUOTED_HEAD: Final = re.compile(_QUOTED % f"{{0,{HEAD_CHARACTERS}}}", re.VERBOSE)

_BARE: Final = r"""(?:
      [^\s"'`&;,)\]}>\\]
      | \\ (?! \\*["'] )
      | ["'`] (?! $ | [\s,;:)}\]>&\\] )
      | [&;,] (?! $ | \s | [\\"']{0,4} [\w.-]{1,64} [\\"']{0,4} \s? [=:] )
      | [)}\]>] (?! $ | [\s,;)}\]>"'\\] )
    )%s"""
BARE: Final = re.compile(_BARE % "+", re.VERBOSE)
"""A value without quotes. Special characters belong to the value unless something new begins after them."""
BARE_HEAD: Final = re.compile(_BARE % f"{{1,{HEAD_CHARACTERS}}}", re.VERBOSE)


def mask(kind: str) -> str:
    return f"[redacted: {kind}]"


def find_value_end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where the masked value that begins at `at` ends."""
    match = pattern.match(text, at)
    return match.end() if match else at
