"""Passwords in URLs of any scheme, even with characters that should have been percent-encoded."""

import re
from typing import Final

from hemostat.core.redact.mask_format import mask

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


def _mask_url(match: re.Match[str]) -> str:
    """Masks each part according to its scheme, which is at the end of the part before."""
    before, *parts = match[0].split("://")
    before = match.string[max(0, match.start() - MAX_SCHEME_CHARACTERS) : match.start()] + before
    masked_parts = [""]
    for part in parts:
        masked_parts.append(_mask_authority(part, in_web=before.lower().endswith(WEB_SCHEMES)))
        before = part[-MAX_SCHEME_CHARACTERS:]
    return "://".join(masked_parts)


def _mask_authority(text: str, *, in_web: bool) -> str:
    """The text after `://` with its password masked: from the first colon to the last @ before a quote. A
    user name without a password is a token if it looks random."""
    if text.startswith("[") or "@" not in text:
        return text
    end_match = URL_END.search(text)
    first = end_match.start() if end_match else len(text)
    colon = text.find(":")
    if 0 <= colon < min(first, text.index("@")):
        has_port = in_web and colon and PORT.match(text, colon + 1)
        return text if has_port else _mask_password(text, colon + 1)
    user = text[: text.index("@")]
    return mask("token") + text[len(user) :] if RANDOM.fullmatch(user) else text


def _mask_password(text: str, begin: int) -> str:
    quote = QUOTE.search(text, begin)
    end = text.rfind("@", begin, quote.start()) if quote else -1
    end = text.rfind("@") if end < 0 else end
    return text[:begin] + mask("password") + text[end:] if end > begin else text
