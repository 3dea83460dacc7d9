"""Values so large that Redis ends the connection of each role that reads them. One user writes them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from hemostat.adapters.redis import RedisBus, RedisControls, RedisLedger
from hemostat.adapters.redis.acl import METRICS_USER, SERVER_LIMITS, VIEWER_USER, get_user_name
from hemostat.adapters.redis.controls import APPROVALS_KEY
from hemostat.core.ledger.controls import Approval
from hemostat.events import Action
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

MIB = 1 << 20
OPTIONS = [word for limit in SERVER_LIMITS for word in f"--{limit}".split()]
MEMORY = ("--maxmemory", "256mb", "--maxmemory-policy", "noeviction")
STRANGE_RESPONDER = get_user_name(ROLES_BY_NAME["responder"], OTHER)
pytestmark = [
    pytest.mark.redis,
    pytest.mark.skipif(not takes(*OPTIONS), reason="needs Redis 7"),
]


@pytest.fixture
def server() -> Iterator[Guarded]:
    with guarded(7, hosts=(HOST, OTHER), options=(*MEMORY, *OPTIONS)) as opened:
        yield opened


@pytest.fixture
def site(server: Guarded, tmp_path: Path) -> Iterator[Site]:
    opened = Site(server, tmp_path)
    yield opened
    opened.close()


def write(server: Guarded, name: str, size: int, *command: str) -> None:
    """Run a command as this user, with a value of this size behind it, which a script makes. On a busy
    machine the server needs seconds for that."""
    raw = redis.Redis.from_url(server.url, username=name, password=name[::-1], socket_timeout=60)
    script = """
    local words = {unpack(ARGV, 2)}
    words[#words + 1] = string.rep('x', tonumber(ARGV[1]))
    return redis.call(unpack(words))
    """
    with raw:
        raw.evalsha(raw.script_load(script), 0, size, *command)


@pytest.mark.parametrize(
    ("name", "stream", "sizes"),
    [
        (ANALYZER, "remediation_needed", (25, 25, 25)),
        (STRANGER, "health_alert", (70,)),
        (STRANGE_RESPONDER, "remediation_complete", (70,)),
    ],
)
def test_large_entries_delay_no_other_event(
    site: Site, server: Guarded, name: str, stream: str, sizes: tuple[int, ...]
) -> None:
    for size in sizes:
        write(server, name, size * MIB, "XADD", f"hemostat:{stream}", "*", "event")
    site.engine.crash("web", 7)
    eventually(lambda: is_healed(site), seconds=10)
    groups = [role.make_group_name(HOST) for role in ROLES if stream in role.reads]
    for group in groups:
        eventually(
            lambda group=group: not server.client(ADMIN).raw.xpending(f"hemostat:{stream}", group)["pending"]
        )


def test_large_heartbeats_stop_no_monitor(site: Site, server: Guarded) -> None:
    """The monitor reads the heartbeats of all roles for the mode of the responders."""
    for number, size in enumerate((30, 40, 70)):
        key = f"hemostat:heartbeat:alert@{number}"
        write(server, ALERT, size * MIB, "SET", key)
        server.client(ALERT).raw.zadd("hemostat:live:heartbeat", {key: FOR_EVER})
    beat = server.client(ADMIN).raw.get("hemostat:heartbeat:monitor@i")
    eventually(lambda: server.client(ADMIN).raw.get("hemostat:heartbeat:monitor@i") != beat)
    site.engine.crash("web", 7)
    eventually(lambda: is_healed(site), seconds=10)
    for reader in (VIEWER_USER, METRICS_USER, MONITOR, ALERT):
        assert len(site.bus(reader).read_last_values("heartbeat")) == len(ROLES)


def test_large_names_in_the_list_of_heartbeats_stop_no_reader(site: Site, server: Guarded) -> None:
    for score in range(3):
        write(server, ALERT, (30 + score) * MIB, "ZADD", "hemostat:live:heartbeat", f"{FOR_EVER + score:f}")
    for reader in (VIEWER_USER, METRICS_USER, MONITOR, ALERT):
        eventually(lambda reader=reader: len(site.bus(reader).read_last_values("heartbeat")) == len(ROLES))


def test_large_approvals_of_another_host_stop_no_responder(server: Guarded) -> None:
    asked = Approval(
        id="a", key="i:1:0", incident="i", host=HOST, container="web", action=Action.RESTART,
        plan="restart web", cause="crash", request="r", asked=1e9, until=2e9,
    )  # fmt: skip
    for field in (asked.key, "x"):
        write(server, STRANGE_RESPONDER, 70 * MIB, "HSETNX", APPROVALS_KEY, field)
    assert RedisLedger(server.client(RESPONDER)).read(HOST, "web", "i", asked.key).approval is None
    desk = RedisControls(server.client(RESPONDER))
    assert desk.request_approval(asked) == asked
    assert desk.list_approvals() == [asked]


def test_large_deferred_requests_are_read_in_parts(server: Guarded) -> None:
    raw = server.client(ADMIN).raw
    key = f"hemostat:deferred:remediation_needed:responder:{HOST}"
    for number in range(400):
        raw.zadd(key, {f"{number}-1\x1f" + "x" * (240 << 10): 1.0})
    bus = RedisBus(server.client(RESPONDER))
    due = bus.read_due(f"responder:{HOST}", ["remediation_needed", "order"], 2.0, count=500)
    assert sorted(int(each.id.partition("-")[0]) for each in due.entries) == [*range(400)]


def test_large_entries_do_not_hide_others(server: Guarded) -> None:
    """A viewer, who may run no script, reads around them."""
    admin = server.client(ADMIN).raw
    write(server, ANALYZER, 40 * MIB, "XADD", "hemostat:remediation_needed", "*", "event")
    for _ in range(40):
        admin.xadd("hemostat:remediation_needed", {"event": "x"})
    write(server, ANALYZER, 40 * MIB, "XADD", "hemostat:remediation_needed", "*", "event")
    admin.xadd("hemostat:remediation_needed", {"event": "last"})
    assert len(RedisBus(server.client(METRICS_USER)).read_after("remediation_needed", "0", 1000)) == 43
    assert RedisBus(server.client(VIEWER_USER)).read_recent("remediation_needed", 1000) == []


def test_large_names_of_groups_delay_no_reader(site: Site, server: Guarded) -> None:
    """Every role looks at its groups, at each heartbeat."""
    raw = server.client(ALERT).raw
    script = """
    for i = 1, 2 do
      redis.call('XGROUP', 'CREATE', 'hemostat:remediation_needed', string.rep(i, 35 * 1024 * 1024), '0')
    end
    """
    raw.evalsha(raw.script_load(script), 0)
    site.engine.crash("web", 7)
    eventually(lambda: is_healed(site), seconds=10)
    beat = server.client(ADMIN).raw.get("hemostat:heartbeat:responder@i")
    eventually(lambda: server.client(ADMIN).raw.get("hemostat:heartbeat:responder@i") != beat)
    assert (
        site.bus(METRICS_USER).count_lag(
            ROLES_BY_NAME["responder"].make_group_name(HOST), ["remediation_needed"]
        )
        == 0
    )


def test_large_dead_letter_is_skipped(server: Guarded) -> None:
    write(server, ANALYZER, 70 * MIB, "XADD", "hemostat:dead", "*", "event")
    for reader in (ALERT, VIEWER_USER):
        assert RedisBus(server.client(reader)).read_last_dead_letter() is None
