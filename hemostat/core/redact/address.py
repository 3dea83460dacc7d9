"""URLs from the settings in a form that may be shown. The same rule masks malformed and valid URLs."""

import re
from typing import Final

SHOWN_MASK: Final = "********"
SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
LOCAL_SCHEMES: Final = ("unix", "http+unix", "npipe", "sqlite")
"""Schemes whose `://` is followed by a path, if that starts with a slash."""
WEB_SCHEMES: Final = frozenset({"http", "https"})
HOST: Final = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
SHOWN_QUERY_NAMES: Final = frozenset({"db", "host", "port", "user", "sslmode", "protocol"})
"""Query parameters whose values are shown."""
QUERY_BEFORE_AT: Final = re.compile(r"[?&#][\w.-]+=")
NO_PORT: Final = re.compile(r"[^/?#\[\]:]*:(?!\d{1,5}(?:[/?#,]|$))[^/?#]")
"""A colon that no port follows."""
MIN_SECRET_CHARACTERS: Final = 3
"""Minimum characters of a password to search in a vendor's text. Shorter ones occur in any text."""


def mask_url(url: str) -> str:
    """The URL's scheme, host and path. Everything between `://` and the last @ is masked, because a password
    may contain any character. Text without a scheme may be a bare password, and is masked whole."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator or not SCHEME.fullmatch(scheme):
        return SHOWN_MASK if url.strip() else ""
    if rest.startswith("/") and scheme.lower().partition("+")[0] in LOCAL_SCHEMES:
        return f"{scheme}://{_mask_query(rest)}"
    login, at, location = rest.rpartition("@")
    if not at and NO_PORT.match(location):  # a login without its host
        return f"{scheme}://{SHOWN_MASK}"
    if at and QUERY_BEFORE_AT.search(login):  # the @ may belong to the query, and a secret may follow it
        return f"{scheme}://{SHOWN_MASK}"
    return f"{scheme}://{SHOWN_MASK + at if at else ''}{_mask_query(location)}"


def mask_channel_url(url: str) -> str:
    """The URL of a notification channel without what may be secret: the path of a webhook, and everything
    behind the scheme of Apprise's URLs, whose host may be a token."""
    scheme, separator, _ = url.strip().partition("://")
    if not separator or not SCHEME.fullmatch(scheme):
        return SHOWN_MASK
    host = format_host(url)
    shows_host = scheme.lower() in WEB_SCHEMES and HOST.fullmatch(host)
    return f"{scheme}://{host}/…" if shows_host else f"{scheme}://…"


def format_host(url: str) -> str:
    """Host and port of the URL, for a message."""
    location = mask_url(url).partition("://")[2].removeprefix(f"{SHOWN_MASK}@")
    return re.split(r"[/?#]", location, maxsplit=1)[0]


def mask_secret(text: str, *secrets: str | None) -> str:
    """A vendor's text with these passwords masked."""
    for secret in secrets:
        if secret and len(secret) >= MIN_SECRET_CHARACTERS:
            text = text.replace(secret, SHOWN_MASK)
    return text


def has_login(url: str) -> bool:
    """Whether the URL contains, or may contain, a secret."""
    _, separator, rest = url.partition("://")
    return bool(separator) and ("@" in rest or _mask_query(rest) != rest or bool(NO_PORT.match(rest)))


def _mask_query(location: str) -> str:
    parts = re.split(r"([?&;#])", location)
    masked_parts = [parts[0]]
    for mark, part in zip(parts[1::2], parts[2::2], strict=True):
        name, equals, _ = part.partition("=")
        hidden = f"{name}={SHOWN_MASK}" if equals and name else SHOWN_MASK
        masked_parts += [mark, part if name in SHOWN_QUERY_NAMES or not part else hidden]
    return "".join(masked_parts)
