"""A web server whose answer never ends."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@contextmanager
def serve_endlessly(
    head: bytes, again: bytes, pause: float = 0.0, *, speaks_first: bool = False
) -> Iterator[str]:
    """A web server, or a mail server, which speaks first. It sends `head` and then `again` until the client
    disconnects. Yields its host and port."""

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if not speaks_first:
                connection.recv(65536)
            connection.sendall(head)
            while True:
                connection.sendall(again)
                time.sleep(pause)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


HEADERS = (HEAD + b"X-Slow: ", b"a", 0.05)
GREETING = (b"", b"220-%s\r\n" % (b"a" * 500) * 200, 0.0)
GREETING_BY_BYTES = (b"", b"2", 0.05)
CONTINUES = (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.0)
