"""Private keys in PEM: complete, cut off at either end, or with escaped newlines."""

import re
from itertools import zip_longest
from typing import Final

from hemostat.core.redact.mask_format import mask

MARK: Final = re.compile(
    r"----(?:-| )(BEGIN|END) [A-Z0-9 ]{0,40}(?:PRIVATE|SSH2 ENCRYPTED PRIVATE) KEY[A-Z ]{0,10}(?:-| )----"
)
MAX_KEY_CHARACTERS: Final = 20_000
"""Characters of a key, including log prefixes. A more distant END belongs to another key."""

BODY: Final = re.compile(
    r"""(?:
      [ \t]*+ (?: \r?\n | \\{1,4}[rn] )
      | (?:Proc-Type|DEK-Info|Version|Comment) [^\n\\]{0,100}
      | [ \t]*+ [A-Za-z0-9+/=]{20,}+
      | [A-Za-z0-9+/=]{1,19}+ (?= [ \t]{0,9} (?: $ | [\r\n\\"'] ) )
    )*""",
    re.VERBOSE,
)
"""The part of a key after its BEGIN, where the END is missing."""

LINE: Final = re.compile(r"[^\n\w]{0,8}[A-Za-z0-9+/=]{2,100}[ \t\r]{0,4}|\s*")
BREAK: Final = re.compile(r"(\r?\n|\\{1,4}n)")


PUTTY: Final = re.compile(
    r"(?P<head>Private-Lines: \d{1,4})(?:\r?\n[^\n]{0,100}?[A-Za-z0-9+/=]{2,100}[ \t\r]{0,4}(?=\n|$)){1,200}"
)
"""A PuTTY key. Its public part comes first and stays."""
CODE: Final = re.compile(r"(?P<prefix>[^\n]{0,160}?)(?P<code>[A-Za-z0-9+/]{16,100}={0,2})[ \t\r\"',]{0,4}")
LAST_LINE: Final = re.compile(r"[A-Za-z0-9+/]{1,100}={0,2}[ \t\r\"',]{0,4}")
"""Lines of a key. The last one may be short."""


def hide(text: str) -> str:
    text = PUTTY.sub(lambda match: f"{match['head']}\n{mask('private key')}", text)
    if "PRIVATE KEY" not in text:
        return text
    marks = list(MARK.finditer(text))
    parts: list[str] = []
    at = 0
    for mark, after in zip_longest(marks, marks[1:]):
        if mark.start() < at:
            continue
        before = text[at : mark.start()]
        if mark[1] == "END":
            parts += [_drop_key_lines(before), mask("private key")]
            at = mark.end()
        else:
            parts += [before, mask("private key")]
            at = _find_end(text, mark, after)
    return "".join([*parts, text[at:]])


def _find_end(text: str, begin: re.Match[str], after: re.Match[str] | None) -> int:
    if after is not None and after[1] == "END" and after.start() - begin.end() < MAX_KEY_CHARACTERS:
        return after.end()
    body = BODY.match(text, begin.end())
    end = body.end() if body else begin.end()
    further = _find_prefixed_end(text, end - (text[end - 1] == "\n"))
    return max(end, further)


def _find_prefixed_end(text: str, at: int) -> int:
    """The end of a key's lines that each have a log prefix."""
    shape = ""
    while at < len(text) and text[at] == "\n":
        end = text.find("\n", at + 1)
        end = len(text) if end < 0 else end
        line = text[at + 1 : min(end, at + 300)]
        match = CODE.fullmatch(line)
        if match and (not shape or _generalize_digits(match["prefix"]) == shape):
            shape = _generalize_digits(match["prefix"])
        elif (
            not shape
            or _generalize_digits(line[: len(shape)]) != shape
            or not LAST_LINE.fullmatch(line[len(shape) :])
        ):
            break
        at = end
    return at


def _generalize_digits(prefix: str) -> str:
    return re.sub(r"\d", "0", prefix)


def _drop_key_lines(text: str) -> str:
    """The text without the lines of a key whose beginning is cut off."""
    parts = BREAK.split(text)
    prefix = _generalize_digits(parts.pop()) if parts and CODE.fullmatch(f"{parts[-1]}{'A' * 16}") else ""
    while prefix and len(parts) > 1 and _is_code(parts[-2], prefix):
        del parts[-2:]
    while parts and (LINE.fullmatch(parts[-1]) or BREAK.fullmatch(parts[-1])):
        parts.pop()
    return "".join(parts) + ("\n" if parts else "")


def _is_code(line: str, prefix: str) -> bool:
    return _generalize_digits(line[: len(prefix)]) == prefix and bool(
        LAST_LINE.fullmatch(line[len(prefix) :])
    )
