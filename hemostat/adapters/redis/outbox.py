"""The Outbox port: for each channel a sorted set of incidents by due time, and a hash of notifications.

A notification serves as its own version: a change or removal names the one it refers to, and has no effect if
another has replaced it. Keys are not declared, so that each command needs only its own right.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.adapters.redis.rows import Quarantine, Row, find_fault, read_row
from hemostat.core.notify.notification import LastNotification, Notification, merge

KEPT_SECONDS: Final = 7 * 24 * 3600
"""Seconds for which notifications are kept if no other arrives."""
REMEMBERED_SECONDS: Final = 30 * 24 * 3600
"""Seconds for which the last notification of an incident is remembered."""
MAX_WAITING: Final = 10_000

PUT_SCRIPT: Final = """
local due, words, lost = ARGV[1], ARGV[2], {}
for at = 5, #ARGV, 4 do
  local incident, before, after, time = unpack(ARGV, at, at + 3)
  if (redis.call('HGET', words, incident) or '') == before then
    redis.call('HSET', words, incident, after)
    redis.call('ZADD', due, time, incident)
  else
    lost[#lost + 1] = (at - 5) / 4
  end
end
local excess = math.max(0, redis.call('ZCARD', due) - ARGV[3])
if excess > 0 then
  excess = excess + math.floor(ARGV[3] / 100)
  local incidents, groups, rows = redis.call('ZRANGEBYSCORE', due, '-inf', '+inf'), {}, {}
  for at = 1, #incidents, 1000 do
    local some = redis.call('HMGET', words, unpack(incidents, at, math.min(at + 999, #incidents)))
    for i = 1, #some do
      local row = some[i] or ''
      local project = string.match(row, '"project":"([^"]*)"') or ''
      local name = string.find(row, '"kind":"', 1, true) and 'of ' .. project or 'without a failure'
      groups[name] = (groups[name] or 0) + 1
      rows[#rows + 1] = {at + i - 1, name}
    end
  end
  for _, row in ipairs(rows) do
    row[3], groups[row[2]] = groups[row[2]], groups[row[2]] - 1
  end
  table.sort(rows, function(a, b) return a[3] > b[3] or (a[3] == b[3] and a[1] < b[1]) end)
  for i = 1, excess do
    redis.call('ZREM', due, incidents[rows[i][1]])
    redis.call('HDEL', words, incidents[rows[i][1]])
  end
end
redis.call('EXPIRE', due, ARGV[4])
redis.call('EXPIRE', words, ARGV[4])
return {excess, lost}
"""
"""Of too many notifications, those of the project that has most are removed, the earliest due first, as in
core.notify.excess. A hundredth more is removed, so that a flood does not cause this work each time. A
quotation mark in a text is escaped, so that no text is taken for the name of a field."""

TAKE_SCRIPT: Final = """
local taken = {}
for _, incident in ipairs(redis.call('ZRANGEBYSCORE', ARGV[1], '-inf', ARGV[4], 'LIMIT', 0, ARGV[6])) do
  redis.call('ZADD', ARGV[1], ARGV[5], incident)
  taken[#taken + 1] = incident
  taken[#taken + 1] = redis.call('HGET', ARGV[2], incident)
  taken[#taken + 1] = redis.call('GET', ARGV[3] .. incident)
end
return taken
"""

POSTPONE_SCRIPT: Final = """
for at = 4, #ARGV, 2 do
  if redis.call('HGET', ARGV[2], ARGV[at]) == ARGV[at + 1] then
    redis.call('ZADD', ARGV[1], ARGV[3], ARGV[at])
  end
end
"""

SETTLE_SCRIPT: Final = """
for at = 5, #ARGV, 3 do
  local incident, word, told = unpack(ARGV, at, at + 2)
  if redis.call('HGET', ARGV[2], incident) == word then
    redis.call('HDEL', ARGV[2], incident)
    redis.call('ZREM', ARGV[1], incident)
  end
  if told ~= '' then redis.call('SET', ARGV[3] .. incident, told, 'EX', ARGV[4]) end
end
"""


class RedisOutbox:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._quarantine = Quarantine(client)
        self._put_script = client.raw.register_script(PUT_SCRIPT)
        self._take_script = client.raw.register_script(TAKE_SCRIPT)
        self._postpone_script = client.raw.register_script(POSTPONE_SCRIPT)
        self._settle_script = client.raw.register_script(SETTLE_SCRIPT)

    def put(self, channel: str, notifications: Sequence[tuple[Notification, float]]) -> int:
        """Merge notifications into the outbox.

        Those changed concurrently are merged again. Returns the number dropped.
        """
        dropped = 0
        while notifications:
            rows = self._merge_rows(channel, notifications)
            if not rows:
                break
            args = [argument for row in rows for argument in row]
            with self._client.call():
                answer: Any = self._put_script(
                    args=[*_make_keys(channel)[:2], MAX_WAITING, KEPT_SECONDS, *args]
                )
            dropped += answer[0]
            again = {rows[index][0] for index in answer[1]}
            notifications = [each for each in notifications if each[0].incident in again]
        return dropped

    def take(
        self, channel: str, now: float, *, lease: float, count: int
    ) -> list[tuple[Notification, LastNotification | None]]:
        with self._client.call():
            answer: Any = self._take_script(args=[*_make_keys(channel), now, now + lease, count])
        rows = list(zip(answer[::3], answer[1::3], answer[2::3], strict=True))
        for incident, raw, _ in rows:
            if read_row(raw, Notification) is None:
                self._set_aside(channel, incident, raw or b"")
        return [
            (notification, read_row(raw_last, LastNotification))
            for _, raw, raw_last in rows
            if (notification := read_row(raw, Notification))
        ]

    def _set_aside(self, channel: str, incident: bytes, raw: bytes) -> None:
        """Remove an unreadable notification from the outbox."""
        due, notifications_key, _ = _make_keys(channel)
        if raw:
            self._quarantine.move(
                Row("hash", notifications_key, incident, raw, find_fault(raw, Notification))
            )
        with self._client.call() as client:
            client.zrem(due, incident)

    def postpone(self, channel: str, notifications: Sequence[Notification], until: float) -> None:
        args = [
            each
            for notification in notifications
            for each in (notification.incident, msgspec.json.encode(notification))
        ]
        with self._client.call():
            self._postpone_script(args=[*_make_keys(channel)[:2], until, *args])

    def settle(self, channel: str, notifications: Sequence[Notification], *, is_sent: bool) -> None:
        args = [
            each
            for notification in notifications
            for each in (
                notification.incident,
                msgspec.json.encode(notification),
                msgspec.json.encode(LastNotification(notification.topic, notification.time))
                if is_sent
                else b"",
            )
        ]
        with self._client.call():
            self._settle_script(args=[*_make_keys(channel), REMEMBERED_SECONDS, *args])

    def count_waiting(self, channel: str) -> int:
        with self._client.call() as raw:
            count: Any = raw.zcard(_make_keys(channel)[0])
        return int(count)

    def _merge_rows(
        self, channel: str, notifications: Sequence[tuple[Notification, float]]
    ) -> list[tuple[str, bytes, bytes, float]]:
        """Rows of incident, waiting and new notification, and due time, without rows that change nothing."""
        incidents = list({notification.incident for notification, _ in notifications})
        with self._client.call() as raw:
            values: Any = raw.hmget(_make_keys(channel)[1], incidents)
        before = {incident: value or b"" for incident, value in zip(incidents, values, strict=True)}
        merged: dict[str, tuple[Notification | None, float]] = {
            incident: (read_row(value or None, Notification), 0.0) for incident, value in before.items()
        }
        for notification, due in notifications:
            pending = merged[notification.incident][0]
            after = merge(pending, notification)
            if after != pending:
                merged[notification.incident] = after, due
        return [
            (incident, before[incident], msgspec.json.encode(notification), due)
            for incident, (notification, due) in merged.items()
            if due
        ]


def _make_keys(channel: str) -> tuple[str, str, str]:
    return f"{PREFIX}outbox:{channel}", f"{PREFIX}outbox:{channel}:news", f"{PREFIX}told:{channel}:"
