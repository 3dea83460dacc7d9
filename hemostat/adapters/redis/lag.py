"""Counts the entries of a stream that a consumer group has not finished."""

import logging
import time
from typing import Any, Final

import redis

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.adapters.redis.parts import read_pages

MAX_COUNTED: Final = 1000
"""Entries that are counted one by one if Redis does not report the number."""
RETRY_SECONDS: Final = 60.0
"""Seconds until the groups of a stream are requested again after Redis could not send them.

Each attempt keeps Redis busy.
"""

logger = logging.getLogger(__name__)


class Lag:
    """Reads lags. Safe to use from several threads at once.

    Every reader of a stream may create groups with any name. If Redis cannot send all of them, the last known
    lag is returned.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[tuple[str, str], int] = {}
        self._due: dict[str, float] = {}
        """When the groups of a stream are requested again (seconds of a monotonic clock)."""

    def read(self, stream: str, group: str) -> int:
        known = self._known.get((stream, group), 0)
        if time.monotonic() < self._due.get(stream, 0.0):
            return known
        with self._client.call() as raw:
            try:
                lag = self._read(raw, PREFIX + stream, group)
            except redis.ConnectionError:
                raw.ping()
                logger.warning("lag.read_failed stream=%s", stream)
                self._due[stream] = time.monotonic() + RETRY_SECONDS
                return known
        self._known[stream, group] = lag
        return lag

    def _read(self, raw: Any, key: str, name: str) -> int:
        try:
            groups = raw.xinfo_groups(key)
        except redis.ResponseError as error:
            if "no such key" not in str(error):
                raise
            return 0
        group = next((group for group in groups if group["name"] == name.encode()), None)
        if group is None:
            return int(raw.xlen(key))
        behind = group.get("lag")
        if behind is None:
            behind = self._count(raw, key, group["last-delivered-id"])
        return int(group["pending"]) + int(behind)

    def _count(self, raw: Any, key: str, last: bytes) -> int:
        """Count entries one by one: Redis reports no lag before version 7, or after a trim."""

        def ask(row: bytes | None, some: int) -> Any:
            return raw.xrange(key, min=b"(" + (row or last), count=some)

        return len(read_pages(ask, MAX_COUNTED, raw.ping, required=False))
