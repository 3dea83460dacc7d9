"""Uses the IPv4 address for the name localhost.

The name has two addresses on most machines, and clients try ::1 first. Many services listen on 127.0.0.1
alone: then any local user can listen on ::1 at the same port, and would get the passwords and the data.
"""

import re
from typing import Final

LOCALHOST: Final = "127.0.0.1"
ENCRYPTED_SCHEMES: Final = frozenset({"https", "rediss"})
"""The name stays: the certificate names it, and no other user has the certificate's key."""
NAME_PATTERN: Final = re.compile(r"(?P<login>[^/?#]*@)?localhost(?=[:/?#]|$)", re.IGNORECASE)


def use_ipv4_localhost(url: str) -> str:
    """The URL with 127.0.0.1 in place of localhost. Other hosts and encrypted schemes are unchanged."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() in ENCRYPTED_SCHEMES:
        return url
    if match := NAME_PATTERN.match(rest):
        rest = f"{match['login'] or ''}{LOCALHOST}{rest[match.end() :]}"
    return f"{scheme}://{rest}"
