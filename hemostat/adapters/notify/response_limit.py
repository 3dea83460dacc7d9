"""Reads answers of web services and mail servers for a bounded time and up to a bounded size, without
following redirects.

A read timeout restarts with each byte. So a header that arrives byte by byte, or endless answers of 100,
would block a channel's thread forever, and an endless body would fill the memory. Apprise's plugins make
their own requests, so the limit applies to the block that makes them and not to a session. Outside such a
block nothing is bounded: the engine's streams end when the engine ends them.
"""

import io
import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPException, HTTPResponse
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection

from hemostat.core.settings.local_address import LOCALHOST

ANSWER_SECONDS: Final = 10.0
"""Seconds for all answers of one block."""
MAX_ANSWER_BYTES: Final = 1 << 20
MAX_COMPRESSED_BYTES: Final = 64 << 10
"""Bytes of a compressed answer: each byte of gzip expands to at most 1,032."""
COMPRESSIONS: Final = frozenset({"gzip", "x-gzip", "deflate"})
REDIRECTS: Final = range(300, 400)

_DEADLINE: Final[ContextVar[float | None]] = ContextVar("answer_deadline", default=None)


def choose_proxies(url: str) -> dict[str, str] | None:
    """The `proxies` of a request: none for this machine, None for those of the environment. NO_PROXY may name
    localhost alone, which HemoStat replaces by its address."""
    return {"no_proxy": LOCALHOST} if urlsplit(url).hostname == LOCALHOST else None


@contextmanager
def bounded_answers() -> Iterator[None]:
    """Limit what this thread reads.

    An answer beyond the limit fails like a missing one. A redirect counts as an ordinary answer.
    """
    token = _DEADLINE.set(monotonic() + ANSWER_SECONDS)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


class _BoundedReader(io.RawIOBase):
    """Reads from the socket until `deadline` (monotonic) and up to `left` bytes."""

    def __init__(self, source: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._source = source
        self._sock = sock
        self._deadline = deadline
        self.left = MAX_ANSWER_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        seconds = self._deadline - monotonic()
        if seconds <= 0 or self.left <= 0:
            raise TimeoutError("the response does not end")
        timeout = self._sock.gettimeout()
        self._sock.settimeout(seconds if timeout is None else min(seconds, timeout))
        count = self._source.readinto(buffer)
        self.left -= count or 0
        return count

    def close(self) -> None:
        self._source.close()
        super().close()


class _Answer(HTTPResponse):
    _reader: _BoundedReader | None = None

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if (deadline := _DEADLINE.get()) is not None:
            self._reader = _BoundedReader(self.fp.detach(), sock, deadline)
            self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        super().begin()
        if self._reader is None:
            return
        if self.status in REDIRECTS:
            del self.headers["Location"]
        compression = self.headers.get("Content-Encoding", "identity").strip().lower()
        if compression in COMPRESSIONS:
            self._reader.left = min(self._reader.left, MAX_COMPRESSED_BYTES)
        elif compression != "identity":
            self.close()
            raise HTTPException("the response has a compression that was not requested")


HTTPConnection.response_class = _Answer


_read_reply = smtplib.SMTP.getreply


def _read_bounded_reply(client: smtplib.SMTP) -> tuple[int, bytes]:
    """Read a reply of a mail server, whose lines may be endless. The connection has a new file after
    STARTTLS."""
    deadline, sock = _DEADLINE.get(), client.sock
    if client.file is None and deadline is not None and sock is not None:
        client.file = io.BufferedReader(_BoundedReader(sock.makefile("rb", buffering=0), sock, deadline))
    return _read_reply(client)


smtplib.SMTP.getreply = _read_bounded_reply  # type: ignore[assignment]
