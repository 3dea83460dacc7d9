"""Each refusal of Redis is reported with its cause, is recovered from, and contains no password."""

import itertools
import socket
import threading
import time

import pytest
import redis
from redis import exceptions

from hemostat.adapters.redis import RedisBus, RedisControls, RedisLedger, connect, subscription
from hemostat.adapters.redis.failures import translate_failure
from hemostat.core.ledger.controls import Pause
from hemostat.core.ledger.rows import Attempt
from hemostat.core.notify.self_monitoring import LOST_DATA_PREFIX
from hemostat.errors import BusError, BusUnreachableError
from hemostat.events import Action, Outcome
from tests.support.samples import NOW, alert, event

URL = "redis://u:SECRET@h:6379/0"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (exceptions.ReadOnlyError("You can't write"), "is a read-only replica of m:1"),
        (redis.ResponseError("@user_script:3: -READONLY You"), "replica of m:1"),
        (exceptions.BusyLoadingError("Redis is loading the dataset in memory"), "still loading its data"),
        (redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "cannot save to its disk"),
        (exceptions.OutOfMemoryError("used memory > 'maxmemory'."), "has reached maxmemory"),
        (redis.ResponseError("BUSY Redis is busy running a script."), "busy with a script"),
        (redis.ResponseError("NOREPLICAS Not enough good replicas to write."), "too few replicas"),
        (exceptions.ClusterDownError("The cluster is down"), "Redis Cluster that is down"),
        (exceptions.MovedError("3999 127.0.0.1:6381"), "part of a Redis Cluster"),
        (exceptions.TryAgainError("Multiple keys request during rehashing"), "that is being reconfigured"),
        (exceptions.MasterDownError("Link with MASTER is down"), "without a connection to its primary"),
        (redis.ConnectionError("max number of clients reached"), "accepts no more connections"),
        (redis.ResponseError("DENIED Redis is running in protected mode"), "protected mode"),
        (exceptions.AuthenticationError("Authentication required."), "requires a password"),
        (exceptions.AuthenticationError("invalid username-password pair"), "rejects the password"),
        (
            exceptions.AuthenticationError("called without any password configured"),
            "requires no password, but one is configured",
        ),
        (exceptions.NoPermissionError("no permissions"), "does not allow this"),
        (redis.ConnectionError("Error 111 connecting to h:1. Connection refused."), "(Connection refused)"),
        (redis.ConnectionError("Error 2 connecting to /my dir/x.sock. No such file."), "(No such file)"),
        (exceptions.InvalidResponse("Protocol Error: b'HTTP/1.1'"), "is not Redis"),
    ],
)  # fmt: skip
def test_refusal_is_reported_by_its_cause(error, told):
    failure = translate_failure(error, URL, "u", "m:1")
    assert told in failure.message
    assert ("cannot be reached" in failure.message) == told.startswith("(")
    assert "SECRET" not in str(failure)
    assert failure.transient or failure.curable


def test_unknown_error_is_not_retried():
    failure = translate_failure(redis.ResponseError("unknown command 'XADD'"), URL)
    assert (failure.transient, failure.curable) == (False, False)


def attempt(key: str, container: str = "web", outcome: Outcome | None = None) -> Attempt:
    return Attempt(
        key=key, container=container, action=Action.RESTART, time=NOW, by="r", lease=NOW, outcome=outcome
    )


@pytest.fixture
def ledger(redis_client):
    ledger = RedisLedger(redis_client, lambda: NOW)
    assert ledger.check("h") == ""
    for number in range(3):
        assert ledger.reserve("h", attempt(f"k{number}"), ledger.read("h", "web").version)
        ledger.finish("h", attempt(f"k{number}", outcome=Outcome.HEALED))
    assert ledger.reserve("h", attempt("running"), ledger.read("h", "web").version)
    return ledger


@pytest.mark.parametrize(
    "command", ["FLUSHALL", "DEL hemostat:ledger:h:of:web", "DEL hemostat:ledger:h:ended"]
)
def test_lost_ledger_is_restored(ledger, redis_client, command):
    before = ledger.read("h", "web")
    redis_client.raw.execute_command(*command.split())
    after = ledger.read("h", "web")
    assert after.attempts == before.attempts
    assert {each.key for each in after.ended_attempts} == {"k0", "k1", "k2"}
    assert {each.key for each in after.running_attempts} == {"running"}
    assert after.version >= before.version
    assert ledger.check("h").startswith(LOST_DATA_PREFIX)


def test_budget_applies_when_the_ledger_cannot_be_restored(ledger, redis_client, monkeypatch):
    """As with an ACL file that was printed by an earlier version."""
    redis_client.raw.flushall()
    forbidden = BusError("does not allow this", curable=True)
    original = redis_client.atomic

    def refuse(commands):
        if any(command[0] == "HSETNX" for command in commands):
            raise forbidden
        return original(commands)

    monkeypatch.setattr(redis_client, "atomic", refuse)
    assert len(ledger.read("h", "web").attempts) == 4


def test_loss_of_the_ledger_is_detected_without_a_decision(ledger, redis_client):
    desk = RedisControls(redis_client)
    desk.pause("*", Pause(by="ann", at=NOW))
    assert ledger.check("h") == ""
    redis_client.raw.flushall()
    assert ledger.check("h").startswith(LOST_DATA_PREFIX)
    assert desk.read_controls().pauses["*"].by == "ann"
    assert len(ledger.read("h", "web").attempts) == 4


def test_resumed_pause_is_not_restored(ledger, redis_client):
    desk = RedisControls(redis_client)
    desk.pause("*", Pause(by="ann", at=NOW))
    ledger.check("h")
    desk.resume("*")
    assert ledger.check("h") == ""
    assert desk.read_controls().pauses == {}


def test_group_lost_during_a_read_is_created_again(redis_client, redis_url):
    bus, other = RedisBus(redis_client), connect(redis_url)
    assert bus.read("alert", "me", ["health_alert"], count=1, timeout=0.05) == []
    entries = []
    reader = threading.Thread(
        target=lambda: entries.extend(bus.read("alert", "me", ["health_alert"], count=1, timeout=2.0))
    )
    reader.start()
    while not any(each["cmd"] == "xreadgroup" and "b" in each["flags"] for each in other.raw.client_list()):
        time.sleep(0.01)
    other.raw.flushall()
    RedisBus(other).publish([event(alert())])
    reader.join(5)
    assert len(entries) == 1
    other.raw.flushall()
    bus.extend_delivery("alert", "me", entries)
    other.close()


@pytest.fixture
def mute():
    """A server that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_half_open_subscription_is_detected(redis_client, monkeypatch):
    monkeypatch.setattr(subscription, "PING_AFTER_SECONDS", 0.05)
    monkeypatch.setattr(subscription, "TIMEOUT_SECONDS", 0.2)
    heard = RedisBus(redis_client).subscribe(["health_alert"], timeout=0.02)
    since = time.monotonic()
    while time.monotonic() - since < 0.6:  # silent and alive: it is asked, and answers
        assert next(heard) is None
    monkeypatch.setattr(redis.client.PubSub, "ping", lambda *_: None)
    with pytest.raises(BusUnreachableError, match="no answer for"):
        list(itertools.islice(heard, 100))


def test_server_that_never_responds_times_out(mute, monkeypatch):
    monkeypatch.setattr("hemostat.adapters.redis.client.TIMEOUT_SECONDS", 0.1)
    with pytest.raises(BusError, match="cannot be reached"):
        RedisBus(connect(f"redis://127.0.0.1:{mute}/0")).ping()


def test_unknown_option_of_the_url_is_named():
    with pytest.raises(BusError, match="an option after \\?"):
        connect("redis://h?nonsense=1")
