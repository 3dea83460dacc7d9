"""The address of an engine that is reached by ssh: ssh://[USER@]HOST[:PORT][/PATH/OF/THE/SOCKET].

Its parts become arguments of the command `ssh`. So each has only characters that neither ssh nor a shell
interprets, and none begins like an option.
"""

import re
from typing import Final, NamedTuple

from hemostat.core.settings.local_address import is_loopback

SCHEME: Final = "ssh://"
DEFAULT_SOCKET: Final = "/var/run/docker.sock"
USER_PATTERN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+\\-]*")
HOST_PATTERN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\]")
SOCKET_PATTERN: Final = re.compile(r"(/[A-Za-z0-9_.@+,=-]+)+")
MAX_SOCKET_CHARACTERS: Final = 107
"""The kernel's limit for the path of a socket."""
PORT_LIMIT: Final = 1 << 16


class SshAddress(NamedTuple):
    """`host` may be a name of ssh's own configuration. `user` is empty and `port` 0 where ssh decides."""

    host: str
    user: str = ""
    port: int = 0
    socket: str = DEFAULT_SOCKET

    @property
    def destination(self) -> tuple[str, ...]:
        """The arguments of `ssh` that name host, user and port."""
        user = ("-l", self.user) if self.user else ()
        port = ("-p", str(self.port)) if self.port else ()
        return (*user, *port, "--", self.host)

    @property
    def command(self) -> str:
        """The command that a person would enter to log in."""
        port = f"-p {self.port} " if self.port else ""
        user = f"{self.user}@" if self.user else ""
        return f"ssh {port}{user}{self.host}"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        user, port = self.user and f"{self.user}@", f":{self.port}" if self.port else ""
        path = "" if self.socket == DEFAULT_SOCKET else self.socket
        return f"{SCHEME}{user}{host}{port}{path}"


def is_ssh(url: str) -> bool:
    return url.lower().startswith(SCHEME)


def parse_ssh_address(url: str) -> SshAddress:
    """Raises ValueError, which does not quote the address: it may contain a password."""
    location, slash, path = url[len(SCHEME) :].partition("/")
    user, at, place = location.rpartition("@")
    host, port = _split_port(place)
    if not HOST_PATTERN.fullmatch(host):
        raise ValueError("its host is missing or unreadable, as in ssh://user@host:22")
    if at and not USER_PATTERN.fullmatch(user):
        raise ValueError("its user is unreadable; a password is not possible: ssh needs a key or an agent")
    socket = f"{slash}{path}" if path else DEFAULT_SOCKET
    if not SOCKET_PATTERN.fullmatch(socket) or len(socket) > MAX_SOCKET_CHARACTERS:
        raise ValueError("the path after its host is not that of a socket, as in /run/podman/podman.sock")
    return SshAddress(host.strip("[]"), user, port, socket)


def _split_port(place: str) -> tuple[str, int]:
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):
        return place, 0
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < PORT_LIMIT):
        raise ValueError(f"its port is not a number from 1 to {PORT_LIMIT - 1}")
    return host, int(port)


def find_remote_host(url: str) -> str:
    """The host of an address for ssh. Empty for this machine's own, for every other address, and for an
    unreadable one."""
    try:
        host = parse_ssh_address(url).host if is_ssh(url) else ""
    except ValueError:
        return ""
    return "" if is_loopback(f"[{host}]" if ":" in host else host) else host
