"""The PrecedentStore and LlmBudget ports.

Keys are a hash of outcomes for each signature, an expiring value for each likeness, and a hash of costs.
"""

from typing import Any, Final

import msgspec

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.adapters.redis.rows import read_number, read_row, read_rows
from hemostat.core.diagnosis.case import Precedent
from hemostat.core.llm.cost_budget import HOUR_SECONDS, LlmUsage

MAX_PRECEDENTS: Final = 20
KEPT_SECONDS: Final = 30 * 24 * 3600
SPENT_KEY: Final = f"{PREFIX}advisor:spent"
VERSION_KEY: Final = f"{PREFIX}advisor:version"


class RedisPrecedents:
    def __init__(self, client: Client) -> None:
        self._client = client

    def add_precedent(self, signature: str, key: str, precedent: Precedent) -> None:
        name = _make_precedents_key(signature)
        value: Any = msgspec.json.encode(precedent)
        with self._client.call() as raw:
            rows: Any = raw.hgetall(name)
            times = {each: _read_time(rows[each]) for each in rows}
            oldest = sorted(rows, key=times.__getitem__)[: max(0, len(rows) + 1 - MAX_PRECEDENTS)]
            with raw.pipeline(transaction=True) as batch:
                if oldest:
                    batch.hdel(name, *oldest)
                batch.hset(name, key, value)
                batch.expire(name, KEPT_SECONDS)
                batch.execute()

    def list_precedents(self, signature: str) -> list[Precedent]:
        with self._client.call() as raw:
            rows: Any = raw.hvals(_make_precedents_key(signature))
        return sorted(read_rows(rows, Precedent), key=lambda precedent: precedent.time)

    def cache_advice(self, likeness: str, advice: bytes, ttl: float) -> None:
        with self._client.call() as raw:
            raw.set(_make_advice_key(likeness), advice, px=max(1, int(ttl * 1000)))

    def get_cached_advice(self, likeness: str) -> bytes | None:
        with self._client.call() as raw:
            advice = raw.get(_make_advice_key(likeness))
        return advice if isinstance(advice, bytes) else None


class RedisLlmBudget:
    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self) -> tuple[int, list[LlmUsage]]:
        """The version is read first: costs written between the two reads make the next swap fail."""
        with self._client.call() as raw, raw.pipeline(transaction=False) as batch:
            batch.get(VERSION_KEY)
            batch.hvals(SPENT_KEY)
            version, rows = batch.execute()
        spent = read_rows(rows, LlmUsage)
        return read_number(version) or 0, sorted(spent, key=lambda each: each.time)

    def take(self, spending: LlmUsage, version: int) -> bool:
        value, since = msgspec.json.encode(spending), spending.time - 2 * HOUR_SECONDS
        return self._client.swap(VERSION_KEY, version, [SPENT_KEY], spending.id, value, since=since)

    def settle(self, spending: LlmUsage) -> None:
        value: Any = msgspec.json.encode(spending)
        with self._client.call() as raw:
            raw.hset(SPENT_KEY, spending.id, value)


def _make_precedents_key(signature: str) -> str:
    return f"{PREFIX}past:{signature}"


def _make_advice_key(likeness: str) -> str:
    return f"{PREFIX}advice:{likeness}"


def _read_time(raw: bytes) -> float:
    precedent = read_row(raw, Precedent)
    return precedent.time if precedent else 0.0
