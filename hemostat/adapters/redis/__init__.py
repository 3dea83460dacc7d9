"""The ports on Redis, and an embedded Redis server for machines without one.

Keys, all with the prefix `hemostat:`. Every value is JSON; every time is epoch seconds.

<type>               stream       field `event`; one consumer group a role (responders: one a host)
<type>               channel      the same events, for subscribers
dead                 stream       dead letters: stream, id, error, time, event
deferred:<type>:<group>  sorted set  entries deferred by a group of that stream; score is the due time
deferred:<type>      sorted set   the same by earlier versions, for all groups
stats:<host>:<name>  string       last container_stats, expires; for third parties stats:<name>, too
heartbeat:<source>   string       last heartbeat, expires
live:<type>          sorted set   keys of the last values of both types; score is when they expire
history:<host>:<container>  list  the latest points (time, cpu, memory, network), oldest first, expires
incident:<host>:<id> string       the container named by the alerts of this incident, expires
incident:<host>:<id>:<note> string  notes of its latest alerts (core.ledger.alert_notes), expire
seal:<host>:<id>     string       of an operator's order under this incident, expires
memo:<key>           string       a role's state that must survive a restart
events:<type>        list         the newest stored events, newest first
event:<id>           string       one stored event, expires
outbox:<channel>     sorted set   incidents with a waiting notification; score is when it is due
outbox:<channel>:news  hash       the waiting notifications, by incident
told:<channel>:<incident>  string the last notification, expires
audit:<trail>        hash         number and hash of the ends of the database's audit chain
control:pauses       hash         pauses of remediation, by container, `*` for all
control:resets       hash         when an operator closed a circuit breaker, by container, `*` for all
approvals            hash         requests for approval and their answers, by attempt
past:<signature>     hash         precedents: outcomes for similar incidents, the newest 20, expires
advice:<likeness>    string       a model's advice for identical incidents, expires
advisor:spent        hash         cost of requests to models, the last two hours
advisor:version      counter      of the requests
evidence:<incident>  hash         evidence snapshots by occurrence and rung, the newest ten, expires
ledger:<host>:version      counter    of all writes to the host's ledger
ledger:<host>:running      hash       attempts without an outcome, by key
ledger:<host>:ended        list       the latest attempts that have an outcome, newest first
ledger:<host>:scaled       hash       raised limits that will be lowered again, by container
ledger:<host>:of:<name>    hash       attempts on one container, by key, expires

No other package knows these keys.

A name of this package is imported when first used: shell completion has no time for the client library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hemostat.adapters.redis.audit_anchor import RedisAuditAnchor
    from hemostat.adapters.redis.bus import RedisBus
    from hemostat.adapters.redis.client import Client, Tls, connect
    from hemostat.adapters.redis.controls import RedisControls
    from hemostat.adapters.redis.embedded import EmbeddedRedis, resolve_url
    from hemostat.adapters.redis.evidence import RedisEvidence
    from hemostat.adapters.redis.ledger import RedisLedger
    from hemostat.adapters.redis.outbox import RedisOutbox
    from hemostat.adapters.redis.precedents import RedisLlmBudget, RedisPrecedents
    from hemostat.adapters.redis.recent_events import RedisRecentEvents
    from hemostat.adapters.redis.trim import make_room

__all__ = [
    "Client",
    "EmbeddedRedis",
    "RedisAuditAnchor",
    "RedisBus",
    "RedisControls",
    "RedisEvidence",
    "RedisLedger",
    "RedisLlmBudget",
    "RedisOutbox",
    "RedisPrecedents",
    "RedisRecentEvents",
    "Tls",
    "connect",
    "make_room",
    "resolve_url",
]

_MODULES: Final = {
    "Client": "client",
    "EmbeddedRedis": "embedded",
    "RedisAuditAnchor": "audit_anchor",
    "RedisBus": "bus",
    "RedisControls": "controls",
    "RedisEvidence": "evidence",
    "RedisLedger": "ledger",
    "RedisLlmBudget": "precedents",
    "RedisOutbox": "outbox",
    "RedisPrecedents": "precedents",
    "RedisRecentEvents": "recent_events",
    "Tls": "client",
    "connect": "client",
    "make_room": "trim",
    "resolve_url": "embedded",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value
