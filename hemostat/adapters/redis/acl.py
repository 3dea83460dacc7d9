"""Redis access control: generates an ACL file with a user for each role from the roles' streams.

A grant is a set of commands on a set of keys and channels. In Redis 7 each grant is a selector: a command is
allowed only on the keys of its own grant, and reading a key is a separate right from writing it. In Redis 6 a
user may run any of its commands on any of its keys.

In Redis 7 a script's declared keys must be readable and writable (`EVALSHA` cannot declare what it does with
them), and every command inside is checked as if the user had sent it. A user that may run scripts can block
Redis forever with one, so users for viewing, metrics or orders may not run scripts. A transaction of many
reads blocks it too: users for viewing and metrics may queue one (`hemostat doctor`), and not run it.

A monitor, a responder and `hemostat all` can have a user for each host, which writes only that host's keys.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from hemostat.adapters.redis.audit_anchor import AUDIT_PREFIX
from hemostat.adapters.redis.bus import DEAD_LETTER_STREAM
from hemostat.adapters.redis.client import HOST_USERS, PREFIX
from hemostat.adapters.redis.controls import APPROVALS_KEY
from hemostat.adapters.redis.deferred import DEFERRED_PREFIX
from hemostat.adapters.redis.incident_notes import INCIDENT_PREFIX, SEAL_PREFIX
from hemostat.adapters.redis.rows import QUARANTINE_KEY
from hemostat.core.settings.engine_mistakes import NAME_PATTERN
from hemostat.events import DURABLE, TYPES
from hemostat.streams import PEOPLE_EVENTS, ROLES, Role

NEWEST_VERSION: Final = 7
EVERY_ROLE_USER: Final = "hemostat-all"
"""The user of `hemostat all`, whose roles share their settings."""
METRICS_USER: Final = "hemostat-metrics"
VIEWER_USER: Final = "hemostat-viewer"
OPERATOR_USER: Final = "hemostat-operator"
CONNECTION_COMMANDS: Final = ("ping", "select", "multi")
SCRIPT_COMMANDS: Final = ("evalsha", "script|load")
TRANSACTION_COMMAND: Final = "exec"
CONSUMER_COMMANDS: Final = (
    "xreadgroup", "xack", "xclaim", "xautoclaim", "xpending",
    "xgroup|create", "xgroup|setid", "xinfo|groups", "xlen", "xrange",
)  # fmt: skip
CONTROL_KEYS: Final = f"{PREFIX}control:*"
EVIDENCE_KEYS: Final = f"{PREFIX}evidence:*"
PRECEDENT_KEYS: Final = f"{PREFIX}past:*"
HISTORY_PREFIX: Final = f"{PREFIX}history:"
HISTORY_KEYS: Final = f"{HISTORY_PREFIX}*"
LEDGER_PREFIX: Final = f"{PREFIX}ledger:"
ANY_HOST: Final = "*"
"""Pattern for every host."""
SERVER_LIMITS: Final = (
    "maxmemory-clients 64mb", "client-output-buffer-limit normal 64mb 0 0", "proto-max-bulk-len 32mb"
)  # fmt: skip
"""Options of redis.conf, since Redis 7.

Without the first, unread answers fill the memory, and a user that only reads can stop all writes. Only the
second limits the answers of a transaction.
"""
HOST_ROLES: Final = ("monitor", "responder")
"""The roles that have a user for each host."""


class Grant(NamedTuple):
    commands: tuple[str, ...]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    both: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


def get_user_name(role: Role, host: str = ANY_HOST) -> str:
    """The role's user, of one host if the role has a user for each host."""
    return _append_host(f"hemostat-{role.name}", host if role.name in HOST_ROLES else ANY_HOST)


def list_grants(hosts: Iterable[str] = ()) -> dict[str, list[Grant]]:
    """Every user, with its rights beyond connecting, including the users of these hosts."""
    own = {name: allowed for host in hosts for name, allowed in _list_role_grants(host).items()}
    shared = {
        **_list_role_grants(ANY_HOST),
        VIEWER_USER: list(_VIEWER_GRANTS),
        OPERATOR_USER: [*_VIEWER_GRANTS, *_OPERATOR_GRANTS],
    }
    return shared | {name: allowed for name, allowed in own.items() if name not in shared}


def find_grants(name: str) -> list[Grant] | None:
    """The rights of a user by name. None for a user that is not HemoStat's."""
    host = next((name.removeprefix(each) for each in HOST_USERS if name.startswith(each)), None)
    return list_grants([host] if host else ()).get(name)


def is_host_name(host: str) -> bool:
    """Whether a host of this name can have users of its own: its keys must not be patterns or another host's
    keys.
    """
    return bool(NAME_PATTERN.fullmatch(host))


def _list_role_grants(host: str) -> dict[str, list[Grant]]:
    roles = {
        get_user_name(role, host): [
            *_list_publish_grants(role, host),
            *_list_consume_grants(role, host),
            *_STORE_GRANTS[role.name](host),
        ]
        for role in ROLES
    }
    repairs = (Grant(("hgetall", "hdel"), both=(QUARANTINE_KEY,)), Grant(("hdel",), both=(CONTROL_KEYS,)))
    every = [*(grant for own in roles.values() for grant in own), *_METRICS_GRANTS, *repairs]
    return {**roles, METRICS_USER: list(_METRICS_GRANTS), _append_host(EVERY_ROLE_USER, host): every}


def _append_host(name: str, host: str) -> str:
    return name if host == ANY_HOST else f"{name}-{host}"


def format_acl(hashes: Mapping[str, str], *, version: int = NEWEST_VERSION, hosts: Iterable[str] = ()) -> str:
    """The lines of the file, for Redis of this major version.

    `hashes`: SHA-256 of passwords by user, in hexadecimal. A user without one cannot log in.
    """
    write = _format_selectors if version >= NEWEST_VERSION else _format_merged
    lines = [
        f"user {name} on {_format_password(hashes.get(name))} resetkeys resetchannels -@all {write(allowed)}"
        for name, allowed in list_grants(hosts).items()
    ]
    return "\n".join(["user default off resetpass resetkeys resetchannels -@all", *lines]) + "\n"


def _format_password(digest: str | None) -> str:
    return f"#{digest}" if digest else "resetpass"


def _list_publish_grants(role: Role, host: str) -> Iterator[Grant]:
    """The role's streams and last values. The scripts that write last values declare no keys."""
    live = tuple(f"{PREFIX}live:{kind}" for kind in role.shows)
    last = [f"{PREFIX}heartbeat:{role.name}@*"]
    if "container_stats" in role.shows:
        last.append(_make_key_pattern(f"{PREFIX}stats:", host))
    if role.writes:
        yield Grant(("xadd",), writes=_make_stream_keys(role.writes))
    yield Grant(("publish",), channels=_make_stream_keys((*role.writes, *role.shows)))
    yield Grant((*SCRIPT_COMMANDS, TRANSACTION_COMMAND))
    yield Grant(("set",), writes=tuple(last))
    if "container_stats" in role.shows:
        yield Grant(("rpush", "ltrim", "pexpire"), writes=(_make_key_pattern(HISTORY_PREFIX, host),))
    yield Grant(("zadd", "zremrangebyscore"), writes=live)


def _list_consume_grants(role: Role, host: str) -> Iterator[Grant]:
    if not role.reads:
        return
    yield Grant(CONSUMER_COMMANDS, both=_make_stream_keys(role.reads))
    yield Grant(("xadd",), writes=(DEAD_LETTER_STREAM,))
    if role.defers:
        put_off = tuple(DEFERRED_PREFIX + stream for stream in role.reads)
        yield Grant((*SCRIPT_COMMANDS, "zrangebyscore", "zrem", "zadd"), both=put_off)
        own = tuple(f"{DEFERRED_PREFIX}{stream}:{role.make_group_name(host)}" for stream in role.reads)
        yield Grant((*SCRIPT_COMMANDS, "zrangebyscore", "zrem", "zadd"), both=own)
        yield Grant(("xadd",), writes=_make_stream_keys(role.reads))


def _make_key_pattern(prefix: str, host: str) -> str:
    """The pattern of one host's keys, or of all."""
    return f"{prefix}*" if host == ANY_HOST else f"{prefix}{host}:*"


def _make_stream_keys(types: Iterable[str]) -> tuple[str, ...]:
    return tuple(PREFIX + kind for kind in types)


_HISTORY_GRANT: Final = Grant(("lrange",), reads=(HISTORY_KEYS,))
_DEAD_LETTER_GRANT: Final = Grant(("xlen", "xrevrange"), reads=(DEAD_LETTER_STREAM,))
_OVERVIEW_GRANTS: Final = (
    Grant(("hvals",), reads=(f"{PREFIX}ledger:*:running",)),
    Grant(("get",), reads=(f"{PREFIX}ledger:*:version",)),
    Grant(("lrange",), reads=(f"{PREFIX}ledger:*:ended",)),
)
_VIEWER_GRANTS: Final = (
    _HISTORY_GRANT,
    Grant(("xrevrange", "xrange", "xinfo|groups", "xlen"), reads=_make_stream_keys(DURABLE)),
    Grant(("subscribe", "unsubscribe"), channels=_make_stream_keys(TYPES)),
    Grant(("zrange",), reads=(f"{PREFIX}live:*",)),
    _DEAD_LETTER_GRANT,
    Grant(("mget",), reads=(f"{PREFIX}heartbeat:*", f"{PREFIX}stats:*")),
    Grant(("hgetall",), reads=(CONTROL_KEYS, APPROVALS_KEY, f"{AUDIT_PREFIX}*")),
    Grant(("hvals",), reads=(EVIDENCE_KEYS, PRECEDENT_KEYS)),
    Grant(("hgetall",), reads=(QUARANTINE_KEY,)),
    *_OVERVIEW_GRANTS,
)
_METRICS_GRANTS: Final = (
    Grant(("xrange", "xinfo|groups", "xlen"), reads=_make_stream_keys(DURABLE)),
    Grant(("zrange",), reads=(f"{PREFIX}live:*",)),
    Grant(("mget",), reads=(f"{PREFIX}heartbeat:*", f"{PREFIX}stats:*")),
    Grant(("xlen",), reads=(DEAD_LETTER_STREAM,)),
    Grant(("hgetall",), reads=(CONTROL_KEYS, APPROVALS_KEY)),
    Grant(("zcard",), reads=(f"{PREFIX}outbox:*",)),
    *_OVERVIEW_GRANTS,
    Grant(("get", "set"), both=(f"{PREFIX}memo:metrics",)),
)
_QUARANTINE_GRANT: Final = Grant((*SCRIPT_COMMANDS, "hlen", "hset"), both=(QUARANTINE_KEY,))
_OPERATOR_GRANTS: Final = (
    Grant((TRANSACTION_COMMAND,)),
    Grant(("hdel",), writes=(QUARANTINE_KEY,)),
    Grant(("hset", "hdel"), writes=(CONTROL_KEYS,)),
    Grant(("watch", "hget", "hset"), both=(APPROVALS_KEY,)),
    Grant(("hset",), writes=(f"{AUDIT_PREFIX}*",)),
    Grant(("xadd",), writes=_make_stream_keys(PEOPLE_EVENTS)),
    Grant(("set",), writes=(f"{SEAL_PREFIX}*",)),
    Grant(("publish",), channels=_make_stream_keys(PEOPLE_EVENTS)),
)
_STORE_GRANTS: Final[Mapping[str, Callable[[str], tuple[Grant, ...]]]] = {
    "monitor": lambda host: (
        Grant(("get", "set"), both=(f"{PREFIX}memo:monitor:{host}",)),
        Grant(("set",), writes=(_make_key_pattern(INCIDENT_PREFIX, host),)),
        Grant(("hvals",), reads=(_make_key_pattern(LEDGER_PREFIX, host),)),
        Grant(("set",), writes=(f"{LEDGER_PREFIX}{host}:stop:*",)),
        Grant(("zrange",), reads=(f"{PREFIX}live:heartbeat",)),
        Grant(("mget",), reads=(f"{PREFIX}heartbeat:*",)),
    ),
    "analyzer": lambda _: (
        _HISTORY_GRANT,
        Grant(("xrevrange",), reads=_make_stream_keys(DURABLE)),
        Grant(("hvals",), reads=(EVIDENCE_KEYS,)),
        Grant(("hgetall", "hvals", "hset", "hdel", "expire"), both=(PRECEDENT_KEYS,)),
        Grant(("get", "set"), both=(f"{PREFIX}advice:*",)),
        Grant(
            (*SCRIPT_COMMANDS, "get", "incr", "incrby", "hgetall", "hvals", "hset", "hdel"),
            both=(f"{PREFIX}advisor:*",),
        ),
        Grant(("set",), writes=(f"{PREFIX}advisor:version",)),
    ),
    "responder": lambda host: (
        _HISTORY_GRANT,
        _QUARANTINE_GRANT,
        Grant(("set",), writes=(f"{LEDGER_PREFIX}{host}:version",)),
        Grant(
            (
                *(*SCRIPT_COMMANDS, "get", "incr", "incrby", "lrange", "lpush", "lrem", "ltrim"),
                *("hset", "hsetnx", "hget", "hgetall", "hvals", "hdel", "expire"),
            ),
            both=(_make_key_pattern(LEDGER_PREFIX, host),),
        ),
        Grant(
            ("get",), reads=(_make_key_pattern(INCIDENT_PREFIX, host), _make_key_pattern(SEAL_PREFIX, host))
        ),
        Grant(("hgetall",), reads=(CONTROL_KEYS,)),
        Grant((*SCRIPT_COMMANDS, "hgetall", "hsetnx", "hget", "hdel"), both=(APPROVALS_KEY,)),
        Grant((*SCRIPT_COMMANDS, "hsetnx", "expire", "hkeys", "hdel"), both=(EVIDENCE_KEYS,)),
    ),
    "alert": lambda _: (
        _QUARANTINE_GRANT,
        Grant(
            (*SCRIPT_COMMANDS, "get", "set", "lpush", "ltrim"),
            both=(f"{PREFIX}event:*", f"{PREFIX}events:*"),
        ),
        Grant(
            (
                *("hmget", "hget", "hset", "hdel", "expire"),
                *("zadd", "zcard", "zpopmin", "zrangebyscore", "zrem"),
            ),
            both=(f"{PREFIX}outbox:*",),
        ),
        Grant(("get", "set"), both=(f"{PREFIX}told:*",)),
        _DEAD_LETTER_GRANT,
        Grant(("zrange",), reads=(f"{PREFIX}live:heartbeat",)),
        Grant(("mget",), reads=(f"{PREFIX}heartbeat:*",)),
        Grant((*SCRIPT_COMMANDS, "hget", "hset", "hgetall"), both=(f"{AUDIT_PREFIX}*",)),
    ),
}
"""A role's rights beyond its streams, for one host or for all."""


def _format_selectors(allowed: Iterable[Grant]) -> str:
    return " ".join(
        [_format_commands(CONNECTION_COMMANDS), *(f"(-@all {_format_selector(grant)})" for grant in allowed)]
    )


def _format_selector(grant: Grant) -> str:
    keys = (
        *(f"%R~{key}" for key in grant.reads),
        *(f"%W~{key}" for key in grant.writes),
        *(f"~{key}" for key in grant.both),
    )
    return " ".join((_format_commands(grant.commands), *keys, *(f"&{each}" for each in grant.channels)))


def _format_merged(allowed: Iterable[Grant]) -> str:
    every = list(allowed)
    commands = [*CONNECTION_COMMANDS, *(name for grant in every for name in grant.commands)]
    keys = [f"~{key}" for grant in every for key in (*grant.reads, *grant.writes, *grant.both)]
    channels = [f"&{each}" for grant in every for each in grant.channels]
    return " ".join(
        (_format_commands(dict.fromkeys(commands)), *dict.fromkeys(keys), *dict.fromkeys(channels))
    )


def _format_commands(names: Iterable[str]) -> str:
    return " ".join(f"+{name}" for name in names)
