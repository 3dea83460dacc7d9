"""Exchanges a few commands with Redis within a short time, without the client library.

The import of the client library takes longer than shell completion may. Nothing is retried, and a server that
does not answer in time is given up.
"""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

from hemostat.core.settings.local_address import use_ipv4_localhost
from hemostat.errors import BusError, BusUnreachableError

MAX_REPLY_BYTES: Final = 8 << 20
"""Bytes of all replies of one connection. A longer list is not worth waiting for."""
MAX_SOCKET_PATH_BYTES: Final = 100
DEFAULT_PORT: Final = 6379
READ_BYTES: Final = 1 << 16

Command = tuple[str | bytes | int | float, ...]


class Server(NamedTuple):
    """Address and login of a Redis. `path`: of its unix socket, instead of a host."""

    path: str = ""
    host: str = ""
    port: int = DEFAULT_PORT
    database: int = 0
    username: str = ""
    password: str = ""
    is_encrypted: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


def parse_server(
    url: str,
    *,
    username: str = "",
    password: str = "",
    ca_file: str = "",
    cert_file: str = "",
    key_file: str = "",
) -> Server:
    """The server of a redis://, rediss:// or unix:// URL. A login in the URL takes precedence.

    Raises ValueError.

    Options of the URL that relax the check of a certificate have no effect here.
    """
    parts = urlsplit(use_ipv4_localhost(url))
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    is_local = parts.scheme == "unix"
    database = query.get("db") or ("" if is_local else parts.path.strip("/")) or "0"
    return Server(
        path=unquote(parts.path) if is_local else "",
        host=unquote(parts.hostname or "localhost"),
        port=parts.port or DEFAULT_PORT,
        database=int(database),
        username=unquote(parts.username or "") or query.get("username", "") or username,
        password=unquote(parts.password or "") or query.get("password", "") or password,
        is_encrypted=parts.scheme == "rediss",
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
    )


class BriefConnection:
    """A connection that ends `seconds` after it was opened. Raises BusError and BusUnreachableError."""

    def __init__(self, server: Server, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._reader = hiredis.Reader()
        self._received = 0
        with self._translate_errors():
            self._socket = _connect(server, seconds)
        try:
            self._log_in(server)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to the commands, sent at once. A refused command has a ReplyError as its reply."""
        with self._translate_errors():
            if commands:
                self._set_timeout()
                self._socket.sendall(b"".join(map(_pack, commands)))
            return [self._read_reply() for _ in commands]

    def close(self) -> None:
        self._socket.close()

    def _log_in(self, server: Server) -> None:
        for reply in self.exchange(_list_logins(server)):
            if isinstance(reply, hiredis.ReplyError):
                raise BusError(f"Redis refuses the login: {reply}")

    def _read_reply(self) -> Any:
        while (reply := self._reader.gets()) is False:
            self._set_timeout()
            data = self._socket.recv(READ_BYTES)
            self._received += len(data)
            if not data or self._received > MAX_REPLY_BYTES:
                raise ConnectionAbortedError("the reply has no end")
            self._reader.feed(data)
        return reply

    def _set_timeout(self) -> None:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("no answer in time")
        self._socket.settimeout(seconds)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, hiredis.HiredisError) as error:
            raise BusUnreachableError(f"Redis does not answer: {error}") from None


def _pack(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]
    return packed


def _list_logins(server: Server) -> list[Command]:
    login: list[Command] = []
    if server.username:
        login.append(("AUTH", server.username, server.password))
    elif server.password:
        login.append(("AUTH", server.password))
    return [*login, *([("SELECT", server.database)] if server.database else [])]


def _connect(server: Server, seconds: float) -> socket.socket:
    if server.path:
        return _connect_locally(Path(server.path), seconds)
    connection = socket.create_connection((server.host, server.port), seconds)
    return _encrypt(connection, server) if server.is_encrypted else connection


def _connect_locally(path: Path, seconds: float) -> socket.socket:
    """A path that is longer than the kernel accepts is reached through a descriptor of its directory."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(seconds)
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
            connection.connect(str(path))
            return connection
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)
    except BaseException:
        connection.close()
        raise
    return connection


def _encrypt(connection: socket.socket, server: Server) -> socket.socket:
    import ssl

    try:
        context = ssl.create_default_context(cafile=server.ca_file or None)
        if server.cert_file:
            context.load_cert_chain(server.cert_file, server.key_file or None)
        return context.wrap_socket(connection, server_hostname=server.host)
    except BaseException:
        connection.close()
        raise
