"""The Ledger port: hashes of attempts, and one counter that every write moves. No rule stands here."""

from typing import Any, Final

import msgspec

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.core.model import Attempt, Book, Scaled

KEPT: Final = 48 * 3600.0
"""Seconds after which an attempt is dropped: longer than any budget window or cooldown in use."""

RECENT: Final = 50
"""Ended attempts of a host that a book tells of."""

RESERVE: Final = """
if tonumber(redis.call('GET', KEYS[1]) or 0) ~= tonumber(ARGV[1]) then return 0 end
redis.call('INCR', KEYS[1])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
for i = 4, #ARGV do redis.call('HDEL', KEYS[3], ARGV[i]) end
return 1
"""

DROP: Final = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
"""


class RedisLedger:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._reserve = client.raw.register_script(RESERVE)
        self._drop = client.raw.register_script(DROP)

    def read(self, host: str, container: str) -> Book:
        version, running, attempts = _keys(host, container)
        with self._client.call() as raw, raw.pipeline(transaction=True) as batch:
            batch.get(version)
            batch.hvals(running)
            batch.hvals(attempts)
            batch.lrange(_ended(host), 0, RECENT - 1)
            answers: Any = batch.execute()
        return Book(
            version=int(answers[0] or 0),
            attempts=_read(answers[2]),
            running=_read(answers[1]),
            ended=_read(answers[3]),
        )

    def reserve(self, host: str, attempt: Attempt, version: int) -> bool:
        keys = _keys(host, attempt.container)
        with self._client.call() as raw:
            kept: Any = raw.hvals(keys[2])
            old = [past.key for past in _read(kept) if past.time < attempt.time - KEPT]
            answer: Any = self._reserve(
                keys=keys, args=[version, attempt.key, msgspec.json.encode(attempt), *old]
            )
        return bool(answer)

    def finish(self, host: str, attempt: Attempt) -> None:
        version, running, attempts = _keys(host, attempt.container)
        with self._client.call() as raw, raw.pipeline(transaction=True) as batch:
            batch.incr(version)
            batch.hdel(running, attempt.key)
            told: Any = msgspec.json.encode(attempt)
            batch.hset(attempts, attempt.key, told)
            batch.lpush(_ended(host), told)
            batch.ltrim(_ended(host), 0, RECENT - 1)
            batch.execute()

    def scaled(self, host: str) -> list[Scaled]:
        with self._client.call() as raw:
            kept: Any = raw.hvals(_scaled(host))
        return [msgspec.json.decode(value, type=Scaled) for value in kept]

    def keep_scaled(self, host: str, scaled: Scaled) -> None:
        earlier = next((each for each in self.scaled(host) if _field(each) == _field(scaled)), None)
        kept: Any = msgspec.json.encode(scaled if earlier is None else scaled.again(earlier))
        with self._client.call() as raw:
            raw.hset(_scaled(host), _field(scaled), kept)

    def drop_scaled(self, host: str, scaled: Scaled) -> bool:
        with self._client.call():
            return bool(self._drop(keys=[_scaled(host)], args=[_field(scaled), msgspec.json.encode(scaled)]))


def _scaled(host: str) -> str:
    return f"{PREFIX}ledger:{host}:scaled"


def _field(scaled: Scaled) -> str:
    return f"{scaled.service or scaled.container}:{scaled.resource}"


def _ended(host: str) -> str:
    return f"{PREFIX}ledger:{host}:ended"


def _keys(host: str, container: str) -> tuple[str, str, str]:
    prefix = f"{PREFIX}ledger:{host}"
    return f"{prefix}:version", f"{prefix}:running", f"{prefix}:of:{container}"


def _read(values: list[bytes]) -> tuple[Attempt, ...]:
    attempts = (msgspec.json.decode(value, type=Attempt) for value in values)
    return tuple(sorted(attempts, key=lambda attempt: attempt.time))
