"""What one user of Redis can leave in keys that others read: a real Redis, and all roles at work."""

import select
import socket
from contextlib import suppress
from functools import partial

import msgspec
import pytest
import redis

from hemostat.adapters.redis import RedisBus
from hemostat.adapters.redis.acl import (
    METRICS_USER,
    OPERATOR_USER,
    SERVER_LIMITS,
    VIEWER_USER,
    get_user_name,
)
from hemostat.adapters.redis.repair import find_in_place, remove_in_place
from hemostat.events import Heartbeat
from hemostat.streams import ROLES, ROLES_BY_NAME
from tests.redteam.site import (
    ALERT,
    ANALYZER,
    FOR_EVER,
    HOST,
    MONITOR,
    OTHER,
    RESPONDER,
    STRANGER,
    Site,
    is_healed,
)
from tests.support.engine_fixtures import eventually
from tests.support.guarded_redis import ADMIN, Guarded, guarded, takes
from tests.support.samples import alert, event

pytestmark = pytest.mark.redis
STRANGE_RESPONDER = get_user_name(ROLES_BY_NAME["responder"], OTHER)
LAST_ID = f"{2**64 - 1}-{2**64 - 1}"
OPTIONS = [word for limit in SERVER_LIMITS for word in f"--{limit}".split()]


def hears_all(bus: RedisBus) -> bool:
    return len(bus.read_last_values("heartbeat")) == len(ROLES)


@pytest.mark.parametrize("name", [ALERT, ANALYZER, STRANGE_RESPONDER, STRANGER, RESPONDER])
def test_foreign_key_in_the_heartbeat_list_stops_no_reader(site: Site, server: Guarded, name: str) -> None:
    """Each role adds its key to the list. A key that readers may not read must not cost them the others."""
    keys = ["hemostat:none", "hemostat:seal:x", "hemostat:heartbeats", b"hemostat:\xff", ""]
    server.client(name).raw.zadd("hemostat:live:heartbeat", dict.fromkeys(keys, FOR_EVER))
    for reader in (VIEWER_USER, MONITOR, ALERT, METRICS_USER):
        eventually(partial(hears_all, site.bus(reader)))
    seen = server.client(ADMIN).raw.get("hemostat:heartbeat:monitor@i")
    eventually(lambda: server.client(ADMIN).raw.get("hemostat:heartbeat:monitor@i") != seen)
    site.engine.crash("web", 7)
    eventually(lambda: is_healed(site))


def test_foreign_key_in_the_stats_list_stops_no_reader(site: Site, server: Guarded) -> None:
    server.client(STRANGER).raw.zadd("hemostat:live:container_stats", {"hemostat:none": FOR_EVER})
    for reader in (VIEWER_USER, METRICS_USER):
        assert {
            each.data.container.name for each in site.bus(reader).read_last_values("container_stats")
        } == {
            "web",
            "db",
        }


@pytest.mark.parametrize("source", ["alert@x", "responder@x"])
def test_role_cannot_publish_a_heartbeat_of_another(site: Site, server: Guarded, source: str) -> None:
    """The monitor takes the mode of this host's responders from theirs."""
    beat = Heartbeat(role="responder", instance="x", pid=1, started=0.0, every=2.0, mode="dry-run")
    forged = msgspec.structs.replace(event(beat, host=HOST), source=source)
    raw = server.client(ALERT).raw
    raw.set("hemostat:heartbeat:alert@x", msgspec.json.encode(forged))
    raw.zadd("hemostat:live:heartbeat", {"hemostat:heartbeat:alert@x": FOR_EVER})
    assert "x" not in [each.data.instance for each in site.bus(VIEWER_USER).read_last_values("heartbeat")]


@pytest.mark.parametrize("stream", ROLES_BY_NAME["responder"].reads)
def test_reader_without_deferrals_cannot_return_requests(server: Guarded, stream: str) -> None:
    """The responder adds to the stream what is in the list: who writes the list would write requests."""
    for name in (ALERT, ANALYZER):
        with pytest.raises(Exception, match=r"no permission|NOPERM"):
            server.client(name).raw.zadd(f"hemostat:deferred:{stream}", {"0-1\x1f{}": 1.0})


@pytest.mark.parametrize("group", ["", "responder:h"])
@pytest.mark.parametrize("member", [b"none", b"\x1f{}", b"", b"\x1f", b"\xff\xfe\x1f{}", b"1-1\x1f\xff"])
def test_unreadable_deferred_request_returns_to_the_stream(
    server: Guarded, group: str, member: bytes
) -> None:
    """There it is buried like any other. Kept, it would end each responder as it begins."""
    raw = server.client(ADMIN).raw
    raw.flushall()
    key = f"hemostat:deferred:order:{group}".removesuffix(":")
    raw.zadd(key, {member: 1.0})
    bus = RedisBus(server.client(RESPONDER))
    if group:
        (entry,) = bus.read_due(group, ["order"], 2.0, count=9).entries
        assert entry.event is None
        bus.postpone(group, [(entry, 3.0)])
        assert raw.zscore(key, member) == 3.0
        assert bus.requeue(group, [entry]) == 1
    else:
        assert bus.requeue_due("", ["order"], 2.0) == 1
    assert raw.zcard(key) == 0
    (left,) = bus.read_after("order", "0", 9)
    assert left.event is None


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        (ANALYZER, "remediation_needed"),
        (STRANGER, "health_alert"),
        (STRANGE_RESPONDER, "remediation_complete"),
    ],
)
def test_blocked_stream_is_reported_and_repaired(
    site: Site, server: Guarded, caplog: pytest.LogCaptureFixture, name: str, stream: str
) -> None:
    """Whoever may add an entry may give it the last possible id. Roles wait, say so, and go on afterwards."""
    server.client(name).raw.xadd(f"hemostat:{stream}", {"event": "x"}, id=LAST_ID)
    site.engine.crash("web", 7)
    eventually(lambda: "accepts no more entries" in caplog.text)
    admin = server.client(ADMIN)
    (row,) = find_in_place(admin)
    assert row.key == f"hemostat:{stream}"
    remove_in_place(admin, row)
    assert find_in_place(admin) == []
    eventually(lambda: is_healed(site), seconds=20)
    assert site.engine.inspect("web").is_running


def test_streams_that_take_entries_are_not_repaired(site: Site, server: Guarded) -> None:
    site.crash_and_heal()
    assert find_in_place(server.client(ADMIN)) == []


@pytest.mark.skipif(not takes(*OPTIONS), reason="needs Redis 7")
def test_slow_viewer_does_not_block_writers() -> None:
    """With the limits that `hemostat redis-acl` names: Redis ends the connections that hold most."""
    memory = ("--maxmemory", "64mb", "--maxmemory-policy", "noeviction")
    with guarded(7, options=(*memory, *OPTIONS)) as opened:
        bus = RedisBus(opened.client(get_user_name(ROLES_BY_NAME["monitor"])))
        said = event(alert(), incident="i")
        bus.publish([said] * 200)
        greedy = [ask_and_not_read(opened.url, "XRANGE hemostat:health_alert - +", 300) for _ in range(20)]
        eventually(lambda: any(has_been_ended(each) for each in greedy))
        bus.publish([said])
        for each in greedy:
            each.close()
        opened.client(ADMIN).raw.ping()


@pytest.mark.skipif(not takes(*OPTIONS), reason="needs Redis 7")
@pytest.mark.parametrize(
    ("name", "is_allowed"), [(VIEWER_USER, False), (METRICS_USER, False), (OPERATOR_USER, True)]
)
def test_transaction_of_many_reads_does_not_fill_the_memory(name: str, is_allowed: bool) -> None:
    """Redis looks at maxmemory-clients only after a transaction. 500 reads of 4 MB would take 2 GB."""
    with guarded(7, options=OPTIONS) as opened:
        raw = opened.client(ADMIN).raw
        for _ in range(1000):
            raw.xadd("hemostat:health_alert", {"event": "x" * 4000})
        batch = opened.client(name).raw.pipeline()
        for _ in range(500):
            batch.xrange("hemostat:health_alert")
        error = redis.ConnectionError if is_allowed else redis.exceptions.ExecAbortError
        with pytest.raises(error):
            batch.execute()
        assert raw.info("memory")["used_memory_peak"] < 256 << 20


def ask_and_not_read(url: str, question: str, times: int) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX)
    opened.connect(url.removeprefix("unix://"))
    opened.sendall(f"AUTH {VIEWER_USER} {VIEWER_USER[::-1]}\r\n".encode())
    assert opened.recv(100) == b"+OK\r\n"
    opened.setblocking(False)
    with suppress(OSError):
        opened.send(f"{question}\r\n".encode() * times)
    return opened


def has_been_ended(opened: socket.socket) -> bool:
    """As poll tells it: nothing is read."""
    poll = select.poll()
    poll.register(opened, 0)
    return any(flags & select.POLLHUP for _, flags in poll.poll(0))
