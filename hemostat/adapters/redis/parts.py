"""Reads answers in parts that another user of Redis can make large.

Redis ends a connection whose answer is larger than `maxmemory-clients`. A client that repeats the request
would fail forever because of one value written by another user.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import redis

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.adapters.redis.entries import parse_entries
from hemostat.events import MAX_BYTES
from hemostat.ports import Entry

FEWER: Final = 8
"""Divisor of the number of requested items after an answer that was too large."""
MAX_ENTRIES: Final = 16
"""Entries of one answer of CUT: some 4 MiB."""

CUT: Final = """
local rows = {}
for i = 3, #ARGV do
  local event, found = false, redis.call('XRANGE', ARGV[1], ARGV[i], ARGV[i])[1]
  if found then
    for j = 1, #found[2], 2 do
      if found[2][j] == 'event' then event = string.sub(found[2][j + 1], 1, tonumber(ARGV[2])) end
    end
    rows[#rows + 1] = {ARGV[i], event}
  end
end
return rows
"""
"""Arguments: a stream, the bytes of each event to read, and ids of entries.

The stream is not declared as a key: Redis 7 would require the right to write it.
"""

LAST_ID: Final = b"%d-%d" % (2**64 - 1, 2**64 - 1)
"""The highest id. Redis refuses to read behind it."""
LAST_MILLISECONDS: Final = b"%d-" % (2**64 - 1)
"""Prefix of the highest ids: a stream with such an id accepts few entries or no entries."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Entries:
    """Reads entries by their ids. An event larger than any role sends is cut."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._cut = client.raw.register_script(CUT)

    def read(self, stream: str, ids: Sequence[str]) -> Iterator[Entry]:
        """The entries that exist."""
        for start in range(0, len(ids), MAX_ENTRIES):
            arguments: list[Any] = [PREFIX + stream, MAX_BYTES + 1, *ids[start : start + MAX_ENTRIES]]
            with self._client.call():
                rows: Any = self._cut(args=arguments)
            yield from parse_entries(stream, [(name, _fields(event)) for name, event in rows])


def _fields(event: bytes | None) -> dict[bytes, bytes]:
    return {} if event is None else {b"event": event}


def read_parts(
    ask: Callable[[Sequence[Item]], Iterable[Answer]], items: Sequence[Item], ping: Callable[[], object]
) -> list[Answer]:
    """The answers for all items, requested together, or in parts if the answer is too large.

    An item whose own answer is too large is left out. `ping` raises if Redis is unreachable.
    """
    if not items:
        return []
    try:
        return list(ask(items))
    except redis.ConnectionError:
        ping()
    if len(items) == 1:
        return []
    size = -(-len(items) // FEWER)
    parts = (items[start : start + size] for start in range(0, len(items), size))
    return [answer for part in parts for answer in read_parts(ask, part, ping)]


def read_pages(
    ask: Callable[[Any, int], Sequence[Any]], count: int, ping: Callable[[], object], *, required: bool
) -> list[Any]:
    """Rows of a stream, at most `count`. `ask` is given the id of the last row, or None, and a number.

    The result ends before a row that is too large for an answer. If that row is the first and `required`, the
    error is raised.
    """
    rows: list[Any] = []
    step = count
    while step and len(rows) < count:
        page_size = min(step, count - len(rows))
        try:
            page = ask(rows[-1][0] if rows else None, page_size)
        except redis.ConnectionError:
            ping()
            step = page_size // FEWER or (1 if page_size > 1 else 0)
            if not step and not rows and required:
                raise
            continue
        rows += page
        if len(page) < page_size:
            break
    return rows


def find_start(raw: Any, key: str, position: bytes) -> bytes | None:
    """The id to read behind, for a reader at this position; None where no entry can follow.

    A stream that ended with one of the highest ids is removed (hemostat repair), and begins again.
    """
    if not position.startswith(LAST_MILLISECONDS):
        return position
    if not raw.xrange(key, min=position, max=position):
        return b"0-0"
    return None if position == LAST_ID else position
