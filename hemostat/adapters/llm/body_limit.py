"""Limits the size and time of answers. Only this module knows httpx2, which both SDKs use."""

import time
from collections.abc import Iterator
from typing import Any, Final

import httpcore2
import httpx2

from hemostat.errors import AdvisorError, AdvisorUnreachableError

GRACE_SECONDS: Final = 1.0
"""Seconds after a body's timeout: the body's own error says more."""
OVERHEAD: Final = 4
"""Bytes that may arrive for each byte of a body's limit."""


class BoundedBody(httpx2.SyncByteStream):
    """A body that raises an error above `largest` bytes, or if incomplete after `timeout` seconds.

    A body that arrives byte by byte never triggers a read timeout, and would block a worker forever.
    """

    def __init__(
        self, body: httpx2.SyncByteStream, service_name: str, largest: int, timeout: float | None
    ) -> None:
        self._body = body
        self._who = service_name
        self._largest = largest
        self._until = None if timeout is None else time.monotonic() + timeout

    def __iter__(self) -> Iterator[bytes]:
        read = 0
        for chunk in self._body:
            read += len(chunk)
            if read > self._largest:
                raise AdvisorError(
                    f"{self._who} answered with more than {self._largest // 1024} KiB",
                    hint="check analyzer.base_url",
                    answered=True,
                )
            if self._until is not None and time.monotonic() > self._until:
                raise AdvisorUnreachableError(
                    f"{self._who} did not complete its response in time", hint="raise analyzer.timeout"
                )
            yield chunk

    def close(self) -> None:
        self._body.close()


def make_bounding_hooks(service_name: str, largest: int) -> dict[str, list[object]]:
    """Hooks of an httpx2 client that limit every body, also of errors, and refuse compressed ones."""

    def replace(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            # A few bytes may expand to very many.
            raise AdvisorError(
                f"{service_name} sent a compressed response, which was not requested",
                hint="check analyzer.base_url",
                answered=True,
            )
        assert isinstance(response.stream, httpx2.SyncByteStream)  # noqa: S101 - the client is synchronous
        timeout = response.request.extensions.get("timeout", {}).get("read")
        response.stream = BoundedBody(response.stream, service_name, largest, timeout)

    return {"response": [replace]}


def bound_connections(client: httpx2.Client, largest: int) -> None:
    """Limit everything besides bodies too: headers, trailing chunks and answers of 100 may be endless.

    They would block an investigation's thread, because the SDK's timeout applies to each read.
    """
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - the client's own proxies
        pool: Any = getattr(transport, "_pool", None)
        if (backend := getattr(pool, "_network_backend", None)) is not None:
            pool._network_backend = _BoundedBackend(backend, OVERHEAD * largest)  # noqa: SLF001


class _BoundedBackend(httpcore2.NetworkBackend):
    def __init__(self, backend: httpcore2.NetworkBackend, largest: int) -> None:
        self._backend = backend
        self._largest = largest

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.NetworkStream:
        return _BoundedStream(self._backend.connect_tcp(*args, **kwargs), self._largest)

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore2.NetworkStream:
        return _BoundedStream(self._backend.connect_unix_socket(*args, **kwargs), self._largest)

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _BoundedStream(httpcore2.NetworkStream):
    """A stream whose reads between two writes share one time limit and one limit of bytes."""

    def __init__(self, stream: httpcore2.NetworkStream, largest: int) -> None:
        self._stream = stream
        self._largest = self._left = largest
        self._until: float | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        now = time.monotonic()
        if self._until is None and timeout is not None:
            self._until = now + timeout + GRACE_SECONDS
        if self._left <= 0:
            raise httpcore2.ReadError("the response does not end")
        if self._until is not None:
            if now >= self._until:
                raise httpcore2.ReadTimeout("the response does not end")
            timeout = min(timeout or self._until - now, self._until - now)
        data = self._stream.read(max_bytes, timeout)
        self._left -= len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._until, self._left = None, self._largest
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore2.NetworkStream:
        return _BoundedStream(self._stream.start_tls(*args, **kwargs), self._largest)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
