"""How a mask looks, and where a value ends."""

import re
from typing import Final

MASK: Final = re.compile(r"(\[redacted: [a-z -]{3,20}\])")

QUOTED: Final = re.compile(
    r"""[bBuUrR]?(?P<escape>\\{0,8})(?P<quote>["'`])
    (?P<body>(?:[^\\"'`\n]|(?!(?<!\\)(?P=escape)(?P=quote))[\\"'`])*)""",
    re.VERBOSE,
)
"""Up to the quote that is escaped as often as the first, or the end of the line."""

BARE: Final = re.compile(
    r"""(?:
      [^\s"'`&;,)\]}>\\]
      | \\ (?! \\*["'] )
      | ["'`] (?! $ | [\s,;:)}\]>&\\] )
      | [&;,] (?! $ | \s | [\\"']{0,4} [\w.-]{1,64} [\\"']{0,4} \s? [=:] )
      | [)}\]>] (?! $ | [\s,;)}\]>"'\\] )
    )+""",
    re.VERBOSE,
)
"""A value without quotes: its odd characters belong to it, unless something new begins after them."""


def mask(kind: str) -> str:
    return f"[redacted: {kind}]"
