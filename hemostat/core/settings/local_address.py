"""Uses the IPv4 address for the name localhost.

The name has two addresses on most machines, and clients try ::1 first. Many services listen on 127.0.0.1
alone: then any local user can listen on ::1 at the same port, and would get the passwords and the data.
"""

from typing import Final
from urllib.parse import unquote

LOCALHOST: Final = "127.0.0.1"
ENCRYPTION_SUFFIX: Final = "s"
"""Ends the schemes of encrypted connections, also of Apprise's services: https, rediss, gotifys. The name
stays: the certificate names it, and no other user has the certificate's key."""
LOCAL_NAMES: Final = frozenset({"localhost", "localhost.localdomain"})
DEFAULT_LOCAL_SCHEME: Final = "redis"
"""A URL of this scheme without a host means localhost."""
UNCHANGED_SCHEMES: Final = frozenset({"mailto"})
"""The host is also the domain of the sender."""


def is_localhost(name: str) -> bool:
    """Whether the name is localhost, in any case, or another name of both its addresses."""
    return name.lower().rstrip(".") in LOCAL_NAMES


def is_loopback(location: str) -> bool:
    """Whether this host, with or without a port, is this machine by an address of its loopback network."""
    from ipaddress import ip_address  # slow to import, and seldom needed

    name = location.rpartition("]")[0].lstrip("[") or location.partition(":")[0]
    try:
        return ip_address(unquote(name)).is_loopback
    except ValueError:
        return is_localhost(name)


def use_ipv4_localhost(url: str) -> str:
    """The URL with 127.0.0.1 in place of localhost. Other hosts and encrypted schemes are unchanged."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    is_encrypted = scheme.endswith(ENCRYPTION_SUFFIX) and scheme != DEFAULT_LOCAL_SCHEME
    if not separator or is_encrypted or scheme in UNCHANGED_SCHEMES:
        return url
    end = min(at for at in (*(rest.find(each) for each in "/?#"), len(rest)) if at >= 0)
    login, at_sign, location = rest[:end].rpartition("@")
    name, colon, port = location.partition(":")
    if is_localhost(unquote(name)) or (not name and scheme == DEFAULT_LOCAL_SCHEME):
        name = LOCALHOST
    return f"{url[: len(scheme)]}://{login}{at_sign}{name}{colon}{port}{rest[end:]}"
