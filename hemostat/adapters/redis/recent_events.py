"""The RecentEvents port: the newest events of each type in a list, each event once."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.core.history.identity import identify_event, make_event_key
from hemostat.errors import DecodeError
from hemostat.events import Event, decode, encode

KEPT_SECONDS: Final = 7 * 24 * 3600
"""Seconds for which an event can be looked up and is recognised as not new."""
MAX_LISTED: Final = 1000

APPEND_SCRIPT: Final = """
local fresh, others, lists = {}, {}, {}
for at = 3, #ARGV, 3 do
  local key, list, value = unpack(ARGV, at, at + 2)
  if redis.call('SET', key, value, 'NX', 'EX', ARGV[1]) then
    redis.call('LPUSH', list, value)
    lists[list] = true
    fresh[#fresh + 1] = at / 3 - 1
  else
    local first = redis.pcall('GET', key)
    if type(first) == 'string' and first ~= value then others[#others + 1] = {at / 3 - 1, first} end
  end
end
for list in pairs(lists) do redis.call('LTRIM', list, 0, ARGV[2] - 1) end
return {fresh, others}
"""
"""Returns the numbers of the new events, and of those whose key has another value, with that value. GET is
tried: an ACL file of an earlier version does not permit it."""


class RedisRecentEvents:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._append_script = client.raw.register_script(APPEND_SCRIPT)

    def append(self, events: Sequence[Event]) -> list[Event]:
        fresh, collisions = self._append(events, make_event_key)
        others = [events[index] for index, value in collisions if not _is_encoded(value, events[index])]
        more, _ = self._append(others, identify_event) if others else ([], [])
        return [*(events[index] for index in fresh), *(others[index] for index in more)]

    def _append(self, events: Sequence[Event], make_key: Callable[[Event], str]) -> Any:
        rows = [
            (f"{PREFIX}event:{make_key(event)}", f"{PREFIX}events:{event.type}", encode(event))
            for event in events
        ]
        with self._client.call():
            return self._append_script(
                args=[KEPT_SECONDS, MAX_LISTED, *(argument for row in rows for argument in row)]
            )


def _is_encoded(value: bytes, event: Event) -> bool:
    """Return whether the value is this event. An earlier version may have encoded it in another way."""
    try:
        return decode(value) == event
    except DecodeError:
        return False
