"""In a full embedded Redis, handled entries make room, and entries that wait for a role stay."""

from contextlib import closing, suppress

import pytest

from hemostat.adapters.redis import (
    EmbeddedRedis,
    RedisAuditAnchor,
    RedisBus,
    RedisControls,
    RedisEvidence,
    RedisLedger,
    RedisLlmBudget,
    RedisRecentEvents,
    connect,
)
from hemostat.adapters.redis.trim import expire_attempts, trim_streams
from hemostat.app.backends import make_redis_client
from hemostat.config import Redis, Settings
from hemostat.errors import BusError
from tests.support.evidence import make_snapshot
from tests.support.lab.command import environ, run
from tests.support.samples import alert, event

pytestmark = pytest.mark.redis
ROLE = "analyzer"
STREAM = "health_alert"
SMALL = 3 << 20


@pytest.fixture
def full(state_dir, monkeypatch):
    """A bus on a Redis of 3 MiB, and the embedded Redis."""
    monkeypatch.setattr("hemostat.adapters.redis.embedded.MAX_MEMORY_BYTES", SMALL)
    embedded = EmbeddedRedis(state_dir)
    client = connect(embedded.ensure_running(), relieve=embedded.free_memory)
    yield RedisBus(client)
    client.close()


def fill(bus, between=lambda: None):
    """Publish until Redis refuses; how many events it took."""
    for count in range(100_000):
        try:
            bus.publish([event(alert(), count)] * 20)
            between()
        except BusError as error:
            refused = error
            break
    assert "has reached maxmemory" in str(refused)
    assert refused.curable
    return 20 * count


def read_all(bus):
    return bus.read(ROLE, "one", [STREAM], count=100_000, timeout=0)


def test_embedded_redis_has_a_memory_limit_without_eviction(state_dir):
    client = connect(EmbeddedRedis(state_dir).ensure_running())
    assert client.raw.config_get("maxmemory*")["maxmemory"] == str(256 << 20)
    assert client.raw.config_get("maxmemory*")["maxmemory-policy"] == "noeviction"
    client.close()


def test_handled_entries_make_room_for_new_ones(full):
    read_all(full)
    assert fill(full, lambda: full.ack_all(ROLE, [(entry, ()) for entry in read_all(full)]))
    full.publish([event(alert())])
    assert read_all(full)


def test_unread_entries_are_not_trimmed(full):
    read_all(full)
    count = fill(full)
    with pytest.raises(BusError):
        full.publish([event(alert())])
    assert len(read_all(full)) == count


def test_pending_entries_are_not_trimmed(full):
    read_all(full)
    fill(full)
    given = read_all(full)
    full.ack_all(ROLE, [(entry, ()) for entry in given[: len(given) // 2]])
    assert trim_streams(full._client) > 0
    assert [each.id for each in full.read_unfinished(ROLE, "one", [STREAM])] == [
        each.id for each in given[len(given) // 2 :]
    ][:1000]
    full.publish([event(alert())])


def test_entries_unread_by_one_group_are_not_trimmed(full):
    read_all(full)
    full.read("alert", "two", [STREAM], count=1, timeout=0)
    count = fill(full)
    full.ack_all(ROLE, [(entry, ()) for entry in read_all(full)])
    trim_streams(full._client)
    assert len(full.read("alert", "two", [STREAM], count=100_000, timeout=0)) == count


def test_newest_entries_stay_for_viewers_if_they_fit(full):
    read_all(full)
    for _ in range(15):
        full.publish([event(alert())] * 100)
    full.ack_all(ROLE, [(entry, ()) for entry in read_all(full)])
    trim_streams(full._client)
    assert 1000 <= len(full.read_recent(STREAM, 2000)) <= 1100


def test_oldest_review_data_is_removed_to_make_room(full):
    """Incidents of one user's containers, with their events and evidence: more than fits, for a week."""
    client = full._client
    evidence, events = RedisEvidence(client), RedisRecentEvents(client)
    full.publish([event(alert())])
    notes = sorted(client.raw.keys("hemostat:incident:*"))
    snapshot = make_snapshot(log="".join(f"{number} a line of the log\n" for number in range(1000)))
    for number in range(400):
        with suppress(BusError):
            evidence.put(f"i{number}", snapshot)
        with suppress(BusError):
            events.append([event(alert(), number)] * 5)
    assert sorted(client.raw.keys("hemostat:incident:*")) == notes
    assert client.raw.exists("hemostat:health_alert") == 1
    assert evidence.get("i399")
    assert not evidence.get("i0")
    full.publish([event(alert())])


def test_attempts_of_earlier_versions_expire_once_redis_was_full(full):
    raw = full._client.raw
    raw.hset("hemostat:ledger:h:of:old", "k", "{}")
    raw.hset("hemostat:ledger:h:of:new", "k", "{}")
    raw.expire("hemostat:ledger:h:of:new", 100)
    assert expire_attempts(full._client) == 1
    assert raw.ttl("hemostat:ledger:h:of:old") > 48 * 3600
    assert raw.ttl("hemostat:ledger:h:of:new") <= 100


def test_external_redis_makes_room_for_new_entries(full, tmp_path):
    """The one in compose, for example."""
    url = full._client.url
    client = make_redis_client(Settings(redis=Redis(url=url), state_dir=str(tmp_path)), start=False)
    snapshot = make_snapshot(log="".join(f"{number} a line of the log\n" for number in range(1000)))
    with closing(client):
        for number in range(300):
            with suppress(BusError):
                RedisEvidence(client).put(f"i{number}", snapshot)
        assert RedisEvidence(client).put("last", snapshot)


def test_full_redis_can_be_read(full):
    """A Redis that is full refuses transactions, even those that only read."""
    read_all(full)
    fill(full)
    client = full._client
    assert not RedisLedger(client).read_host("h").attempts
    assert not RedisControls(client).read_controls().pauses
    assert RedisAuditAnchor(client).read_notes("trail").head is None
    assert RedisLlmBudget(client).read() == (0, [])
    assert full.read_recent(STREAM, 1)


def test_status_is_printed_of_a_full_redis(full, state_dir):
    read_all(full)
    fill(full)
    told = run("status", env=environ(state_dir))
    assert (told.returncode, told.stderr) == (0, "")
    assert "of 3.0 MiB memory is used" in run("doctor", env=environ(state_dir)).stdout
