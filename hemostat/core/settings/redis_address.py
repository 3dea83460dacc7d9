"""What `redis.url` may be. Decided before anybody connects: a URL that is read wrongly leads to a wrong host,
and its password into that host's error."""

import re
from typing import Final

SCHEMES: Final = ("redis", "rediss", "unix")
RESERVED: Final = frozenset("/?#[]")
"""Characters that end the login of a URL or make it unreadable; all others are read as they are."""
PLACE: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:/?#\[\]]*)(?::(?P<port>[^/?#]*))?(?:/[^?#]*)?(?:\?[^#]*)?"
)
PORTS: Final = 1 << 16
FINE: Final = ("", "")
ENCODE: Final = (
    "write %23 for #, %2F for /, %3F for ?, %5B for [, %5D for ], %40 for @, %25 for %;"
    " or put the password into a file: redis.password_file"
)


def find_mistake(url: str) -> tuple[str, str]:
    """What is wrong with the URL, and a hint; both empty where it can be used. The URL is never quoted."""
    scheme, separator, rest = url.partition("://")
    if not url:
        return FINE
    if wrong := _scheme(url, scheme.lower() if separator else ""):
        return wrong
    if not url.isprintable():
        return "it holds a line break or another control character", ENCODE
    if scheme.lower() == "unix" and rest.startswith("/"):
        return FINE
    login, _, place = rest.rpartition("@")
    if RESERVED & set(login):
        return "a character of its user or password must be percent-encoded", ENCODE
    return FINE if scheme.lower() == "unix" else _place(place)


def _scheme(url: str, scheme: str) -> tuple[str, str] | None:
    if scheme in SCHEMES:
        return None
    if "sentinel" in scheme:
        return "Redis Sentinel is not supported yet", "set redis.url to the address of the master"
    if "cluster" in scheme:
        return "Redis Cluster is not supported", "set redis.url to a Redis that is no cluster"
    return "it begins with neither redis://, rediss:// nor unix://", _scheme_hint(url, scheme)


def _scheme_hint(url: str, scheme: str) -> str:
    if url[0] in "\"'":
        return "leave out the quotation marks: --env-file of docker keeps them"
    return "write redis://" if scheme == "valkey" else "such as redis://:password@host:6379/0"


def _place(place: str) -> tuple[str, str]:
    if "," in place:
        return "it names several servers", "name one: Redis Sentinel and Cluster are not supported yet"
    found = PLACE.fullmatch(place)
    if found is None:
        return "its host cannot be read", "such as redis://:password@host:6379/0"
    port = found["port"]
    if not port or (port.isascii() and port.isdigit() and 0 < int(port) < PORTS):
        return FINE
    if place.count(":") > 1 and "[" not in place:
        return "an IPv6 address stands in brackets", "such as redis://[::1]:6379/0"
    return "its port is no number from 1 to 65535", ENCODE
