"""Reads a container's log: its end, or as a stream of lines with the engine's times.

A stream may be of any length: nothing of it is kept here, and another thread can end a blocked read.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

import docker
from requests import Response

from hemostat.adapters.docker_engine.answers import read_arrived, read_log_end, translate_broken
from hemostat.adapters.docker_engine.connection import (
    ClientPool,
    find_base_url,
    inspect_container,
    make_opener,
    raise_for_status,
)
from hemostat.adapters.docker_engine.event_stream import OpenSockets
from hemostat.errors import EngineError

CHUNK_BYTES: Final = 64 << 10
MAX_LINE_BYTES: Final = 64 << 10
"""Bytes of a line that are returned."""
MAX_FRAME_BYTES: Final = 1 << 20
"""Limit of a frame. Docker sends 16 KiB with a time at most."""
FRAME_HEADER: Final = struct.Struct(">BxxxL")
"""The header before each piece of output: the stream, and the number of bytes."""
STAMP_LENGTH: Final = 30
"""Bytes of `2026-11-24T00:26:00.123456789Z`."""
STAMP: Final = re.compile(rb"\A(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)(?: |\Z)")
UNKNOWN_STAMP: Final = b"1970-01-01T00:00:00.000000000Z"


def read_log_tail(connection: ClientPool, container: str, tail: int) -> str:
    """The last lines, without times."""
    with connection.lend_client(f"logs of {container}") as client:
        query = urlencode({"stdout": 1, "stderr": 1, "tail": tail})
        with closing(make_opener(client)(f"/containers/{container}/logs", query)) as answer:
            return read_log_end(answer, framed=_is_framed(client, container)).decode(errors="replace")


class DockerLogStream:
    """The lines of a log, to be read once. `close` may be called from another thread."""

    def __init__(
        self, connection: ClientPool, container: str, engine_sockets: OpenSockets, **options: object
    ) -> None:
        """`options` are those of the engine's API; empty ones are left out."""
        self._connection = connection
        self._container = container
        self._sockets = (OpenSockets(), engine_sockets)
        self._is_endless = bool(options.get("follow"))
        given = {key: value for key, value in options.items() if value}
        self._query = urlencode({"stdout": 1, "stderr": 1, "timestamps": 1, **given})

    def __iter__(self) -> Iterator[bytes]:
        with self._connection.lend_client(f"logs of {self._container}") as client:
            framed = _is_framed(client, self._container)
            with closing(self._request(client)) as response, ExitStack() as stack:
                raise_for_status(response)
                for each in self._sockets:
                    stack.enter_context(each.hold(response))
                chunks = _read_chunks(response, is_endless=self._is_endless)
                yield from map(normalize_stamp, join_frames(chunks) if framed else cut_lines(chunks))

    def _request(self, client: docker.APIClient) -> Response:
        url = f"{find_base_url(client)}/containers/{self._container}/logs?{self._query}"
        # A log may be silent for any time. Keep-alive detects an engine that is gone.
        timeout = (client.timeout, None if self._is_endless else client.timeout)
        return client.get(url, stream=True, timeout=timeout)

    def close(self) -> None:
        self._sockets[0].cut()


def _is_framed(client: docker.APIClient, container: str) -> bool:
    """Whether the container has no terminal, so that its two streams arrive in frames."""
    return not inspect_container(make_opener(client), container)["Config"].get("Tty")


def _read_chunks(response: Response, *, is_endless: bool) -> Iterator[bytes]:
    if is_endless:
        yield from read_arrived(response)
        return
    # Many lines at once: the engine sends each line as a chunk, and `iter_content` takes them one by one.
    with translate_broken():
        while chunk := response.raw.read(CHUNK_BYTES):
            yield chunk


def cut_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a terminal, each cut after MAX_LINE_BYTES."""
    line = bytearray()
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line += end[: MAX_LINE_BYTES - len(line)]
            yield bytes(line)
            line.clear()
        line += rest[: MAX_LINE_BYTES - len(line)]
    if line:
        yield bytes(line)


def join_frames(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of both streams. Docker splits a long line, and repeats the time before each part."""
    parts: dict[int, bytes] = {}
    for stream, payload in split_frames(chunks):
        begun = parts.pop(stream, None)
        line = payload if begun is None else begun + STAMP.sub(b"", payload, count=1)
        if payload.endswith(b"\n"):
            yield line[: min(len(line) - 1, MAX_LINE_BYTES)]
        else:
            parts[stream] = line[:MAX_LINE_BYTES]
    yield from parts.values()


def split_frames(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The frames: the stream, and the output. Raises EngineError where the bytes are no frames."""
    data, unpack, head = b"", FRAME_HEADER.unpack_from, FRAME_HEADER.size
    for chunk in chunks:
        data = data + chunk if data else chunk
        at, size = 0, len(data)
        while size - at >= head:
            stream, length = unpack(data, at)
            if length > MAX_FRAME_BYTES:
                raise EngineError("the engine's log is unreadable: a frame is too long")
            end = at + head + length
            if end > size:
                break
            yield stream, data[at + head : end]
            at = end
        data = data[at:]


def normalize_stamp(line: bytes) -> bytes:
    """The line with its time in UTC and with nine digits, as Docker writes it and Podman does not."""
    if line[STAMP_LENGTH - 1 : STAMP_LENGTH + 1] in {b"Z ", b"Z"}:
        return line
    match = STAMP.match(line)
    if match is None:
        return UNKNOWN_STAMP + b" " + line
    moment = datetime.fromisoformat((match[1] + match[3].replace(b"Z", b"+00:00")).decode()).astimezone(UTC)
    digits = (match[2] or b"").decode().ljust(9, "0")
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{digits}Z ".encode() + line[match.end() :]
