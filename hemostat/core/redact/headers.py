"""What HTTP carries to prove who asks: authorization and cookies, wherever they are printed."""

import re
from typing import Final

from hemostat.core.redact.mask import BARE, mask
from hemostat.core.redact.names import EMPTY, PROSE

SEPARATOR: Final = r"""\\{0,8}["']?\s{0,4}(?P<separator>=>|[:=,])\s{0,4}\[?\\{0,8}["']?"""
AUTHORIZATION: Final = re.compile(
    rf"""\bauthorization{SEPARATOR}
    (?P<scheme>(?:bearer|basic|token|apikey|api-key|key|jwt|splunk|negotiate|ntlm|digest|oauth|hawk|sharedkey
    |aws4-hmac-sha256|aws)[ ]{{1,4}})?""",
    re.VERBOSE | re.IGNORECASE,
)
COOKIE: Final = re.compile(rf"\b(?:set-)?cookies?2?{SEPARATOR}", re.IGNORECASE)
WHOLE: Final = re.compile(r"""(?:=\\{0,4}"[^"\n]*+"|[^\n"'\\]|["'](?![\s,)}\]]|$)|\\(?!["'\\]))+""")
"""Of many parameters, up to the closing quote or the end of the line."""
SEVERAL: Final = ("digest", "oauth", "hawk", "aws")

PROOF: Final = re.compile(
    r"""\b(?P<head>(?:bearer|basic)(?:[ ]{1,4}|%20))(?P<value>[\w.~+/-]{8,}={0,2})(?![\w"'=])""",
    re.VERBOSE | re.IGNORECASE,
)
RANDOM: Final = re.compile(r"\d|[a-z][A-Z]|[+/=]|.{32}")


def hide(text: str) -> str:
    text = _each(text, AUTHORIZATION, "authorization")
    text = _each(text, COOKIE, "cookie")
    return PROOF.sub(_proof, text)


def _each(text: str, header: re.Pattern[str], kind: str) -> str:
    kept: list[str] = []
    done = at = 0
    while found := header.search(text, at):
        at = found.end()
        value = _cookie(text, found) if kind == "cookie" else _authorization(text, found)
        if value is not None and not EMPTY.fullmatch(value[0]):
            kept += [text[done : value.start()], mask(kind)]
            done = at = value.end()
    return "".join([*kept, text[done:]])


def _authorization(text: str, header: re.Match[str]) -> re.Match[str] | None:
    if (header["scheme"] or "").lower().startswith(SEVERAL):
        return WHOLE.match(text, header.end())
    value = BARE.match(text, header.end())
    return None if value is None or (not header["scheme"] and PROSE.fullmatch(value[0])) else value


def _cookie(text: str, header: re.Match[str]) -> re.Match[str] | None:
    whole = WHOLE.match(text, header.end())
    if whole is not None and "=" in whole[0]:
        return whole
    return BARE.match(text, header.end()) if header["separator"] == "=" else None


def _proof(found: re.Match[str]) -> str:
    return found["head"] + mask("authorization") if RANDOM.search(found["value"]) else found[0]
