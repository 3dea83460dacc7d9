"""Counts the entries of a stream that a consumer group has not finished, and corrects a group's position.

Every user who reads a stream in a group can move the position of each group of that stream forward, by XCLAIM
with LASTID. Such a group receives no entry any more.
"""

import logging
import time
from typing import Any, Final

import redis

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.adapters.redis.parts import LAST_ID, read_pages

MAX_COUNTED: Final = 1000
"""Entries that are counted one by one if Redis does not report the number."""
RETRY_SECONDS: Final = 60.0
"""Seconds until the groups of a stream are requested again after Redis could not send them.

Each attempt keeps Redis busy.
"""

MAX_AHEAD_SECONDS: Final = 5.0
"""How far a position may be ahead of this host's clock: ids contain the time of Redis's host."""
REREAD_SECONDS: Final = 900.0
"""Seconds of entries that are delivered again if the position before the last one is unknown."""

logger = logging.getLogger(__name__)


class Lag:
    """Reads lags. Safe to use from several threads at once.

    Every reader of a stream may create groups with any name. If Redis cannot send all of them, the last known
    lag is returned.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._last_lags: dict[tuple[str, str], int] = {}
        self._due: dict[str, float] = {}
        """When the groups of a stream are requested again (seconds of a monotonic clock)."""
        self._positions: dict[tuple[str, str], bytes] = {}
        """The last position of each stream and group that was not ahead."""
        self.own_groups: set[tuple[str, str]] = set()
        """Streams and groups in which this process reads. The positions of others are not changed."""

    def read(self, stream: str, group: str) -> int:
        before = self._last_lags.get((stream, group), 0)
        if time.monotonic() < self._due.get(stream, 0.0):
            return before
        with self._client.call() as raw:
            try:
                lag = self._read(raw, stream, group)
            except redis.ConnectionError:
                raw.ping()
                logger.warning("lag.read_failed stream=%s", stream)
                self._due[stream] = time.monotonic() + RETRY_SECONDS
                return before
        self._last_lags[stream, group] = lag
        return lag

    def _read(self, raw: Any, stream: str, name: str) -> int:
        key = PREFIX + stream
        try:
            groups = raw.xinfo_groups(key)
        except redis.ResponseError as error:
            if "no such key" not in str(error):
                raise
            return 0
        group = next((group for group in groups if group["name"] == name.encode()), None)
        if group is None:
            return int(raw.xlen(key))
        position, behind = group["last-delivered-id"], group.get("lag")
        if (stream, name) in self.own_groups and self._is_ahead(raw, key, position):
            position, behind = self._correct_position(raw, stream, name, position), None
        else:
            self._positions[stream, name] = position
        if behind is None:
            behind = self._count(raw, key, position)
        return int(group["pending"]) + int(behind)

    def _is_ahead(self, raw: Any, key: str, position: bytes) -> bool:
        """Whether the position is ahead of time and is not that of an entry."""
        limit = (time.time() + MAX_AHEAD_SECONDS) * 1000
        return _get_milliseconds(position) > limit and not raw.xrange(key, min=position, max=position)

    def _correct_position(self, raw: Any, stream: str, name: str, position: bytes) -> bytes:
        """Move the group back. Returns its position, which stays where this user may not move it."""
        first = b"%d-0" % max(0, (time.time() - REREAD_SECONDS) * 1000)
        earlier = self._positions.get((stream, name), first)
        try:
            raw.xgroup_setid(PREFIX + stream, name, earlier)
        except redis.ResponseError as error:
            logger.warning("group.position_kept stream=%s group=%s error=%s", stream, name, error)
            return position
        logger.warning("group.position_corrected stream=%s group=%s from=%s", stream, name, position.decode())
        return earlier

    def _count(self, raw: Any, key: str, last: bytes) -> int:
        """Count entries one by one: Redis reports no lag before version 7, or after a trim."""
        if last == LAST_ID:  # Redis refuses to read behind it
            return 0

        def ask(row: bytes | None, some: int) -> Any:
            return raw.xrange(key, min=b"(" + (row or last), count=some)

        return len(read_pages(ask, MAX_COUNTED, raw.ping, required=False))


def _get_milliseconds(position: bytes) -> int:
    return int(position.partition(b"-")[0])
