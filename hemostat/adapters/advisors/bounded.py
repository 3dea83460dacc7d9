"""The body of an answer, as far as it is read. The only place that knows httpx2, on which both SDKs stand."""

import time
from collections.abc import Iterator

import httpx2

from hemostat.errors import AdvisorError, AdvisorUnreachableError


class Bounded(httpx2.SyncByteStream):
    """A body that ends in an error when it grows beyond `largest` bytes, or is not complete within `timeout`
    seconds: one that comes a byte at a time never lets a read time out, and would hold a worker for ever."""

    def __init__(self, body: httpx2.SyncByteStream, who: str, largest: int, timeout: float | None) -> None:
        self._body = body
        self._who = who
        self._largest = largest
        self._until = None if timeout is None else time.monotonic() + timeout

    def __iter__(self) -> Iterator[bytes]:
        read = 0
        for chunk in self._body:
            read += len(chunk)
            if read > self._largest:
                raise AdvisorError(
                    f"{self._who} answered with more than {self._largest // 1024} KiB, which is no answer",
                    hint="check analyzer.base_url",
                    answered=True,
                )
            if self._until is not None and time.monotonic() > self._until:
                raise AdvisorUnreachableError(
                    f"{self._who} began to answer and did not finish in time", hint="raise analyzer.timeout"
                )
            yield chunk

    def close(self) -> None:
        self._body.close()


def bound(who: str, largest: int) -> dict[str, list[object]]:
    """Hooks of an httpx2 client that bound every body, an error's too; none may be compressed."""

    def replace(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            # Few bytes may stand for very many.
            raise AdvisorError(
                f"{who} answered compressed, unasked", hint="check analyzer.base_url", answered=True
            )
        assert isinstance(response.stream, httpx2.SyncByteStream)  # noqa: S101 - the client is no other
        timeout = response.request.extensions.get("timeout", {}).get("read")
        response.stream = Bounded(response.stream, who, largest, timeout)

    return {"response": [replace]}
