"""Finds who can reach a Redis: its addresses, whether it requires a password, and the local user that runs
it.
"""

import pwd
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import msgspec
import redis

from hemostat.adapters.redis.client import Client

DEFAULT_PORT: Final = 6379
TCP_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LISTENING_STATE: Final = "0A"
"""TCP_LISTEN of the kernel."""
CREDENTIALS_FORMAT: Final = struct.Struct("3i")
"""Process, user and group at the other end of a unix socket."""
LOCALHOST: Final = "127.0.0.1"
PROBE_SECONDS: Final = 0.5
GREETINGS: Final = (b"+PONG", b"-NOAUTH", b"-DENIED", b"-LOADING", b"-MASTERDOWN")
"""Beginnings of Redis's answer to PING, with or without a password."""


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How a Redis can be reached. None: unknown from here."""

    is_open: bool | None = None
    """Whether Redis serves a client without a password."""
    is_encrypted: bool = False
    addresses: tuple[str, ...] | None = None
    """Addresses that Redis listens on. Empty if it listens only on a unix socket."""
    uid: int | None = None
    """The user of the listening process, if it is on this machine."""
    open_directory: str = ""
    """The unix socket's directory, if every user may put another socket there while Redis is stopped."""
    socket_mode: int | None = None
    """The mode of the unix socket, if every user can reach its directory."""


def read_reach(client: Client) -> Reach:
    options = client.raw.connection_pool.connection_kwargs
    path, port = options.get("path"), options.get("port", DEFAULT_PORT)
    is_local = bool(path) or _is_loopback(str(options.get("host", LOCALHOST)))
    return Reach(
        is_open=_is_open(client),
        is_encrypted=client.url.startswith("rediss:"),
        addresses=_read_addresses(client),
        uid=(_find_peer_uid(path) if path else find_listener(int(port))) if is_local else None,
        open_directory=_find_open_directory(Path(path)) if path else "",
        socket_mode=_find_open_mode(Path(path)) if path else None,
    )


def find_local_owner() -> str:
    """The user who runs a Redis on localhost at the default port.

    Empty if no server answers. Only PING is sent.
    """
    with (
        suppress(OSError),
        closing(socket.create_connection((LOCALHOST, DEFAULT_PORT), PROBE_SECONDS)) as connection,
    ):
        connection.sendall(b"PING\r\n")
        if connection.recv(64).startswith(GREETINGS):
            uid = find_listener(DEFAULT_PORT)
            return "an unknown user" if uid is None else name_user(uid)
    return ""


def name_user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


def find_listener(port: int) -> int | None:
    """The user who listens on this TCP port of the local host. None if unknown."""
    return next((uid for at, uid in _list_listeners() if at == port), None)


def _list_listeners() -> Iterator[tuple[int, int]]:
    for table in TCP_TABLES:
        with suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING_STATE:
                    yield int(fields[1].rpartition(":")[2], 16), int(fields[7])


def _is_open(client: Client) -> bool | None:
    pool: Any = client.raw.connection_pool
    secret = {"username", "password", "credential_provider", "db"}
    options = {name: value for name, value in pool.connection_kwargs.items() if name not in secret}
    connection = pool.connection_class(**options)
    try:
        connection.connect()
        connection.send_command("GET", "hemostat:doctor")
        connection.read_response()
    except redis.ResponseError:
        return False
    except redis.RedisError as error:
        return False if isinstance(error, redis.AuthenticationError) else None
    finally:
        connection.disconnect()
    return True


def _read_addresses(client: Client) -> tuple[str, ...] | None:
    raw: Any = client.raw
    try:
        config = raw.config_get("*")
    except redis.RedisError:
        return None
    if config.get("port") == "0" and config.get("tls-port", "0") == "0":
        return ()
    return tuple(each.lstrip("-") for each in config.get("bind", "").split()) or ("*",)


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _find_peer_uid(path: str) -> int | None:
    with suppress(OSError), closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(PROBE_SECONDS)
        connection.connect(path)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS_FORMAT.size)
        return int(CREDENTIALS_FORMAT.unpack(credentials)[1])
    return None


def _find_open_directory(socket_path: Path) -> str:
    with suppress(OSError):
        if socket_path.parent.stat().st_mode & stat.S_IWOTH:
            return str(socket_path.parent)
    return ""


def _find_open_mode(path: Path) -> int | None:
    try:
        mode = path.stat().st_mode
        parents = [each.stat().st_mode for each in path.resolve().parents]
    except OSError:
        return None
    is_reached = all(each & stat.S_IXOTH for each in parents)
    return stat.S_IMODE(mode) if is_reached else None
