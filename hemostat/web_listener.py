"""A listening socket that limits its accepted connections, and the log of its web server.

Any client that can reach the port can open connections and send nothing. A process without free descriptors
cannot accept connections, and asyncio logs each attempt.
"""

import logging
import socket
from contextlib import suppress
from typing import Any, Final

from aiohttp.http_exceptions import HttpProcessingError

MAX_CONNECTIONS: Final = 128
"""Maximum number of connections, besides kept ones. A further connection ends the oldest."""


class BoundedListener(socket.socket):
    """Takes the place of the socket `listener`, which is detached."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.family, listener.type, listener.proto, listener.detach())
        self._accepted: dict[int, socket.socket] = {}
        """By descriptor, oldest first."""

    def accept(self) -> tuple[socket.socket, Any]:
        connection, address = super().accept()
        self._accepted.pop(connection.fileno(), None)  # of a connection that has been closed
        self._accepted[connection.fileno()] = connection
        if len(self._accepted) > MAX_CONNECTIONS:
            self._drop_closed()
        if len(self._accepted) > MAX_CONNECTIONS:
            oldest = self._accepted.pop(next(iter(self._accepted)))
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        return connection, address

    def keep(self, descriptor: int) -> None:
        """Exempt the connection of this descriptor from the limit."""
        self._accepted.pop(descriptor, None)

    def _drop_closed(self) -> None:
        self._accepted = {at: each for at, each in self._accepted.items() if each.fileno() == at}


class ClientErrorFilter(logging.Filter):
    """Drops reports of malformed requests and of closed connections. Any client can cause them, and they
    quote the request, with the token."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | ConnectionError)
