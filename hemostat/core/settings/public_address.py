"""The public address of a page behind a proxy: its origin and its path prefix."""

import re
from typing import Final, NamedTuple

ADDRESS_PATTERN: Final = re.compile(
    r"(?P<origin>https?://(?P<name>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?)(?P<prefix>(?:/[\w.~-]+)*)/?"
)
DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class PublicAddress(NamedTuple):
    """`origin` is as a browser writes it, `name` is the host's. `prefix` is a path such as /hemostat, or
    empty."""

    origin: str
    name: str
    prefix: str


def parse_public_address(url: str) -> PublicAddress:
    """The parts of the URL. Raises ValueError without the URL in its message, because the URL may contain a
    password."""
    scheme, separator, rest = url.strip().partition("://")
    host, slash, path = rest.partition("/")
    match = ADDRESS_PATTERN.fullmatch(f"{scheme.lower()}{separator}{host.lower()}{slash}{path}")
    if match is None:
        raise ValueError("only scheme, host and path are allowed")
    if any(part in {".", ".."} for part in match["prefix"].split("/")):
        raise ValueError("its path contains ..")
    return PublicAddress(
        match["origin"].removesuffix(DEFAULT_PORTS[scheme.lower()]), match["name"], match["prefix"]
    )
