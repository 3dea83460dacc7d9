"""Frees memory in a full Redis: trims old stream entries that every consumer group has acknowledged.

A Redis that evicts nothing refuses to write when it is full, and roles wait. An entry that a role has not yet
handled is therefore never removed here.
"""

import logging
from typing import Any, Final

import redis

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.events import DURABLE

KEPT_LENGTHS: Final = (1000, 100, 0)
"""Entries left in each stream for review by operators.

The next number is used if the memory is still full.
"""
MAX_USED_SHARE: Final = 0.8
"""Share of the memory that may be in use afterwards."""
logger = logging.getLogger(__name__)


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
        logger.warning("redis.trimmed entries=%d because=its memory was full", removed)
    return removed


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
        waiting = client.xpending(stream, group["name"])["min"]
        firsts.append((waiting or group["last-delivered-id"]).decode())
    return min(firsts, key=_sort_key, default=None)


def _sort_key(identity: str) -> tuple[int, int]:
    milliseconds, _, sequence = identity.partition("-")
    return int(milliseconds), int(sequence)
