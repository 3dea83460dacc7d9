"""The RecentEvents port: the newest events of each type in a list, each event once."""

from collections.abc import Sequence
from typing import Any, Final

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.events import Event, encode

KEPT_SECONDS: Final = 7 * 24 * 3600
"""Seconds for which an event can be looked up and is recognised as not new."""
MAX_LISTED: Final = 1000

APPEND_SCRIPT: Final = """
local fresh, lists = {}, {}
for at = 3, #ARGV, 3 do
  local key, list, value = unpack(ARGV, at, at + 2)
  if redis.call('SET', key, value, 'NX', 'EX', ARGV[1]) then
    redis.call('LPUSH', list, value)
    lists[list] = true
    fresh[#fresh + 1] = at / 3 - 1
  end
end
for list in pairs(lists) do redis.call('LTRIM', list, 0, ARGV[2] - 1) end
return fresh
"""


class RedisRecentEvents:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._append_script = client.raw.register_script(APPEND_SCRIPT)

    def append(self, events: Sequence[Event]) -> list[Event]:
        rows = [(_make_key(event.id), f"{PREFIX}events:{event.type}", encode(event)) for event in events]
        with self._client.call():
            fresh: Any = self._append_script(
                args=[KEPT_SECONDS, MAX_LISTED, *(argument for row in rows for argument in row)]
            )
        return [events[index] for index in fresh]


def _make_key(event_id: str) -> str:
    return f"{PREFIX}event:{event_id}"
