"""Reads a log in pages, backwards and forwards, and finds text in all that the engine has.

An engine takes lines from the end of a log quickly (`tail`), but counts them from the present end, and cannot
page backwards from a time. So a page is read from the end, with as many lines as are known to follow, up to
the line where the known part begins. The rest of the answer is not read. Memory is bounded by the page.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Final

import msgspec

from hemostat.errors import EngineError
from hemostat.ports import Engine, LogStream
from hemostat.tui.data.log_lines import (
    CONTEXT_LINES,
    STAMP_LENGTH,
    LogLine,
    clean_line,
    mask_lines,
    parse_stamp,
)

PAGE_LINES: Final = 1000
MAX_PAGE_BYTES: Final = 2 << 20
"""Bytes of a page, with lines of any length."""
SEARCH_LINES: Final = 20_000
"""Lines of the first step of a search backwards. Each further step has twice as many."""
SEARCH_BLOCK_LINES: Final = 400
MAX_CHECKED_LINES: Final = 5
"""Matching lines of a block that are masked one by one before the whole block is."""
MAX_DISORDER: Final = timedelta(seconds=1)
"""Two streams of a container may be out of order by this."""


class StoppedError(Exception):
    """The user stopped the reading."""


class LogAccess:
    """Opens the log of one container, and can be stopped from another thread."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container
        self._stream: LogStream | None = None
        self.stopped = threading.Event()

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
                yield line
        finally:
            close = getattr(lines, "close", None)
            if close is not None:
                close()
        if self.stopped.is_set():
            raise StoppedError


class RawPage(msgspec.Struct):
    """Lines as read, oldest first. `before` are some of the lines before them. `depth`: how many lines there
    were from the first one to the end of the log, at most; 0 if unknown."""

    lines: list[bytes]
    before: list[bytes]
    depth: int = 0
    at_start: bool = False
    at_end: bool = False

    def mask(self, source: int) -> list[LogLine]:
        return mask_lines(self.lines, self.before, source=source)


class _Tail:
    """The last lines of what is added, bounded in lines and bytes."""

    def __init__(self, count: int) -> None:
        self.lines: deque[bytes] = deque()
        self.added_count = 0
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
        is_start = head == first
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
        depth=max(1, tail - (tail_lines.added_count - len(lines)) - cut),
        at_start=is_start and cut == 0,
    )


def _collect_until(lines: Iterable[bytes], stamp: str, tail_lines: _Tail) -> bytes:
    """Collect the lines up to the one at this time. Returns the first line's time, empty without a line."""
    end, late = stamp.encode(), _delay(stamp)
    head = b""
    for line in lines:
        at = line[:STAMP_LENGTH]
        head = head or at
        if at == end or at > late:
            break
        tail_lines.add(line)
    return head


def _delay(stamp: str) -> bytes:
    """A time after which no line before this time follows."""
    moment = datetime.fromisoformat(stamp[:19]) + MAX_DISORDER
    return f"{moment:%Y-%m-%dT%H:%M:%S}{stamp[19:]}".encode()


def read_start(access: LogAccess, count: int = PAGE_LINES) -> RawPage:
    """The oldest lines that the engine has."""
    with access.open_lines() as lines:
        page, is_end = _take(lines, count)
    return RawPage(page, [], at_start=True, at_end=is_end)


def read_after(access: LogAccess, stamp: str, count: int = PAGE_LINES) -> RawPage:
    """The lines after the one at this time."""
    with access.open_lines(since=int(parse_stamp(stamp))) as lines:
        before: deque[bytes] = deque(maxlen=CONTEXT_LINES)
        page, is_end = _take(_skip_until(lines, stamp, before), count)
    return RawPage(page, list(before), at_end=is_end)


def _take(lines: Iterator[bytes], count: int) -> tuple[list[bytes], bool]:
    """At most `count` lines, and whether there are no more."""
    page: list[bytes] = []
    size = 0
    for line in lines:
        if len(page) >= count or size > MAX_PAGE_BYTES:
            return page, False
        page.append(line)
        size += len(line)
    return page, True


def _skip_until(lines: Iterator[bytes], stamp: str, before: deque[bytes]) -> Iterator[bytes]:
    end = stamp.encode()
    for line in lines:
        if line[:STAMP_LENGTH] > end:
            yield line
            yield from lines
            return
        before.append(line)


# --- search -------------------------------------------------------------------------------------------


Progress = Callable[[int, str], object]
"""Is told how many lines were searched, and the time of the last one."""


def find_before(
    access: LogAccess, stamp: str, depth: int, term: str, progress: Progress, *, floor: str = ""
) -> RawPage | None:
    """A page with the last line before this time that contains the term when masked. None if there is no such
    line.

    `floor`: earlier lines need not be searched.
    """
    tail, first, end, count = depth + SEARCH_LINES, b"", stamp, 0
    while True:
        found: RawPage | None = None
        blocks: deque[list[bytes]] = deque(maxlen=2)
        head, passed_count = b"", 0
        with access.open_lines(tail=tail) as lines:
            for block in _split_blocks(_stop_at(lines, end)):
                head = head or block[0][:STAMP_LENGTH]
                if found is not None and len(found.lines) <= 2 * SEARCH_BLOCK_LINES:
                    found.lines += block
                before = [line for each in blocks for line in each]
                if has_match(block, term, before):
                    found = RawPage(
                        [*before[CONTEXT_LINES:], *block],
                        before[:CONTEXT_LINES],
                        depth=max(1, tail - passed_count),
                    )
                blocks.append(block)
                passed_count += len(block)
                count += len(block)
                progress(count, block[-1][:STAMP_LENGTH].decode("ascii", "replace"))
        if found is not None:
            return found
        if head == first or not head or head.decode("ascii", "replace") < floor:
            return None
        tail, first, end = 2 * tail, head, head.decode("ascii", "replace")


def find_after(access: LogAccess, stamp: str, term: str, progress: Progress) -> RawPage | None:
    """A page around the first line after this time that contains the term when masked, or None."""
    count, previous = 0, deque[bytes](maxlen=CONTEXT_LINES + SEARCH_BLOCK_LINES)
    with access.open_lines(since=int(parse_stamp(stamp))) as lines:
        for block in _split_blocks(_skip_until(lines, stamp, previous)):
            before = list(previous)
            if has_match(block, term, before):
                return RawPage([*before[CONTEXT_LINES:], *block], before[:CONTEXT_LINES])
            previous += block
            count += len(block)
            progress(count, block[-1][:STAMP_LENGTH].decode("ascii", "replace"))
    return None


def has_match(block: Sequence[bytes], term: str, before: Sequence[bytes] = ()) -> bool:
    """Whether a line contains the term when its secrets are masked. Few lines are masked to find out.

    `before` are the lines before the block.
    """
    needle = term.lower()
    if not _may_match(b"\n".join(block), needle):
        return False
    numbers = [number for number, line in enumerate(block) if _may_match(line[STAMP_LENGTH + 1 :], needle)]
    for number in reversed(numbers[-MAX_CHECKED_LINES:]):
        context = [*before, *block[:number]][-CONTEXT_LINES:]
        if _is_in(needle, mask_lines(block[number : number + 1], context)):
            return True
    return len(numbers) > MAX_CHECKED_LINES and _is_in(needle, mask_lines(block, before))


def _is_in(needle: str, lines: Iterable[LogLine]) -> bool:
    return any(needle in line.text.lower() for line in lines)


def _may_match(raw: bytes, needle: str) -> bool:
    if needle.isascii() and needle.encode() in raw.lower():
        return True
    if raw.isascii() and b"\x1b" not in raw and b"\r" not in raw and b"\b" not in raw and b"\t" not in raw:
        return False
    return any(needle in clean_line(line).lower() for line in raw.split(b"\n"))


def _stop_at(lines: Iterable[bytes], stamp: str) -> Iterator[bytes]:
    """The lines before this time, which need not be that of a line of this log."""
    end, late = stamp.encode(), _delay(stamp)
    for line in lines:
        at = line[:STAMP_LENGTH]
        if at > late:
            return
        if at < end:
            yield line


def _split_blocks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    block: list[bytes] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if len(block) >= SEARCH_BLOCK_LINES or size > MAX_PAGE_BYTES // 4:
            yield block
            block, size = [], 0
    if block:
        yield block
