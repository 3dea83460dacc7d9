"""Reads the engine's answers up to a limit of bytes.

Labels, processes and logs of any container can make an answer long. A list of containers above the limit is
read row by row, so that long labels of one container do not affect the others.
"""

import logging
import re
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Final, TypeVar

import msgspec
import requests
from requests import Response
from urllib3.exceptions import HTTPError, ReadTimeoutError

from hemostat.adapters.docker_engine.rejections import Rejections
from hemostat.errors import EngineError

MAX_ANSWER_BYTES: Final = 16 << 20
"""Limit of most answers, in bytes. Docker accepts labels of 8 MB."""
MAX_ROW_BYTES: Final = 1 << 20
"""Limit of one container's row in a list that is longer than MAX_ANSWER_BYTES."""
MAX_ROWS_BYTES: Final = 64 << 20
"""Limit of what HemoStat keeps of all rows of such a list: at least 65,536 containers with few labels."""
MIN_ROW_BYTES: Final = 1 << 10
"""What a row counts at least: about the memory that it takes."""
MAX_LIST_BYTES: Final = 4 << 30
"""Limit of such a list, with all labels. An engine at another host may answer without end."""
MAX_VALUES: Final = 1_000_000
"""Limit of the values of an answer. An empty list takes three bytes there and seventy in memory, and no other
thread runs while an answer is decoded."""
MAX_TOP_BYTES: Final = 4 << 20
MAX_LOG_BYTES: Final = 4 << 20
"""Bytes returned from the end of a log."""
MAX_LOG_READ_BYTES: Final = 128 << 20
"""Bytes read of a log, whose last lines may be of any length."""
CHUNK_BYTES: Final = 64 << 10
FRAME_HEADER: Final = struct.Struct(">BxxxL")
"""The header before each piece of output: the stream, and the number of bytes."""

_STRING_REST: Final = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_STRUCTURE: Final = re.compile(rb'["{}\[\]]')

T = TypeVar("T")

logger = logging.getLogger(__name__)


class AnswerTooLongError(EngineError):
    pass


def read_body(response: Response, most: int = MAX_ANSWER_BYTES) -> bytes:
    """The whole body. Raises AnswerTooLongError above `most` bytes."""
    body, rest = _read_ahead(response, most)
    if rest is not None:
        response.close()
        raise AnswerTooLongError(f"the engine's response is larger than {most >> 20} MiB")
    return body


def _read_ahead(response: Response, most: int) -> tuple[bytes, Iterator[bytes] | None]:
    """The bytes read so far, and the remaining chunks if the body is longer than `most` bytes, else None."""
    body, chunks = bytearray(), response.iter_content(CHUNK_BYTES)
    for chunk in chunks:
        body += chunk
        if len(body) > most:
            return bytes(body), chunks
    return bytes(body), None


def decode_answer(raw: bytes, answer_type: type[T]) -> T:
    """The decoded JSON. Raises AnswerTooLongError above MAX_VALUES, and msgspec.DecodeError."""
    require_few_values(raw)
    return msgspec.json.decode(raw, type=answer_type)


def require_few_values(raw: bytes) -> None:
    """Raise AnswerTooLongError above MAX_VALUES."""
    if not has_few_values(raw):
        raise AnswerTooLongError(f"the engine's response has more than {MAX_VALUES:,} values")


def has_few_values(raw: bytes) -> bool:
    return len(raw) <= MAX_VALUES or sum(map(raw.count, (b",", b"[", b"{"))) <= MAX_VALUES


def read_or_rows(
    response: Response, limit: Callable[[Iterable[bytes]], Iterable[bytes]] = iter
) -> bytes | Iterator[bytes]:
    """A JSON array: the whole text up to MAX_ANSWER_BYTES and MAX_VALUES, else its rows, each cut after
    MAX_ROW_BYTES. `limit` returns the chunks of such a list at the pace at which they may be read."""
    body, rest = _read_ahead(response, MAX_ANSWER_BYTES)
    return body if rest is None and has_few_values(body) else split_rows(limit(chain([body], rest or ())))


def split_rows(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The objects of a JSON array. At least MAX_ROW_BYTES are returned of a longer object. Raises
    AnswerTooLongError above MAX_LIST_BYTES."""
    row, scanner, size = bytearray(), _Scanner(), 0
    for chunk in chunks:
        begin = 0
        size += len(chunk)
        if size > MAX_LIST_BYTES:
            raise AnswerTooLongError(f"the engine's list is larger than {MAX_LIST_BYTES >> 30} GiB")
        for end in scanner.find_ends(chunk):
            row += chunk[begin:end] if len(row) <= MAX_ROW_BYTES else b""
            yield bytes(row.lstrip(b"[, \t\r\n"))
            row.clear()
            begin = end
        row += chunk[begin:] if len(row) <= MAX_ROW_BYTES else b""


class _Scanner:
    """Finds the ends of the objects of a JSON array, chunk by chunk."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def find_ends(self, chunk: bytes) -> Iterator[int]:
        position = 0
        while position < len(chunk):
            if self._escaped:
                self._escaped, position = False, position + 1
            elif self._in_string:
                position = self._pass_string(chunk, position)
            elif (match := _STRUCTURE.search(chunk, position)) is None:
                return
            else:
                position = match.end()
                if self._closes_row(match[0]):
                    yield position

    def _pass_string(self, chunk: bytes, position: int) -> int:
        """The position after the string, or after the chunk if the string continues in the next."""
        match = _STRING_REST.match(chunk, position)
        position = position if match is None else match.end()
        self._in_string = chunk[position : position + 1] != b'"'
        self._escaped = self._in_string and position < len(chunk)
        return position + 1

    def _closes_row(self, token: bytes) -> bool:
        if token == b'"':
            self._in_string = True
            return False
        self._depth += 1 if token in {b"{", b"["} else -1
        return token == b"}" and self._depth == 1


def read_arrived(response: Response) -> Iterator[bytes]:
    """The body as it arrives, at most CHUNK_BYTES at once: a chunk may be of any length, and an old proxy may
    remove the chunks."""
    with translate_broken():
        while data := response.raw.read1(CHUNK_BYTES, decode_content=False):
            yield data


@contextmanager
def translate_broken() -> Iterator[None]:
    """Raise the exceptions of requests for those of a read of the raw answer."""
    try:
        yield
    except ReadTimeoutError as error:
        raise requests.ConnectionError(error) from None
    except HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from None


def split_lines(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The lines of a stream. Lines longer than `most` bytes are left out."""
    rejections = Rejections(
        lambda count, error: logger.warning("engine_line.rejected count=%d error=%s", count, error)
    )
    line_start = bytearray()
    size = 0
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            if size + len(end) <= most:
                yield bytes(line_start) + end
            else:
                rejections.note(f"a line of {size + len(end)} bytes")
            line_start.clear()
            size = 0
        size += len(rest)
        if size <= most:
            line_start += rest
        else:
            line_start.clear()
    if size <= most:
        yield bytes(line_start)


def read_log_end(response: Response, *, framed: bool) -> bytes:
    """The end of a log, at most MAX_LOG_BYTES; of a longer one than MAX_LOG_READ_BYTES, the end of these.

    `framed`: the container has no terminal, so its two streams arrive in frames.
    """
    chunks = _read_up_to(response.iter_content(CHUNK_BYTES), MAX_LOG_READ_BYTES)
    pieces: deque[bytes] = deque()
    size = 0
    for piece in _strip_frames(chunks) if framed else chunks:
        pieces.append(piece)
        size += len(piece)
        while size - len(pieces[0]) >= MAX_LOG_BYTES:
            size -= len(pieces.popleft())
    response.close()
    return b"".join(pieces)[-MAX_LOG_BYTES:]


def _read_up_to(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        most -= len(chunk)
        if most <= 0:
            return


def _strip_frames(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces of output without their headers. A long piece is returned in parts."""
    head, bytes_left = b"", 0
    for chunk in chunks:
        data = memoryview(head + chunk)
        head = b""
        while data:
            if not bytes_left and len(data) < FRAME_HEADER.size:
                head = bytes(data)
                break
            if not bytes_left:
                bytes_left, data = (
                    FRAME_HEADER.unpack(data[: FRAME_HEADER.size])[1],
                    data[FRAME_HEADER.size :],
                )
            piece, data = bytes(data[:bytes_left]), data[bytes_left:]
            bytes_left -= len(piece)
            if piece:
                yield piece
