"""Passwords in URLs of any scheme, even with characters that should have been percent-encoded."""

import re
from typing import Final

from hemostat.core.redact.mask import mask

URL: Final = re.compile(r"://[^\s<>]+")
PORT: Final = re.compile(r"\d{1,5}(?=[/?#\"'`,;)\]}\\&]|$)")
URL_END: Final = re.compile(r"[/?#\"'`,;\\)]")
QUOTE: Final = re.compile(r"[\"'`\\]")
DSN: Final = re.compile(r"(?<=:)[^\s:/@\"'\[][^\s:\"']{0,200}(?=@(?:tcp|udp|unix)?\()")
"""A password in the form of Go's drivers: `user:password@tcp(db:3306)/app`."""
WEB_SCHEMES: Final = ("http", "https", "ws", "wss", "git", "ssh", "ftp")
"""Schemes in which an @ after a slash belongs to the path."""
MAX_SCHEME_CHARACTERS: Final = 20
RANDOM: Final = re.compile(r"(?=\D*\d)[\w.-]{16,}")


def hide(text: str) -> str:
    text = DSN.sub(mask("password"), text)
    return URL.sub(_mask_url, text)


def _mask_url(found: re.Match[str]) -> str:
    """Masks each part according to its scheme, which is at the end of the part before."""
    before, *parts = found[0].split("://")
    before = found.string[max(0, found.start() - MAX_SCHEME_CHARACTERS) : found.start()] + before
    told = [""]
    for part in parts:
        told.append(_mask_authority(part, in_web=before.lower().endswith(WEB_SCHEMES)))
        before = part[-MAX_SCHEME_CHARACTERS:]
    return "://".join(told)


def _mask_authority(rest: str, *, in_web: bool) -> str:
    """The text after `://` with its password masked: from the first colon to the last @ before a quote. A
    user name without a password is a token if it looks random."""
    if rest.startswith("[") or "@" not in rest:
        return rest
    ends = URL_END.search(rest)
    first = ends.start() if ends else len(rest)
    colon = rest.find(":")
    if 0 <= colon < min(first, rest.index("@")):
        has_port = in_web and colon and PORT.match(rest, colon + 1)
        return rest if has_port else _mask_password(rest, colon + 1)
    user = rest[: rest.index("@")]
    return mask("token") + rest[len(user) :] if RANDOM.fullmatch(user) else rest


def _mask_password(rest: str, begin: int) -> str:
    quote = QUOTE.search(rest, begin)
    end = rest.rfind("@", begin, quote.start()) if quote else -1
    end = rest.rfind("@") if end < 0 else end
    return rest[:begin] + mask("password") + rest[end:] if end > begin else rest
