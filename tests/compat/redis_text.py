"""Dump the keys of a Redis as JSON text, and load them: readable in a diff, and by any version of Redis."""

from typing import Any, Final

MIN_SECONDS: Final = 600
"""A loaded key lives at least this long, so that no key expires during a test."""
Key = dict[str, Any]


def dump(raw: Any) -> dict[str, Key]:
    """Every key with its type, its remaining seconds (0: it does not expire) and its value."""
    return {
        _text(name): {"type": kind, "seconds": max(0, raw.ttl(name)), "value": _READ[kind](raw, name)}
        for name, kind in sorted((name, _text(raw.type(name))) for name in raw.scan_iter())
    }


def load(raw: Any, keys: dict[str, Key]) -> None:
    for name, key in keys.items():
        _WRITE[key["type"]](raw, name, key["value"])
        if key["seconds"]:
            raw.expire(name, max(key["seconds"], MIN_SECONDS))


def _text(value: bytes) -> str:
    return value.decode()


def _pairs(fields: dict[bytes, bytes]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in fields.items()}


def _read_stream(raw: Any, name: bytes) -> Key:
    groups = {}
    for group in raw.xinfo_groups(name):
        pending = raw.xpending_range(name, group["name"], "-", "+", 1000) if group["pending"] else []
        groups[_text(group["name"])] = {
            "last_id": _text(group["last-delivered-id"]),
            "pending": [
                [_text(each["message_id"]), _text(each["consumer"]), each["times_delivered"]]
                for each in pending
            ],
        }
    entries = {_text(entry): _pairs(fields) for entry, fields in raw.xrange(name)}
    return {"entries": entries, "groups": groups}


def _write_stream(raw: Any, name: str, value: Key) -> None:
    for entry, fields in value["entries"].items():
        raw.xadd(name, fields, id=entry)
    for group, state in value["groups"].items():
        raw.xgroup_create(name, group, id=state["last_id"], mkstream=True)
        for entry, consumer, deliveries in state["pending"]:
            raw.xclaim(name, group, consumer, 0, [entry], retrycount=deliveries, force=True, justid=True)


_READ: Final = {
    "string": lambda raw, name: _text(raw.get(name)),
    "hash": lambda raw, name: _pairs(raw.hgetall(name)),
    "list": lambda raw, name: [_text(each) for each in raw.lrange(name, 0, -1)],
    "zset": lambda raw, name: {
        _text(each): score for each, score in raw.zrange(name, 0, -1, withscores=True)
    },
    "stream": _read_stream,
}
_WRITE: Final = {
    "string": lambda raw, name, value: raw.set(name, value),
    "hash": lambda raw, name, value: raw.hset(name, mapping=value),
    "list": lambda raw, name, value: raw.rpush(name, *value),
    "zset": lambda raw, name, value: raw.zadd(name, value),
    "stream": _write_stream,
}
