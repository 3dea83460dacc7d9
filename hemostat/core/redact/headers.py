"""HTTP credentials: authorization headers and cookies, wherever they are printed."""

import re
from typing import Final

from hemostat.core.redact.mask_format import BARE, BARE_HEAD, HEAD_CHARACTERS, mask
from hemostat.core.redact.names import PROSE, is_empty

SEPARATOR: Final = r"""\\{0,8}["']?\s{0,4}(?P<separator>=>|[:=,])\s{0,4}\[?\\{0,8}["']?"""
AUTHORIZATION: Final = re.compile(
    rf"""\bauthorization{SEPARATOR}
    (?P<scheme>(?:bearer|basic|token|apikey|api-key|key|jwt|splunk|negotiate|ntlm|digest|oauth|hawk|sharedkey
    |aws4-hmac-sha256|aws)[ ]{{1,4}})?""",
    re.VERBOSE | re.IGNORECASE,
)
COOKIE: Final = re.compile(rf"\b(?:set-)?cookies?2?{SEPARATOR}", re.IGNORECASE)
_WHOLE: Final = r"""(?:=\\{0,4}"[^"\n]*+"|[^\n"'\\]|["'](?![\s,)}\]]|$)|\\(?!["'\\]))%s"""
WHOLE: Final = re.compile(_WHOLE % "+")
"""A value with several parameters, up to the closing quote or the end of the line."""
WHOLE_HEAD: Final = re.compile(_WHOLE % f"{{1,{HEAD_CHARACTERS}}}")
MULTI_PART_SCHEMES: Final = ("digest", "oauth", "hawk", "aws")

CREDENTIAL: Final = re.compile(
    r"""\b(?P<head>(?:bearer|basic)(?:[ ]{1,4}|%20))(?P<value>[\w.~+/-]{8,}={0,2})(?![\w"'=])""",
    re.VERBOSE | re.IGNORECASE,
)
RANDOM: Final = re.compile(r"\d|[a-z][A-Z]|[+/=]|.{32}")


def hide(text: str) -> str:
    text = _mask_headers(text, AUTHORIZATION, "authorization")
    text = _mask_headers(text, COOKIE, "cookie")
    return CREDENTIAL.sub(_mask_proof, text)


def _mask_headers(text: str, header: re.Pattern[str], kind: str) -> str:
    parts: list[str] = []
    copied_end = at = 0
    while match := header.search(text, at):
        at = match.end()
        pattern = _find_cookie(text, match) if kind == "cookie" else _find_authorization(text, match)
        if pattern is not None and (value := pattern.match(text, at)):
            parts += [text[copied_end:at], mask(kind)]
            copied_end = at = value.end()
    return "".join([*parts, text[copied_end:]])


def _find_authorization(text: str, header: re.Match[str]) -> re.Pattern[str] | None:
    """The pattern of the value; None if there is nothing to mask."""
    several = (header["scheme"] or "").lower().startswith(MULTI_PART_SCHEMES)
    head = _read_head(WHOLE_HEAD if several else BARE_HEAD, text, header.end())
    if is_empty(head) or (not header["scheme"] and PROSE.fullmatch(head)):
        return None
    return WHOLE if several else BARE


def _find_cookie(text: str, header: re.Match[str]) -> re.Pattern[str] | None:
    if "=" in (head := _read_head(WHOLE_HEAD, text, header.end())):
        return None if is_empty(head) else WHOLE
    if header["separator"] != "=" or is_empty(_read_head(BARE_HEAD, text, header.end())):
        return None
    return BARE


def _read_head(pattern: re.Pattern[str], text: str, at: int) -> str:
    match = pattern.match(text, at)
    return match[0] if match else ""


def _mask_proof(match: re.Match[str]) -> str:
    return match["head"] + mask("authorization") if RANDOM.search(match["value"]) else match[0]
