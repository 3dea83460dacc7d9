"""Limits the time of a whole answer of the engine.

A read timeout restarts with each byte. So an engine at another host that answers a byte at a time, in the
header or in the body, would hold a thread of HemoStat forever.
"""

import io
import socket
from http.client import HTTPResponse
from time import monotonic
from typing import Any, Final

from requests import Response
from requests.adapters import BaseAdapter, HTTPAdapter

from hemostat.adapters.docker_engine.answers import MAX_LIST_BYTES

TIMEOUT_FACTOR: Final = 2.0
"""A whole answer may take this many times the timeout of the request, which limits each silence."""
MIN_BYTES_PER_SECOND: Final = 4 << 20
"""An answer may take a second more for this many bytes of its body: labels of any container can make a list
long."""


class _TimedReader(io.RawIOBase):
    """Reads from a socket until the deadline, which follows from the socket's timeout."""

    def __init__(self, source: io.RawIOBase, sock: socket.socket) -> None:
        self._source = source
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._deadline = None if self._timeout is None else monotonic() + TIMEOUT_FACTOR * self._timeout
        self.counted_bytes = 0
        """How many more bytes prolong the answer."""

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._source.fileno()

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline is not None and self._timeout is not None:
            seconds_left = self._deadline - monotonic()
            if seconds_left <= 0:
                raise TimeoutError("the response does not end")
            if seconds_left < self._timeout:
                self._sock.settimeout(seconds_left)
        count = self._source.readinto(buffer)
        counted = min(count or 0, self.counted_bytes)
        if self._deadline is not None:
            self._deadline += counted / MIN_BYTES_PER_SECOND
        self.counted_bytes -= counted
        return count

    def end_deadline(self) -> None:
        """Limit only each silence from now on."""
        self._deadline = None
        self._sock.settimeout(self._timeout)

    def close(self) -> None:
        self._source.close()
        super().close()


class _TimedAnswer(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.timed_reader = _TimedReader(self.fp.detach(), sock)
        self.fp = io.BufferedReader(self.timed_reader)

    def begin(self) -> None:
        super().begin()
        self.timed_reader.counted_bytes = MAX_LIST_BYTES


def limit_answers(adapter: BaseAdapter) -> None:
    """Limit the time of all answers that arrive through this adapter."""
    if not isinstance(adapter, HTTPAdapter):
        return
    find_pool = adapter.get_connection_with_tls_context

    def find_limited_pool(*args: Any, **kwargs: Any) -> Any:
        pool: Any = find_pool(*args, **kwargs)
        if "_new_conn" not in vars(pool):
            make_connection = pool._new_conn  # noqa: SLF001 - the pools of the SDK and of urllib3 have no common class for this

            def make_limited_connection() -> Any:
                connection = make_connection()
                connection.response_class = _TimedAnswer
                return connection

            pool._new_conn = make_limited_connection  # noqa: SLF001 - as above
        return pool

    adapter.get_connection_with_tls_context = find_limited_pool  # type: ignore[method-assign]  # for all classes of the SDK


def end_deadline(response: Response) -> None:
    """The rest of a stream may take any time."""
    answer = getattr(response.raw, "_original_response", None)
    if isinstance(answer, _TimedAnswer):
        answer.timed_reader.end_deadline()
