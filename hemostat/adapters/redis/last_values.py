"""The last values and the latest measurements of each container, for dashboards.

They are not restored after a crash of Redis, and all expire.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from hemostat.adapters.redis import keys as redis_keys
from hemostat.adapters.redis.client import PREFIX
from hemostat.adapters.redis.parts import read_parts
from hemostat.core.evidence.snapshot import MAX_POINTS, POINTS_TTL_SECONDS, MetricPoint, is_valid_point
from hemostat.events import ContainerStats, Event, Heartbeat, encode

MAX_LISTED: Final = 10_000
"""Last values of one type that are read, the earliest to expire first."""
KEY_NAMES: Final = {"container_stats": "stats"}
"""Key names by event type, if they differ."""

SHOW_SCRIPT: Final = """
-- Followers are told, the append-only file is not: what is lost with Redis would have expired anyway.
pcall(redis.replicate_commands)
pcall(redis.set_repl, redis.REPL_SLAVE)
local ttl, kept, kept_for = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local expires = math.floor(ttl * 1000)
for name, rows in pairs(cmsgpack.unpack(ARGV[5])) do
  local channel, live, latest = ARGV[1] .. name, ARGV[1] .. 'live:' .. name, 0
  for _, row in ipairs(rows) do
    local key, value, time, history, point, alias = unpack(row)
    redis.call('PUBLISH', channel, value)
    redis.call('SET', key, value, 'PX', expires)
    redis.call('ZADD', live, time + ttl, key)
    latest = math.max(latest, time)
    if history then
      if alias then redis.call('SET', alias, value, 'PX', expires) end
      if redis.call('RPUSH', history, point) > kept then redis.call('LTRIM', history, -kept, -1) end
      redis.call('PEXPIRE', history, kept_for)
    end
  end
  redis.call('ZREMRANGEBYSCORE', live, '-inf', latest)
end
"""
"""Arguments: prefix, seconds, points kept, their milliseconds, and rows by event type.

A row is key, event and time; for a container also the key of its history, the point, and the key without a
host for third parties. Single commands would cost the sender more than all its other work.
"""

Row = tuple[str | float, ...]


def make_arguments(events: Iterable[Event], ttl: float, *, shared: bool = True) -> list[object]:
    """The arguments of SHOW_SCRIPT. `shared`: also write the key without a host."""
    rows: dict[str, list[Row]] = {}
    for event in events:
        rows.setdefault(event.type, []).append(_make_row(event, shared=shared))
    return [PREFIX, ttl, MAX_POINTS, int(POINTS_TTL_SECONDS * 1000), msgspec.msgpack.encode(rows)]


def make_live_key(name: str) -> str:
    return f"{redis_keys.LIVE_PREFIX}{name}"


def make_key_prefix(name: str) -> bytes:
    """The prefix of the keys of last values.

    Several users may add to the list of these keys. Redis would refuse the whole request if one of them were
    a key that a reader may not read.
    """
    return f"{PREFIX}{KEY_NAMES.get(name, name)}:".encode()


def read_values(raw: Any, name: str) -> list[tuple[str, bytes]]:
    """The last values of one type, with their keys. A value too large to be sent affects no other."""

    def read_keys(indices: Sequence[int]) -> Any:
        return raw.zrange(make_live_key(name), indices[0], indices[-1])

    def read_pairs(keys: Sequence[bytes]) -> Any:
        return zip(keys, raw.mget(keys), strict=True)

    listed = read_parts(read_keys, range(MAX_LISTED), raw.ping)
    keys = [key for key in listed if key.startswith(make_key_prefix(name))]
    pairs = read_parts(read_pairs, keys, raw.ping)
    return [(key.decode(errors="replace"), value) for key, value in pairs if value]


def make_history_key(host: str, container: str) -> str:
    return f"{PREFIX}history:{host}:{container}"


def read_points(values: Iterable[bytes]) -> list[MetricPoint]:
    """The points without malformed ones and without numbers that cannot be shown: a reader must not fail
    because of another user's values."""
    points = []
    for value in values:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            points.append(msgspec.json.decode(value, type=MetricPoint))
    return [each for each in points if is_valid_point(each)]


def make_value_key(event: Event) -> str:
    """The key of an event's last value.

    Readers ignore a value under another key: users may write the keys that begin with their role's name.
    """
    match event.data:
        case ContainerStats(container=container):
            return f"{PREFIX}stats:{event.host}:{container.name}"
        case Heartbeat(role=role):
            return f"{PREFIX}heartbeat:{role}@{event.source.removeprefix(f'{role}@')}"
    return f"{PREFIX}{event.type}:{event.source}"


def _make_row(event: Event, *, shared: bool) -> Row:
    value, stats = encode(event).decode(), event.data
    if not isinstance(stats, ContainerStats):
        return make_value_key(event), value, event.time
    host, name = event.host, stats.container.name
    point = msgspec.json.encode(MetricPoint.from_stats(stats, event.time)).decode()
    row = (make_value_key(event), value, event.time, make_history_key(host, name), point)
    return (*row, f"{PREFIX}stats:{name}") if shared else row
