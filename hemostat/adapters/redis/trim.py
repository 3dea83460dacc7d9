"""Frees memory in a full Redis: removes what is stored for review, oldest first.

A Redis that evicts nothing refuses to write when it is full, and roles wait. Any user of the engine can
cause thousands of incidents, each with events and evidence that are stored for a week. So these are removed
when the memory is full: first old stream entries that every consumer group has acknowledged, then copies of
stored events, then evidence, then precedents, then notes of sent notifications. An entry that a role has not
yet handled is never removed, and neither is anything that decides about actions.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import redis

from hemostat.adapters.redis.client import PREFIX, Client, connect
from hemostat.adapters.redis.ledger_memory import ATTEMPTS_SECONDS
from hemostat.errors import BusError
from hemostat.events import DURABLE

KEPT_LENGTHS: Final = (1000, 100, 0)
"""Entries left in each stream for review by operators.

The next number is used if the memory is still full.
"""
MAX_USED_SHARE: Final = 0.8
"""Share of the memory that may be in use afterwards."""
REVIEW_PATTERNS: Final = tuple(f"{PREFIX}{name}:*" for name in ("event", "evidence", "past", "told"))
"""Keys of what is stored for review, in the order in which it is removed. All of them expire."""
ATTEMPT_PATTERN: Final = f"{PREFIX}ledger:*:of:*"
LISTED_EVENTS: Final = 100
"""Events of each type that the lists of the newest events then keep."""
SCANNED: Final = 1000
BATCH: Final = 200
"""Keys removed between two checks of the memory."""
logger = logging.getLogger(__name__)


def make_room(url: str, **login: Any) -> None:
    """Make room in a full Redis, as far as this user may. `login` is as in `connect`."""
    client = connect(url, **login)
    try:
        for remove in (trim_streams, remove_reviews, expire_attempts):
            with suppress(BusError):
                remove(client)
    finally:
        client.close()


def trim_streams(client: Client) -> int:
    """The number of entries removed. Raises BusError."""
    removed = 0
    with client.call() as raw:
        for length in KEPT_LENGTHS:
            removed += sum(_trim(raw, PREFIX + kind, length) for kind in DURABLE)
            removed += int(raw.xtrim(f"{PREFIX}dead", maxlen=length, approximate=True))
            if _has_room(raw):
                break
    if removed:
        logger.warning("redis.trimmed entries=%d reason=memory is full", removed)
    return removed


def remove_reviews(client: Client) -> int:
    """The number of keys removed, so that there is room again. Raises BusError."""
    removed = 0
    with client.call() as raw:
        if _has_room(raw):
            return 0
        for kind in DURABLE:
            raw.ltrim(f"{PREFIX}events:{kind}", 0, LISTED_EVENTS - 1)
        for keys in _list_reviews(raw):
            if _has_room(raw):
                break
            removed += int(raw.unlink(*keys))
    if removed:
        logger.warning("redis.reviews_removed keys=%d because=its memory was full", removed)
    return removed


def expire_attempts(client: Client) -> int:
    """Let the attempts on containers expire where an earlier version set no expiry. Returns how many
    keys were changed. Raises BusError."""
    set_count = 0
    with client.call() as raw:
        keys = list(raw.scan_iter(match=ATTEMPT_PATTERN, count=SCANNED))
        for at in range(0, len(keys), SCANNED):
            some = keys[at : at + SCANNED]
            with raw.pipeline(transaction=False) as batch:
                for key in some:
                    batch.ttl(key)
                for key in (key for key, ttl in zip(some, batch.execute(), strict=True) if ttl < 0):
                    batch.expire(key, ATTEMPTS_SECONDS)
                    set_count += 1
                batch.execute()
    return set_count


def _list_reviews(raw: redis.Redis) -> Iterator[list[bytes]]:
    """Batches of keys, by kind; within a kind those that expire first, which are the oldest."""
    for pattern in REVIEW_PATTERNS:
        keys = list(raw.scan_iter(match=pattern, count=SCANNED))
        times: dict[bytes, int] = {}
        for at in range(0, len(keys), SCANNED):
            with raw.pipeline(transaction=False) as batch:
                for key in keys[at : at + SCANNED]:
                    batch.pttl(key)
                times.update(zip(keys[at : at + SCANNED], batch.execute(), strict=True))
        keys.sort(key=times.__getitem__)
        yield from (keys[at : at + BATCH] for at in range(0, len(keys), BATCH))


def _has_room(raw: redis.Redis) -> bool:
    memory: Any = raw.info("memory")
    return int(memory["used_memory"]) < MAX_USED_SHARE * int(memory["maxmemory"])


def _trim(raw: redis.Redis, stream: str, length: int) -> int:
    surplus = int(raw.xlen(stream)) - length
    first = _find_first_unhandled(raw, stream) if surplus > 0 else None
    if first is None:
        return 0
    removed: Any = raw.xtrim(stream, minid=first, approximate=True, limit=surplus)
    return int(removed)


def _find_first_unhandled(raw: redis.Redis, stream: str) -> str | None:
    """The lowest id that a group may still need. None if no group has ever read the stream."""
    client: Any = raw
    firsts = []
    for group in client.xinfo_groups(stream):
        oldest_pending = client.xpending(stream, group["name"])["min"]
        firsts.append((oldest_pending or group["last-delivered-id"]).decode())
    return min(firsts, key=_sort_key, default=None)


def _sort_key(identity: str) -> tuple[int, int]:
    milliseconds, _, sequence = identity.partition("-")
    return int(milliseconds), int(sequence)
