"""The Store port: the newest events of each type in a list, each event once."""

from typing import Any, Final

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.events import Event, encode

KEPT: Final = 7 * 24 * 3600
"""Seconds for which an event can be looked up, and is known not to be new."""
LISTED: Final = 1000

APPEND: Final = """
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[1])
redis.call('LTRIM', KEYS[2], 0, ARGV[3] - 1)
return 1
"""


class RedisStore:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._append = client.raw.register_script(APPEND)

    def append(self, event: Event) -> bool:
        keys = [_key(event.id), f"{PREFIX}events:{event.type}"]
        with self._client.call():
            answer: Any = self._append(keys=keys, args=[encode(event), KEPT, LISTED])
        return bool(answer)

    def kept(self, event_id: str) -> bool:
        with self._client.call() as raw:
            return bool(raw.exists(_key(event_id)))


def _key(event_id: str) -> str:
    return f"{PREFIX}event:{event_id}"
