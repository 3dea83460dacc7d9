"""Private keys in PEM: whole, cut off at either end, or with their newlines escaped."""

import re
from itertools import zip_longest
from typing import Final

from hemostat.core.redact.mask import mask

MARK: Final = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----")
LONGEST: Final = 20_000
"""Characters of a key, log prefixes included; an END further off belongs to another."""

BODY: Final = re.compile(
    r"""(?:
      [ \t]*+ (?: \r?\n | \\{1,4}[rn] )
      | (?:Proc-Type|DEK-Info|Version|Comment) [^\n\\]{0,100}
      | [ \t]*+ [A-Za-z0-9+/=]{20,}+
      | [A-Za-z0-9+/=]{1,19}+ (?= [ \t]{0,9} (?: $ | [\r\n\\"'] ) )
    )*""",
    re.VERBOSE,
)
"""What of a key follows its BEGIN where there is no END."""

LINE: Final = re.compile(r"[^\n\w]{0,8}[A-Za-z0-9+/=]{2,100}[ \t\r]{0,4}|\s*")
BREAK: Final = re.compile(r"(\r?\n|\\{1,4}n)")


def hide(text: str) -> str:
    if "PRIVATE KEY" not in text:
        return text
    marks = list(MARK.finditer(text))
    kept: list[str] = []
    at = 0
    for mark, after in zip_longest(marks, marks[1:]):
        if mark.start() < at:
            continue
        before = text[at : mark.start()]
        if mark[1] == "END":
            kept += [_before_end(before), mask("private key")]
            at = mark.end()
        else:
            kept += [before, mask("private key")]
            at = _end(text, mark, after)
    return "".join([*kept, text[at:]])


def _end(text: str, begin: re.Match[str], after: re.Match[str] | None) -> int:
    if after is not None and after[1] == "END" and after.start() - begin.end() < LONGEST:
        return after.end()
    body = BODY.match(text, begin.end())
    return body.end() if body else begin.end()


def _before_end(text: str) -> str:
    """Without the lines that belong to a key whose beginning is cut off."""
    parts = BREAK.split(text)
    while parts and (LINE.fullmatch(parts[-1]) or BREAK.fullmatch(parts[-1])):
        parts.pop()
    return "".join(parts) + ("\n" if parts else "")
