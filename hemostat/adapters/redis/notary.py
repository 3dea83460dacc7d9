"""The Notary port: the ends of each audit trail in a hash."""

from typing import Any, Final

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.core.audit import End, Noted

AUDIT: Final = f"{PREFIX}audit:"

NOTE: Final = """
local number = redis.call('HGET', KEYS[1], ARGV[1])
if number and tonumber(number) >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], ARGV[1] .. ':hash', ARGV[3])
return 1
"""


class RedisNotary:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._note = client.raw.register_script(NOTE)

    def note_head(self, trail: str, end: End) -> None:
        self._end(trail, "head", end)

    def note_anchor(self, trail: str, end: End) -> None:
        self._end(trail, "anchor", end)

    def noted(self, trail: str) -> Noted:
        with self._client.call() as raw:
            fields: Any = raw.hgetall(AUDIT + trail)
        return Noted(anchor=_read(fields, b"anchor"), head=_read(fields, b"head"))

    def _end(self, trail: str, which: str, end: End) -> None:
        with self._client.call():
            self._note(keys=[AUDIT + trail], args=[which, end.number, end.hash.hex()])


def _read(fields: dict[bytes, bytes], which: bytes) -> End | None:
    if which not in fields:
        return None
    return End(int(fields[which]), bytes.fromhex(fields[which + b":hash"].decode()))
