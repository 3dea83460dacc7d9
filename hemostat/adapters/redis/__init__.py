"""Redis: the bus, the ledger, the store, and a server of our own where there is none.

Keys, all with the prefix `hemostat:`. Every value is JSON; every time is epoch seconds.

    <type>               stream       field `event`; one group a role (responders: one a host)
    <type>               channel      the same events, for whoever listens
    dead                 stream       stream, id, error, time, event: what could not be handled
    deferred:<type>:<group>  sorted set  what a group of that stream has put off; score is until when
    deferred:<type>      sorted set   the same of earlier versions, for all groups
    stats:<host>:<name>  string       last container_stats, expires; for third parties stats:<name>, too
    heartbeat:<source>   string       last heartbeat, expires
    live:<type>          sorted set   which of those two there are; score is when they expire
    history:<host>:<container>  list  the latest points (time, cpu, memory, network), oldest first, expires
    incident:<host>:<id> string       the container that an alert told of under this incident, expires
    seal:<host>:<id>     string       of an order that a person gave under this incident, expires
    memo:<key>           string       what a role must remember over a restart
    events:<type>        list         the newest stored events, newest first
    event:<id>           string       one stored event, expires
    outbox:<channel>     sorted set   incidents that a channel is to be told of; score is when
    outbox:<channel>:news  hash       what it is to be told, by incident
    told:<channel>:<incident>  string what it was told last, expires
    audit:<trail>        hash         number and hash of the ends of the database's audit trail
    control:pauses       hash         the kill switch, by container, `*` for all
    control:resets       hash         when a person closed a breaker, by container, `*` for all
    approvals            hash         requests for a person's approval and the answers, by attempt
    past:<signature>     hash         how remediations of like incidents ended, the newest 20, expires
    advice:<likeness>    string       what a model advised for incidents just alike, expires
    advisor:spent        hash         what requests to models cost, the last two hours
    advisor:version      counter      of the requests
    evidence:<incident>  hash         dossiers by occurrence and rung, the newest ten, expires
    ledger:<host>:version      counter    of everything written to the host's ledger
    ledger:<host>:running      hash       attempts without an outcome, by key
    ledger:<host>:ended        list       the latest attempts that have an outcome, newest first
    ledger:<host>:scaled       hash       limits that are raised and come back down, by container
    ledger:<host>:of:<name>    hash       attempts on one container, by key

No other package knows these.
"""

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
    "resolve_url",
]
