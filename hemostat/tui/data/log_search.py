"""Finds text in all lines of a log that the engine has, backwards and forwards, block by block."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from hemostat.tui.data.log_lines import (
    BLOCK_LINES,
    CONTEXT_LINES,
    LOOKAHEAD_LINES,
    MAX_BLOCK_CHARACTERS,
    STAMP_LENGTH,
    LogLine,
    clean_line,
    mask_lines,
    parse_stamp,
    take_near,
)
from hemostat.tui.data.log_pages import MAX_PAGE_BYTES, LogAccess, RawPage, add_delay, skip_until

SEARCH_LINES: Final = 20_000
"""Lines of the first step of a search backwards. Each further step has twice as many."""
SEARCH_BLOCK_LINES: Final = 400
MAX_CHECKED_LINES: Final = 5
"""Matching lines of a block that are masked one by one before the whole block is."""

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
        page: RawPage | None = None
        blocks: deque[list[bytes]] = deque(maxlen=2)
        head, passed_count = b"", 0
        with access.open_lines(tail=tail) as lines:
            rest: list[bytes] = []
            for block, after in _add_next(_split_blocks(_stop_at(lines, end, rest)), rest):
                head = head or block[0][:STAMP_LENGTH]
                if page is not None and len(page.lines) <= 2 * SEARCH_BLOCK_LINES:
                    page.lines += block
                    page.after = after
                before = [line for each in blocks for line in each]
                if has_match(block, term, before, after):
                    page = RawPage(
                        [*before[CONTEXT_LINES:], *block],
                        before[:CONTEXT_LINES],
                        after,
                        depth=max(1, tail - passed_count),
                    )
                blocks.append(block)
                passed_count += len(block)
                count += len(block)
                progress(count, block[-1][:STAMP_LENGTH].decode("ascii", "replace"))
        if page is not None:
            return page
        if head == first or not head or head.decode("ascii", "replace") < floor:
            return None
        tail, first, end = 2 * tail, head, head.decode("ascii", "replace")


def find_after(access: LogAccess, stamp: str, term: str, progress: Progress) -> RawPage | None:
    """A page around the first line after this time that contains the term when masked, or None."""
    count, previous = 0, deque[bytes](maxlen=CONTEXT_LINES + SEARCH_BLOCK_LINES)
    with access.open_lines(since=int(parse_stamp(stamp))) as lines:
        for block, after in _add_next(_split_blocks(skip_until(lines, stamp, previous)), ()):
            before = list(previous)
            if has_match(block, term, before, after):
                return RawPage([*before[CONTEXT_LINES:], *block], before[:CONTEXT_LINES], after)
            previous += block
            count += len(block)
            progress(count, block[-1][:STAMP_LENGTH].decode("ascii", "replace"))
    return None


def has_match(
    block: Sequence[bytes], term: str, before: Sequence[bytes] = (), after: Sequence[bytes] = ()
) -> bool:
    """Whether a line contains the term when its secrets are masked. Few lines are masked to find out.

    `before` and `after` are the lines around the block. A line is masked with at least as many of its
    neighbours as on the screen: otherwise a search would tell what the screen masks.
    """
    needle = term.lower()
    if not _may_match(b"\n".join(block), needle):
        return False
    numbers = [number for number, line in enumerate(block) if _may_match(line[STAMP_LENGTH + 1 :], needle)]
    for number in reversed(numbers[-MAX_CHECKED_LINES:]):
        stamp = block[number][:STAMP_LENGTH].decode("ascii", "replace")
        near = take_near(block[max(0, number - BLOCK_LINES + 1) : number + 1], MAX_BLOCK_CHARACTERS)
        context = [*before, *block[: number + 1 - len(near)]][-CONTEXT_LINES:]
        masked = mask_lines(near, context, [*block[number + 1 :], *after])
        if _is_in(needle, (line for line in masked if line.stamp == stamp)):
            return True
    return len(numbers) > MAX_CHECKED_LINES and _is_in(needle, mask_lines(block, before, after))


def _is_in(needle: str, lines: Iterable[LogLine]) -> bool:
    return any(needle in line.text.lower() for line in lines)


def _may_match(raw: bytes, needle: str) -> bool:
    if needle.isascii() and needle.encode() in raw.lower():
        return True
    if raw.isascii() and b"\x1b" not in raw and b"\r" not in raw and b"\b" not in raw and b"\t" not in raw:
        return False
    return any(needle in clean_line(line).lower() for line in raw.split(b"\n"))


def _stop_at(lines: Iterable[bytes], stamp: str, rest: list[bytes]) -> Iterator[bytes]:
    """The lines before this time, which need not be that of a line of this log. `rest` gets the next ones."""
    end, late = stamp.encode(), add_delay(stamp)
    for line in lines:
        at = line[:STAMP_LENGTH]
        if at > late:
            return
        if at < end:
            yield line
        elif len(rest) < LOOKAHEAD_LINES:
            rest.append(line)


def _add_next(
    blocks: Iterable[list[bytes]], rest: Sequence[bytes]
) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Each block, and the first lines after it. `rest` are those after the last block."""
    former: list[bytes] = []
    for block in blocks:
        if former:
            yield former, block[:LOOKAHEAD_LINES]
        former = block
    if former:
        yield former, list(rest)


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
