"""Entries deferred by a consumer group, in sorted sets by the time at which each is decided again.

An entry returns to its stream only if there is something to do or to report. If each check put entries back,
requests that wait for approval would push entries out of the stream that other roles have not read yet.
"""

from collections.abc import Sequence
from typing import Any, Final

import redis

from hemostat.adapters.redis.client import PREFIX, Client, Command
from hemostat.adapters.redis.entries import format_notes, parse_entry
from hemostat.adapters.redis.parts import read_parts
from hemostat.ports import DueEntries, Entry

DEFERRED_PREFIX: Final = f"{PREFIX}deferred:"
MARK: Final = "\x1f"
"""Separates entry id and event in a deferred entry. Reasons that were reported follow the id and a space."""

ADD_FUNCTION: Final = """
local function add(stream, member, separator)
  local mark = string.find(member, separator, 1, true) or 0
  local fields = {'event', string.sub(member, mark + 1)}
  local space = string.find(string.sub(member, 1, math.max(0, mark - 1)), ' ', 1, true)
  if space then
    fields[3], fields[4] = 'reported', string.sub(member, space + 1, mark - 1)
  end
  redis.call('XADD', stream, '*', unpack(fields))
end
"""
"""Puts a deferred entry back on its stream, with the reasons that were reported."""

REQUEUE_DUE_SCRIPT: Final = f"""
{ADD_FUNCTION}
local count = 0
for i, key in ipairs(KEYS) do
  local due = redis.call('ZRANGEBYSCORE', key, '-inf', ARGV[1], 'LIMIT', 0, 100)
  for _, member in ipairs(due) do
    add(ARGV[i + 2], member, ARGV[2])
    redis.call('ZREM', key, member)
  end
  count = count + #due
end
return count
"""
"""Keys: sorted sets. Arguments: now, the mark, and each set's stream.

Streams are not declared as keys: a reader that defers nothing then needs no right to write its streams. Each
entry is added before it is removed, so a refusal loses no entry.
"""

REQUEUE_SCRIPT: Final = f"""
{ADD_FUNCTION}
local count = 0
for i = 3, #ARGV do
  if redis.call('ZADD', KEYS[1], 'XX', 'INCR', 0, ARGV[i]) then
    add(ARGV[2], ARGV[i], ARGV[1])
    redis.call('ZREM', KEYS[1], ARGV[i])
    count = count + 1
  end
end
return count
"""
"""Key: a sorted set. Arguments: the mark, the set's stream, and members of the set."""


class Deferred:
    """The deferred entries. Safe to use from several threads at once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._requeue_due_script = client.raw.register_script(REQUEUE_DUE_SCRIPT)
        self._requeue_script = client.raw.register_script(REQUEUE_SCRIPT)

    def read_due(self, role: str, streams: Sequence[str], now: float, *, count: int) -> DueEntries:
        with self._client.call() as raw, raw.pipeline(transaction=False) as batch:
            for stream in streams:
                key = _make_key(stream, role)
                batch.zrangebyscore(key, "-inf", now, start=0, num=count)
                batch.zrangebyscore(key, f"({now}", "+inf", start=0, num=1, withscores=True)
            try:
                answers = batch.execute()
            except redis.ConnectionError:
                answers = self._read_due(raw, [_make_key(stream, role) for stream in streams], now, count)
        due = zip(streams, answers[::2], strict=True)
        entries = [_read_member(stream, member) for stream, members in due for member in members]
        return DueEntries(
            entries, min((score for next_members in answers[1::2] for _, score in next_members), default=None)
        )

    def _read_due(self, raw: Any, keys: Sequence[str], now: float, count: int) -> list[Any]:
        """The same answers, read in parts if they are too large together."""
        raw.ping()

        def read(key: str) -> list[Any]:
            def ask(part: Sequence[int]) -> Any:
                return raw.zrangebyscore(key, "-inf", now, start=part[0], num=len(part))

            return read_parts(ask, range(count), raw.ping)

        def find_next(key: str) -> Any:
            return raw.zrangebyscore(key, f"({now}", "+inf", start=0, num=1, withscores=True)

        return [answer for key in keys for answer in (read(key), find_next(key))]

    def postpone(self, role: str, entries: Sequence[tuple[Entry, float]]) -> None:
        self._client.atomic(
            [
                ("ZADD", _make_key(each.stream, role), "XX", until, _make_member(each))
                for each, until in entries
            ]
        )

    def requeue(self, role: str, entries: Sequence[Entry]) -> int:
        by_stream: dict[str, list[Any]] = {}
        for entry in entries:
            by_stream.setdefault(entry.stream, []).append(_make_member(entry))
        count = 0
        for stream, members in by_stream.items():
            with self._client.call():
                args = [MARK, PREFIX + stream, *members]
                count += int(self._requeue_script(keys=[_make_key(stream, role)], args=args))
        return count

    def requeue_due(self, role: str, streams: Sequence[str], now: float) -> int:
        keys = [_make_key(stream, role) for stream in streams]
        with self._client.call():
            return int(
                self._requeue_due_script(
                    keys=keys, args=[now, MARK, *(PREFIX + stream for stream in streams)]
                )
            )


def make_defer_command(role: str, entry: Entry, until: float) -> Command:
    return "ZADD", _make_key(entry.stream, role), until, _make_member(entry)


def _make_key(stream: str, role: str) -> str:
    """The key of a group's sorted set: readers of another host could not act on these entries."""
    return f"{DEFERRED_PREFIX}{stream}:{role}" if role else DEFERRED_PREFIX + stream


def _make_member(entry: Entry) -> bytes:
    reported = f" {format_notes(entry.notes)}" if entry.notes else ""
    name = f"{entry.id}{reported}{MARK}" if entry.id else ""
    return name.encode(errors="surrogateescape") + entry.raw


def _read_member(stream: str, member: bytes) -> Entry:
    """The entry.

    A member without an id was not deferred here: it is read as an event, put back and dead-lettered.
    """
    name, mark, raw = member.partition(MARK.encode())
    if not (name and mark):
        return parse_entry(stream, "", {b"event": member})
    fields = {b"event": raw}
    entry_id, space, reported = name.partition(b" ")
    if entry_id and space:
        name, fields[b"reported"] = entry_id, reported
    return parse_entry(stream, name.decode(errors="surrogateescape"), fields)
