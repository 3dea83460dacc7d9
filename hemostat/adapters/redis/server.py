"""Reads a Redis server's properties for `hemostat doctor`, without changing anything."""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import redis

from hemostat.adapters.redis import acl
from hemostat.adapters.redis.client import PREFIX, Client

NOT_NEEDED_TEXTS: Final = {
    acl.SCRIPT_COMMANDS[0]: "scripts are allowed, but not needed",
    acl.TRANSACTION_COMMAND: "transactions are allowed, but not needed",
}
PROBE_KEY: Final = f"{PREFIX}doctor"
COMMAND_FORMS: Final = {
    "ping": "", "select": "0", "evalsha": f"{'0' * 40} 0", "script|load": "return",
    "get": "K", "set": "K v", "mget": "K", "exists": "K", "incr": "K", "incrby": "K 1",
    "expire": "K 1", "pexpire": "K 1", "hget": "K f", "hset": "K f v", "hsetnx": "K f v", "hdel": "K f",
    "hgetall": "K", "hvals": "K", "hkeys": "K", "hlen": "K", "hmget": "K f", "lrange": "K 0 0",
    "lpush": "K v", "lrem": "K 0 v",
    "rpush": "K v", "ltrim": "K 0 0", "zadd": "K 1 m", "zcard": "K", "zrange": "K 0 0",
    "zrangebyscore": "K 0 0", "zrem": "K m", "zremrangebyscore": "K 0 0", "zpopmin": "K",
    "xadd": "K * f v", "xack": "K g 0-1", "xclaim": "K g c 0 0-1", "xautoclaim": "K g c 0 0",
    "xpending": "K g", "xlen": "K", "xrange": "K - +", "xrevrange": "K + -",
    "xreadgroup": "GROUP g c STREAMS K >", "xgroup|create": "K g 0", "xgroup|setid": "K g 0",
    "xinfo|groups": "K", "publish": "K m", "watch": "K",
}  # fmt: skip
"""Arguments with which Redis queues each command in a transaction. K is a key. It is never executed."""
REFUSED_PATTERN: Final = re.compile(
    r"NOPERM|no permissions to run|unknown command|unknown subcommand", re.IGNORECASE
)
KEY_REFUSED_PATTERN: Final = re.compile(
    r"access (one of )?(the|a) key|access (one of )?(the|a) channel", re.IGNORECASE
)


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Properties of a Redis server. None: this user may not ask."""

    name: str = "Redis"
    version: str = ""
    cluster: bool = False
    master: str = ""
    """The address that this replica follows. Empty for a master."""
    policy: str = ""
    used: int = 0
    maximum: int = 0
    """Bytes of memory. 0: no limit."""
    evicted: int = 0
    append_only: bool = False
    snapshots: bool | None = None


def read_facts(client: Client) -> ServerFacts | None:
    """The server's properties. None if this user may not run INFO."""
    try:
        with client.call() as raw:
            info: Any = raw.info()
    except Exception as error:
        if "does not allow" in str(error):
            return None
        raise
    replica = info.get("role") == "slave"
    return ServerFacts(
        name=_find_name(info),
        version=str(info.get("valkey_version") or info.get("redis_version") or ""),
        cluster=info.get("redis_mode") == "cluster" or bool(info.get("cluster_enabled")),
        master=f"{info.get('master_host')}:{info.get('master_port')}" if replica else "",
        policy=str(info.get("maxmemory_policy", "")),
        used=int(info.get("used_memory", 0)),
        maximum=int(info.get("maxmemory", 0)),
        evicted=int(info.get("evicted_keys", 0)),
        append_only=bool(info.get("aof_enabled")),
        snapshots=_has_snapshots(client),
    )


def find_refused_commands(client: Client) -> list[str]:
    """Commands of HemoStat's roles that this Redis lacks or does not allow to this user.

    They are queued in a transaction that is never executed: its connection is closed.
    """
    with client.call() as raw:
        connection: Any = raw.connection_pool.get_connection()
    try:
        _ask(connection, "MULTI")
        return [
            name
            for name in list_needed_commands(client.user)
            if _is_refused(_ask(connection, *_make_words(name)))
        ]
    finally:
        connection.disconnect()
        client.raw.connection_pool.release(connection)


def find_outdated_rights(client: Client) -> list[str]:
    """Differences between a HemoStat user's rights and those that this version grants.

    A difference is a refused command on a key, or scripts or transactions that are allowed and not needed.
    Nothing is executed, as in `find_refused_commands`.
    """
    granted = acl.find_grants(client.user)
    if granted is None:
        return []
    connection: Any = client.raw.connection_pool.get_connection()
    try:
        # EXEC before MULTI runs nothing.
        not_needed = _find_not_needed(connection, granted, acl.TRANSACTION_COMMAND)
        _ask(connection, "MULTI")
        outdated_rights = [
            f"{name} on {key}"
            for grant in granted
            for name in grant.commands
            for key in _make_sample_keys(grant)
            if name in COMMAND_FORMS and KEY_REFUSED_PATTERN.search(_ask(connection, *_make_words(name, key)))
        ]
        return [
            *outdated_rights,
            *_find_not_needed(connection, granted, acl.SCRIPT_COMMANDS[0]),
            *not_needed,
        ]
    finally:
        connection.disconnect()
        client.raw.connection_pool.release(connection)


def _find_not_needed(connection: Any, granted: Iterable[acl.Grant], name: str) -> list[str]:
    """The text about a command that this user may run and does not need."""
    if any(name in grant.commands for grant in granted) or _is_refused(_ask(connection, *_make_words(name))):
        return []
    return [NOT_NEEDED_TEXTS[name]]


def _make_sample_keys(grant: acl.Grant) -> list[str]:
    """A sample key for each pattern of the grant."""
    return [key.replace("*", "doctor") for key in (*grant.reads, *grant.writes, *grant.both, *grant.channels)]


def list_needed_commands(user: str) -> list[str]:
    granted = acl.find_grants(user) or acl.list_grants()[acl.EVERY_ROLE_USER]
    every = (name for grant in granted for name in grant.commands)
    return sorted(COMMAND_FORMS.keys() & {*acl.CONNECTION_COMMANDS, *every})


def _find_name(info: dict[str, Any]) -> str:
    return "Valkey" if "valkey_version" in info or info.get("server_name") == "valkey" else "Redis"


def _has_snapshots(client: Client) -> bool | None:
    try:
        answer: Any = client.raw.config_get("save")
    except redis.RedisError:
        return None
    return bool(answer.get("save"))


def _make_words(name: str, key: str = PROBE_KEY) -> Iterable[str]:
    return [*name.split("|"), *(key if word == "K" else word for word in COMMAND_FORMS.get(name, "").split())]


def _ask(connection: Any, *words: str) -> str:
    """Redis's refusal. Empty if the command is allowed."""
    connection.send_command(*words)
    try:
        connection.read_response()
    except redis.ResponseError as error:
        return f"NOPERM {error}" if isinstance(error, redis.exceptions.NoPermissionError) else str(error)
    return ""


def _is_refused(error: str) -> bool:
    return bool(REFUSED_PATTERN.search(error)) and not KEY_REFUSED_PATTERN.search(error)
