"""Answers of web services, read for a bounded time and up to a bounded size. Redirects are not followed.

A read timeout begins again with each byte: a header that comes byte by byte, or answers of 100 without end,
would hold the thread of a channel for good, and an endless body would fill the memory. Apprise's plugins make
requests of their own, so the bound belongs to the block in which they are made, and not to a session. Outside
of such a block nothing is bounded: the engine's streams end when the engine ends them.
"""

import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPException, HTTPResponse
from time import monotonic
from typing import Any, Final

from urllib3.connection import HTTPConnection

ANSWER_SECONDS: Final = 10.0
"""For all answers of one block."""
MAX_ANSWER_BYTES: Final = 1 << 20
MAX_COMPRESSED_BYTES: Final = 64 << 10
"""Of an answer that is compressed: each byte of gzip stands for 1,032 at most."""
COMPRESSIONS: Final = frozenset({"gzip", "x-gzip", "deflate"})
REDIRECTS: Final = range(300, 400)

_DEADLINE: Final[ContextVar[float | None]] = ContextVar("answer_deadline", default=None)


@contextmanager
def bounded_answers() -> Iterator[None]:
    """Bound what this thread reads. An answer beyond the bound fails like one that does not come, and a
    redirect is an answer like any other."""
    token = _DEADLINE.set(monotonic() + ANSWER_SECONDS)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


class _BoundedReader(io.RawIOBase):
    """What comes from the socket, until `deadline` (monotonic) and up to `left` bytes."""

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
            raise TimeoutError("the answer does not end")
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
            raise HTTPException("the answer is compressed in a way that was not asked for")


HTTPConnection.response_class = _Answer
