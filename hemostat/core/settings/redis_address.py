"""Checks `redis.url` before a connection is made. A misread URL would lead to a wrong host, and put the
password into that host's error message."""

import re
from typing import Final

SCHEMES: Final = ("redis", "rediss", "unix")
RESERVED_CHARACTERS: Final = frozenset("/?#[]")
"""Characters that end the login of a URL or make it unreadable. All others are read literally."""
HOST_PATTERN: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:/?#\[\]]*)(?::(?P<port>[^/?#]*))?(?:/[^?#]*)?(?:\?[^#]*)?"
)
PORT_LIMIT: Final = 1 << 16
NO_MISTAKE: Final = ("", "")
ENCODE_HINT: Final = (
    "write %23 for #, %2F for /, %3F for ?, %5B for [, %5D for ], %40 for @, %25 for %;"
    " or put the password into a file: redis.password_file"
)


def find_mistake(url: str) -> tuple[str, str]:
    """The mistake in the URL, and a hint; both empty if the URL is valid. The URL is never quoted."""
    scheme, separator, rest = url.partition("://")
    if not url:
        return NO_MISTAKE
    if wrong := _check_scheme(url, scheme.lower() if separator else ""):
        return wrong
    if not url.isprintable():
        return "it contains a line break or another control character", ENCODE_HINT
    if scheme.lower() == "unix" and rest.startswith("/"):
        return NO_MISTAKE
    login, _, location = rest.rpartition("@")
    if RESERVED_CHARACTERS & set(login):
        return "a character of its user or password must be percent-encoded", ENCODE_HINT
    return NO_MISTAKE if scheme.lower() == "unix" else _check_host(location)


def _check_scheme(url: str, scheme: str) -> tuple[str, str] | None:
    if scheme in SCHEMES:
        return None
    if "sentinel" in scheme:
        return "Redis Sentinel is not supported yet", "set redis.url to the address of the primary"
    if "cluster" in scheme:
        return "Redis Cluster is not supported", "set redis.url to a Redis without cluster mode"
    return "it does not start with redis://, rediss:// or unix://", _get_scheme_hint(url, scheme)


def _get_scheme_hint(url: str, scheme: str) -> str:
    if url[0] in "\"'":
        return "remove the quotation marks: docker --env-file does not strip them"
    return "use redis://" if scheme == "valkey" else "such as redis://:password@host:6379/0"


def _check_host(location: str) -> tuple[str, str]:
    if "," in location:
        return "it names several servers", "name one: Redis Sentinel and Cluster are not supported yet"
    match = HOST_PATTERN.fullmatch(location)
    if match is None:
        return "its host is unreadable", "such as redis://:password@host:6379/0"
    port = match["port"]
    if not port or (port.isascii() and port.isdigit() and 0 < int(port) < PORT_LIMIT):
        return NO_MISTAKE
    if location.count(":") > 1 and "[" not in location:
        return "an IPv6 address needs brackets", "such as redis://[::1]:6379/0"
    return "its port is not a number from 1 to 65535", ENCODE_HINT
