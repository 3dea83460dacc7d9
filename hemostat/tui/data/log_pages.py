"""Reads a log in pages, backwards and forwards.

An engine takes lines from the end of a log quickly (`tail`), but counts them from the present end, and cannot
page backwards from a time. So a page is read from the end, with as many lines as are known to follow, up to
the line where the known part begins. The rest of the answer is not read. Memory is bounded by the page.
"""

import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import msgspec

from hemostat.errors import EngineError
from hemostat.ports import EngineReader, LogStream
from hemostat.tui.data.log_lines import (
    CONTEXT_LINES,
    LOOKAHEAD_LINES,
    STAMP_LENGTH,
    LogLine,
    mask_lines,
    parse_stamp,
)

PAGE_LINES: Final = 1000
MAX_PAGE_BYTES: Final = 2 << 20
"""Bytes of a page, with lines of any length."""
MAX_TAIL_LINES: Final = 1 << 30
"""Lines from the end of a log after which there are no older ones. A log that is rotated always begins with
another line."""
MAX_DISORDER: Final = timedelta(seconds=1)
"""Two streams of a container may be out of order by this."""


class StoppedError(Exception):
    """The user stopped the reading."""


class LogAccess:
    """Opens the log of one container, and can be stopped from another thread."""

    def __init__(self, engine: EngineReader, container: str) -> None:
        self._engine = engine
        self._container = container
        self._stream: LogStream | None = None
        self.stopped = threading.Event()
        self.heard_at = time.monotonic()
        """When the last line came (monotonic seconds)."""

    def stop(self) -> None:
        self.stopped.set()
        if self._stream is not None:
            self._stream.close()

    @contextmanager
    def open_lines(self, **options: object) -> Iterator[Iterator[bytes]]:
        """The lines. Raises StoppedError after a stop."""
        self._stream = self._engine.open_log(self._container, **options)  # type: ignore[arg-type]
        try:
            with closing(self._read(self._stream)) as lines:
                yield lines
        except EngineError:
            if self.stopped.is_set():
                raise StoppedError from None
            raise
        finally:
            self._stream = None

    def _read(self, stream: LogStream) -> Generator[bytes, None, None]:
        lines = iter(stream)
        try:
            for line in lines:
                if self.stopped.is_set():
                    raise StoppedError
                self.heard_at = time.monotonic()
                yield line
        finally:
            close = getattr(lines, "close", None)
            if close is not None:
                close()
        if self.stopped.is_set():
            raise StoppedError


class RawPage(msgspec.Struct):
    """Lines as read, oldest first. `before` and `after` are some of the lines before and after them. `depth`:
    how many lines there were from the first one to the end of the log, at most; 0 if unknown."""

    lines: list[bytes]
    before: list[bytes]
    after: list[bytes] = []
    depth: int = 0
    at_start: bool = False
    at_end: bool = False

    def mask(self, source: int) -> list[LogLine]:
        return mask_lines(self.lines, self.before, self.after, source=source)


class _Tail:
    """The last lines of what is added, bounded in lines and bytes."""

    def __init__(self, count: int) -> None:
        self.lines: deque[bytes] = deque()
        self.added_count = 0
        self.after: list[bytes] = []
        """The first lines that were not added."""
        self._count = count
        self._size = 0

    def add(self, line: bytes) -> None:
        self.lines.append(line)
        self.added_count += 1
        self._size += len(line)
        while len(self.lines) > self._count or (self._size > MAX_PAGE_BYTES and len(self.lines) > 1):
            self._size -= len(self.lines.popleft())


def read_before(access: LogAccess, stamp: str, depth: int, count: int = PAGE_LINES) -> RawPage:
    """The lines before the one at this time. `depth`: how many lines are known to follow."""
    tail, first = depth + count + CONTEXT_LINES, b""
    while True:
        tail_lines = _Tail(count + CONTEXT_LINES)
        with access.open_lines(tail=tail) as lines:
            head = _collect_until(lines, stamp, tail_lines)
        is_start = head == first or tail > MAX_TAIL_LINES
        if is_start or tail_lines.added_count >= count:
            return _cut_context(
                tail_lines, tail, count, is_start=is_start and tail_lines.added_count == len(tail_lines.lines)
            )
        tail, first = 2 * tail, head


def _cut_context(tail_lines: _Tail, tail: int, count: int, *, is_start: bool) -> RawPage:
    lines = list(tail_lines.lines)
    cut = (
        0
        if is_start and len(lines) <= count
        else max(len(lines) - count, min(CONTEXT_LINES, len(lines) // 2))
    )
    return RawPage(
        lines[cut:],
        lines[:cut],
        tail_lines.after,
        depth=max(1, tail - (tail_lines.added_count - len(lines)) - cut),
        at_start=is_start and cut == 0,
    )


def _collect_until(lines: Iterator[bytes], stamp: str, tail_lines: _Tail) -> bytes:
    """Collect the lines up to the one at this time. Returns the first line's time, empty without a line."""
    end, late = stamp.encode(), add_delay(stamp)
    head = b""
    for line in lines:
        at = line[:STAMP_LENGTH]
        head = head or at
        if at == end or at > late:
            tail_lines.after = [line, *islice(lines, LOOKAHEAD_LINES - 1)]
            break
        tail_lines.add(line)
    return head


def add_delay(stamp: str) -> bytes:
    """A time after which no line before this time follows."""
    moment = datetime.fromisoformat(stamp[:19]) + MAX_DISORDER
    return f"{moment:%Y-%m-%dT%H:%M:%S}{stamp[19:]}".encode()


def read_start(access: LogAccess, count: int = PAGE_LINES) -> RawPage:
    """The oldest lines that the engine has."""
    with access.open_lines() as lines:
        page, after = _take(lines, count)
    return RawPage(page, [], after, at_start=True, at_end=not after)


def read_after(access: LogAccess, stamp: str, count: int = PAGE_LINES) -> RawPage:
    """The lines after the one at this time."""
    with access.open_lines(since=int(parse_stamp(stamp))) as lines:
        before: deque[bytes] = deque(maxlen=CONTEXT_LINES)
        page, after = _take(skip_until(lines, stamp, before), count)
    return RawPage(page, list(before), after, at_end=not after)


def _take(lines: Iterator[bytes], count: int) -> tuple[list[bytes], list[bytes]]:
    """At most `count` lines, and the first lines after them."""
    page: list[bytes] = []
    size = 0
    for line in lines:
        if len(page) >= count or size > MAX_PAGE_BYTES:
            return page, [line, *islice(lines, LOOKAHEAD_LINES - 1)]
        page.append(line)
        size += len(line)
    return page, []


def skip_until(lines: Iterator[bytes], stamp: str, before: deque[bytes]) -> Iterator[bytes]:
    end = stamp.encode()
    for line in lines:
        if line[:STAMP_LENGTH] > end:
            yield line
            yield from lines
            return
        before.append(line)
