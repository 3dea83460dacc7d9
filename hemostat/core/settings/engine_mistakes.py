"""Finds mistakes in the configuration table `engines`."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from hemostat.core.settings.engines import EngineAddress
from hemostat.core.settings.ssh_address import is_ssh, parse_ssh_address

NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""A name becomes part of keys in Redis and of their access patterns."""
MAX_NAME_CHARACTERS: Final = 64
"""The longest name that Linux gives to a host."""
MAX_ENGINES: Final = 50
"""Each engine has two processes of its own."""
MAX_URL_CHARACTERS: Final = 1000
SOCKET_SCHEMES: Final = ("unix", "http+unix")
NETWORK_SCHEMES: Final = ("tcp", "http", "https")
UNKNOWN_SCHEME_TEXT: Final = "its URL begins with none of unix://, tcp:// and ssh://"


def find_engine_mistake(
    engines: Mapping[str, EngineAddress], resolve: Callable[[str], str] = str
) -> tuple[str, str]:
    """Return the first invalid engine and the reason, empty if all are valid. The reason does not quote the
    URL: it may contain a password. `resolve` follows the links of a path."""
    if len(engines) > MAX_ENGINES:
        return "", f"{len(engines)} engines are more than {MAX_ENGINES}"
    seen: dict[str, str] = {}
    for name, address in engines.items():
        if why := next(_find_mistakes(name, address), ""):
            return name, why
        place = _normalize(address.url, resolve)
        if place in seen:
            return name, f"it has the address of {seen[place]}: two monitors would act on the same containers"
        seen[place] = name
    return "", ""


def _find_mistakes(name: str, address: EngineAddress) -> Iterator[str]:
    if not NAME_PATTERN.fullmatch(name):
        yield "is not a name: use letters, digits, . _ and -"
    if len(name) > MAX_NAME_CHARACTERS:
        yield f"its name is longer than {MAX_NAME_CHARACTERS} characters"
    try:
        _check_url(address.url)
    except ValueError as error:
        yield str(error)
    files = [each for each in ("ca_file", "cert_file", "key_file") if getattr(address, each)]
    if files and not address.url.lower().startswith(tuple(f"{each}://" for each in NETWORK_SCHEMES)):
        yield f"{files[0]} is set, but its URL does not use TLS: use tcp://"


def _check_url(url: str) -> None:
    """Raise ValueError for a URL that is not the address of an engine."""
    if not url:
        raise ValueError("has no URL")
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(f"its URL is longer than {MAX_URL_CHARACTERS} characters")
    if not url.isprintable() or " " in url:
        raise ValueError("its URL contains a space or a control character")
    if is_ssh(url):
        parse_ssh_address(url)
        return
    scheme, separator, rest = url.partition("://")
    if separator and scheme.lower() in SOCKET_SCHEMES:
        if not rest.strip("/") or not rest.startswith("/"):
            raise ValueError("its URL has no path of a socket, as in unix:///var/run/docker.sock")
        return
    if not separator or scheme.lower() not in NETWORK_SCHEMES:
        raise ValueError(UNKNOWN_SCHEME_TEXT)
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host:
        raise ValueError("its host or port is missing or unreadable, as in tcp://host:2376")


def _normalize(url: str, resolve: Callable[[str], str]) -> str:
    """Return the same text for URLs that are valid and surely mean the same engine."""
    if is_ssh(url):
        return str(parse_ssh_address(url))
    scheme, _, rest = url.partition("://")
    if scheme.lower() in SOCKET_SCHEMES:
        return f"unix://{resolve(rest)}"
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}{parts.path.rstrip('/')}"
