"""Who may speak: a Redis ACL file with a user for each role, made from the topology. Text in, text out.

A grant is a set of commands on a set of keys and channels. Redis 7 takes each as a selector, so that a
command is allowed on the keys of its own grant alone, and tells reading a key from writing it. Redis 6 knows
neither: there a user may run any of its commands on any of its keys.

Scripts need their declared keys readable and writable in Redis 7 (`EVALSHA` cannot say what it will do with
them), and every command inside is checked against the user as if it were sent. Who may run scripts can keep
Redis busy for good with one, so those who only look, count or order may run none.

A monitor, a responder, and `hemostat all` can have a user for each host, which writes the keys of that host
alone.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from hemostat.adapters.redis.audit_anchor import AUDIT
from hemostat.adapters.redis.bus import DEAD, INCIDENT, SEAL
from hemostat.adapters.redis.client import HOST_USERS, PREFIX
from hemostat.adapters.redis.controls import APPROVALS
from hemostat.adapters.redis.deferred import DEFERRED
from hemostat.adapters.redis.rows import QUARANTINE
from hemostat.events import DURABLE, TYPES
from hemostat.streams import PEOPLE, ROLES, Role

NEWEST: Final = 7
VERSIONS: Final = (NEWEST, 6)
EVERY_ROLE: Final = "hemostat-all"
"""For `hemostat all`, whose roles share their settings."""
METRICS: Final = "hemostat-metrics"
VIEWER: Final = "hemostat-viewer"
OPERATOR: Final = "hemostat-operator"
CONNECTION: Final = ("ping", "select", "multi", "exec")
SCRIPTS: Final = ("evalsha", "script|load")
CONSUMING: Final = (
    "xreadgroup", "xack", "xclaim", "xautoclaim", "xpending",
    "xgroup|create", "xinfo|groups", "xlen", "xrange",
)  # fmt: skip
CONTROL: Final = f"{PREFIX}control:*"
EVIDENCE: Final = f"{PREFIX}evidence:*"
PAST: Final = f"{PREFIX}past:*"
HISTORY_OF: Final = f"{PREFIX}history:"
HISTORY: Final = f"{HISTORY_OF}*"
LEDGER: Final = f"{PREFIX}ledger:"
ANY: Final = "*"
"""Every host."""
SERVER_LIMITS: Final = ("maxmemory-clients 64mb", "proto-max-bulk-len 32mb")
"""Of redis.conf, since Redis 7. Without the first, answers that a user asks for and does not read fill the
memory, and a user that only reads can keep everybody from writing."""
HOST_ROLES: Final = ("monitor", "responder")
"""The roles that have a user for each host."""
HOST_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Grant(NamedTuple):
    commands: tuple[str, ...]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    both: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


def user(role: Role, host: str = ANY) -> str:
    """The role's user; that of one host, where the role has one for each."""
    return _named_after(f"hemostat-{role.name}", host if role.name in HOST_ROLES else ANY)


def grants(hosts: Iterable[str] = ()) -> dict[str, list[Grant]]:
    """Every user, with what it may do beyond connecting; those of these hosts besides."""
    own = {name: allowed for host in hosts for name, allowed in _roles(host).items()}
    shared = {**_roles(ANY), VIEWER: list(_VIEWS), OPERATOR: [*_VIEWS, *_DECIDES]}
    return shared | {name: allowed for name, allowed in own.items() if name not in shared}


def grants_of(name: str) -> list[Grant] | None:
    """What a user of this name may do; None for one that is not HemoStat's."""
    host = next((name.removeprefix(each) for each in HOST_USERS if name.startswith(each)), None)
    return grants([host] if host else ()).get(name)


def is_host_name(host: str) -> bool:
    """Whether a host of this name can have users of its own: its keys must be no pattern, and no other
    host's."""
    return bool(HOST_NAME.fullmatch(host))


def _roles(host: str) -> dict[str, list[Grant]]:
    roles = {
        user(role, host): [*_speaks(role, host), *_consumes(role, host), *_KEEPS[role.name](host)]
        for role in ROLES
    }
    repairs = (Grant(("hgetall", "hdel"), both=(QUARANTINE,)), Grant(("hdel",), both=(CONTROL,)))
    every = [*(grant for own in roles.values() for grant in own), *_COUNTS, *repairs]
    return {**roles, METRICS: list(_COUNTS), _named_after(EVERY_ROLE, host): every}


def _named_after(name: str, host: str) -> str:
    return name if host == ANY else f"{name}-{host}"


def acl(hashes: Mapping[str, str], *, version: int = NEWEST, hosts: Iterable[str] = ()) -> str:
    """The file's lines, for Redis of this major version. `hashes`: SHA-256 of passwords by user, in
    hexadecimal; who has none cannot log in."""
    write = _selectors if version >= NEWEST else _merged
    lines = [
        f"user {name} on {_password(hashes.get(name))} resetkeys resetchannels -@all {write(allowed)}"
        for name, allowed in grants(hosts).items()
    ]
    return "\n".join(["user default off resetpass resetkeys resetchannels -@all", *lines]) + "\n"


def _password(digest: str | None) -> str:
    return f"#{digest}" if digest else "resetpass"


def _speaks(role: Role, host: str) -> Iterator[Grant]:
    """Its streams, and what it shows: the scripts that do the latter declare no keys."""
    live = tuple(f"{PREFIX}live:{kind}" for kind in role.shows)
    last = [f"{PREFIX}heartbeat:{role.name}@*"]
    if "container_stats" in role.shows:
        last.append(_of(f"{PREFIX}stats:", host))
    if role.writes:
        yield Grant(("xadd",), writes=_named(role.writes))
    yield Grant(("publish",), channels=_named((*role.writes, *role.shows)))
    yield Grant(SCRIPTS)
    yield Grant(("set",), writes=tuple(last))
    if "container_stats" in role.shows:
        yield Grant(("rpush", "ltrim", "pexpire"), writes=(_of(HISTORY_OF, host),))
    yield Grant(("zadd", "zremrangebyscore"), writes=live)


def _consumes(role: Role, host: str) -> Iterator[Grant]:
    if not role.reads:
        return
    yield Grant(CONSUMING, both=_named(role.reads))
    yield Grant(("xadd",), writes=(DEAD,))
    if role.defers:
        put_off = tuple(DEFERRED + stream for stream in role.reads)
        yield Grant((*SCRIPTS, "zrangebyscore", "zrem", "zadd"), both=put_off)
        own = tuple(f"{DEFERRED}{stream}:{role.group(host)}" for stream in role.reads)
        yield Grant((*SCRIPTS, "zrangebyscore", "zrem", "zadd"), both=own)
        yield Grant(("xadd",), writes=_named(role.reads))


def _of(prefix: str, host: str) -> str:
    """The keys of one host, or of all."""
    return f"{prefix}*" if host == ANY else f"{prefix}{host}:*"


def _named(types: Iterable[str]) -> tuple[str, ...]:
    return tuple(PREFIX + kind for kind in types)


_LOOKS_BACK: Final = Grant(("lrange",), reads=(HISTORY,))
_READS_DEAD: Final = Grant(("xlen", "xrevrange"), reads=(DEAD,))
_SURVEYS: Final = (
    Grant(("hvals",), reads=(f"{PREFIX}ledger:*:running",)),
    Grant(("get",), reads=(f"{PREFIX}ledger:*:version",)),
    Grant(("lrange",), reads=(f"{PREFIX}ledger:*:ended",)),
)
_VIEWS: Final = (
    _LOOKS_BACK,
    Grant(("xrevrange", "xrange", "xinfo|groups", "xlen"), reads=_named(DURABLE)),
    Grant(("subscribe", "unsubscribe"), channels=_named(TYPES)),
    Grant(("zrange",), reads=(f"{PREFIX}live:*",)),
    _READS_DEAD,
    Grant(("mget",), reads=(f"{PREFIX}heartbeat:*", f"{PREFIX}stats:*")),
    Grant(("hgetall",), reads=(CONTROL, APPROVALS, f"{AUDIT}*")),
    Grant(("hvals",), reads=(EVIDENCE, PAST)),
    Grant(("hgetall",), reads=(QUARANTINE,)),
    *_SURVEYS,
)
_COUNTS: Final = (
    Grant(("xrange", "xinfo|groups", "xlen"), reads=_named(DURABLE)),
    Grant(("zrange",), reads=(f"{PREFIX}live:*",)),
    Grant(("mget",), reads=(f"{PREFIX}heartbeat:*", f"{PREFIX}stats:*")),
    Grant(("xlen",), reads=(DEAD,)),
    Grant(("hgetall",), reads=(CONTROL, APPROVALS)),
    Grant(("zcard",), reads=(f"{PREFIX}outbox:*",)),
    *_SURVEYS,
    Grant(("get", "set"), both=(f"{PREFIX}memo:metrics",)),
)
_SETS_ASIDE: Final = Grant((*SCRIPTS, "hlen", "hset"), both=(QUARANTINE,))
_DECIDES: Final = (
    Grant(("hdel",), writes=(QUARANTINE,)),
    Grant(("hset", "hdel"), writes=(CONTROL,)),
    Grant(("watch", "hget", "hset"), both=(APPROVALS,)),
    Grant(("hset",), writes=(f"{AUDIT}*",)),
    Grant(("xadd",), writes=_named(PEOPLE)),
    Grant(("set",), writes=(f"{SEAL}*",)),
    Grant(("publish",), channels=_named(PEOPLE)),
)
_KEEPS: Final[Mapping[str, Callable[[str], tuple[Grant, ...]]]] = {
    "monitor": lambda host: (
        Grant(("get", "set"), both=(f"{PREFIX}memo:monitor:{host}",)),
        Grant(("set",), writes=(_of(INCIDENT, host),)),
        Grant(("hvals",), reads=(_of(LEDGER, host),)),
        Grant(("set",), writes=(f"{LEDGER}{host}:stop:*",)),
        Grant(("zrange",), reads=(f"{PREFIX}live:heartbeat",)),
        Grant(("mget",), reads=(f"{PREFIX}heartbeat:*",)),
    ),
    "analyzer": lambda _: (
        _LOOKS_BACK,
        Grant(("xrevrange",), reads=_named(DURABLE)),
        Grant(("hvals",), reads=(EVIDENCE,)),
        Grant(("hgetall", "hvals", "hset", "hdel", "expire"), both=(PAST,)),
        Grant(("get", "set"), both=(f"{PREFIX}advice:*",)),
        Grant(
            (*SCRIPTS, "get", "incr", "incrby", "hgetall", "hvals", "hset", "hdel"),
            both=(f"{PREFIX}advisor:*",),
        ),
        Grant(("set",), writes=(f"{PREFIX}advisor:version",)),
    ),
    "responder": lambda host: (
        _LOOKS_BACK,
        _SETS_ASIDE,
        Grant(("set",), writes=(f"{LEDGER}{host}:version",)),
        Grant(
            (
                *(*SCRIPTS, "get", "incr", "incrby", "lrange", "lpush", "lrem", "ltrim"),
                *("hset", "hsetnx", "hget", "hgetall", "hvals", "hdel"),
            ),
            both=(_of(LEDGER, host),),
        ),
        Grant(("get",), reads=(_of(INCIDENT, host), _of(SEAL, host))),
        Grant(("hgetall",), reads=(CONTROL,)),
        Grant((*SCRIPTS, "hgetall", "hsetnx", "hget", "hdel"), both=(APPROVALS,)),
        Grant((*SCRIPTS, "hsetnx", "expire", "hkeys", "hdel"), both=(EVIDENCE,)),
    ),
    "alert": lambda _: (
        _SETS_ASIDE,
        Grant((*SCRIPTS, "set", "lpush", "ltrim", "exists"), both=(f"{PREFIX}event:*", f"{PREFIX}events:*")),
        Grant(
            (
                *("hmget", "hget", "hset", "hdel", "expire"),
                *("zadd", "zcard", "zpopmin", "zrangebyscore", "zrem"),
            ),
            both=(f"{PREFIX}outbox:*",),
        ),
        Grant(("get", "set"), both=(f"{PREFIX}told:*",)),
        _READS_DEAD,
        Grant(("zrange",), reads=(f"{PREFIX}live:heartbeat",)),
        Grant(("mget",), reads=(f"{PREFIX}heartbeat:*",)),
        Grant((*SCRIPTS, "hget", "hset", "hgetall"), both=(f"{AUDIT}*",)),
    ),
}
"""What is a role's own, past its streams: of one host, or of all."""


def _selectors(allowed: Iterable[Grant]) -> str:
    return " ".join([_commands(CONNECTION), *(f"(-@all {_selector(grant)})" for grant in allowed)])


def _selector(grant: Grant) -> str:
    keys = (
        *(f"%R~{key}" for key in grant.reads),
        *(f"%W~{key}" for key in grant.writes),
        *(f"~{key}" for key in grant.both),
    )
    return " ".join((_commands(grant.commands), *keys, *(f"&{each}" for each in grant.channels)))


def _merged(allowed: Iterable[Grant]) -> str:
    every = list(allowed)
    commands = [*CONNECTION, *(name for grant in every for name in grant.commands)]
    keys = [f"~{key}" for grant in every for key in (*grant.reads, *grant.writes, *grant.both)]
    channels = [f"&{each}" for grant in every for each in grant.channels]
    return " ".join((_commands(dict.fromkeys(commands)), *dict.fromkeys(keys), *dict.fromkeys(channels)))


def _commands(names: Iterable[str]) -> str:
    return " ".join(f"+{name}" for name in names)
