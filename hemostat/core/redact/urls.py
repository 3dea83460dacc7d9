"""Passwords in URLs of any scheme, also where they hold characters that should have been encoded."""

import re
from typing import Final

from hemostat.core.redact.mask import mask

URL: Final = re.compile(r"://[^\s<>]+")
PORT: Final = re.compile(r"\d{1,5}(?=[/?#\"'`,;)\]}\\&]|$)")
ENDS: Final = re.compile(r"[/?#\"'`,;\\)]")
QUOTE: Final = re.compile(r"[\"'`\\]")
DSN: Final = re.compile(r"(?<=:)[^\s:/@\"'\[][^\s:/\"']{0,200}(?=@(?:tcp|udp|unix)\()")
"""A password as Go's drivers take it: `user:password@tcp(db:3306)/app`."""
RANDOM: Final = re.compile(r"(?=\D*\d)[\w.-]{16,}")


def hide(text: str) -> str:
    text = DSN.sub(mask("password"), text)
    return URL.sub(lambda url: "://".join(map(_authority, url[0].split("://"))), text)


def _authority(rest: str) -> str:
    """What follows `://`, its password masked: all from the first colon to the last @ before a quote. The
    name of a user without a password is a token where it is random."""
    if rest.startswith("[") or "@" not in rest:
        return rest
    ends = ENDS.search(rest)
    first = ends.start() if ends else len(rest)
    colon = rest.find(":")
    if 0 <= colon < min(first, rest.index("@")):
        return rest if colon and PORT.match(rest, colon + 1) else _masked(rest, colon + 1)
    user = rest[: rest.index("@")]
    return mask("token") + rest[len(user) :] if RANDOM.fullmatch(user) else rest


def _masked(rest: str, begin: int) -> str:
    quote = QUOTE.search(rest, begin)
    end = rest.rfind("@", begin, quote.start()) if quote else -1
    end = rest.rfind("@") if end < 0 else end
    return rest[:begin] + mask("password") + rest[end:] if end > begin else rest
