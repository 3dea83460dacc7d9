"""The stats API's answer in the units of a sample, and who is asked for it how."""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from math import isnan
from queue import SimpleQueue
from typing import Any

import pytest

from hemostat.adapters.sampling.docker_stats import StatsSampler
from hemostat.adapters.sampling.docker_stats.sampler import (
    FIRST_PAUSE_SECONDS,
    FRESH_SECONDS,
    HANG_SECONDS,
)
from hemostat.core.labels.container_ref import build_reference
from hemostat.core.model import ContainerInfo, Sample
from hemostat.errors import EngineError, NoSuchContainerError
from tests.support.engine_fixtures import eventually

CPU = {"cpu_usage": {"total_usage": 2_500_000_000}}


def info(container: str, status: str = "running", **fields: Any) -> ContainerInfo:
    return ContainerInfo(ref=build_reference(container, container, "nginx", {}), status=status, **fields)


def stats(memory: Mapping[str, Any], **more: object) -> dict[str, Any]:
    return {"cpu_stats": CPU, "memory_stats": memory, **more}


STOPPED = stats({}, cpu_stats={"cpu_usage": {"total_usage": 0}}, read="0001-01-01T00:00:00Z")

ANSWERS = {
    "v1": stats({"usage": 50_000, "stats": {"inactive_file": 1, "total_inactive_file": 20_000}}),
    "v2": stats({"usage": 50_000, "stats": {"inactive_file": 20_000}}),
    "cached": stats({"usage": 50_000, "stats": {"inactive_file": 60_000}}),
    "bare": stats({"usage": 50_000}),
    "wired": stats({"usage": 50_000}, networks={"eth0": {"rx_bytes": 1200}, "eth1": {"rx_bytes": 34}}),
    "stopped": STOPPED,
}


def read(container: str) -> Mapping[str, Any]:
    if container not in ANSWERS:
        raise NoSuchContainerError(container)
    return ANSWERS[container]


@pytest.fixture
def sampler() -> Iterator[StatsSampler]:
    sampler = StatsSampler(read)
    yield sampler
    sampler.close()


@pytest.mark.parametrize(
    ("container", "memory", "received"),
    [
        ("v1", 30_000, None),
        ("v2", 30_000, None),
        ("cached", 50_000, None),
        ("bare", 50_000, None),
        ("wired", 50_000, 1234),
    ],
)
def test_sample_has_the_values_of_the_stats(
    sampler: StatsSampler, container: str, memory: int, received: int | None
) -> None:
    sent = None if received is None else 0
    expected = Sample(container_id=container, time=7.0, cpu=2.5, memory=memory, received=received, sent=sent)
    assert sampler.sample([info(container)], 7.0) == [expected]
    activity = sampler.read_activity(info(container), 7.0)
    assert activity is not None
    assert (activity.received, activity.threads) == (received, None)


@pytest.mark.parametrize(
    ("read_at", "time"), [("2023-11-14T22:13:20.25Z", 1_700_000_000.25), ("0001-01-01T00:00:00Z", 7.0)]
)
def test_sample_has_the_time_of_the_engine(read_at: str, time: float) -> None:
    sampler = StatsSampler(lambda _container: stats({"usage": 50_000}, read=read_at))
    assert [sample.time for sample in sampler.sample([info("late")], 7.0)] == [time]
    sampler.close()


BLOCK_IO = [
    {"major": 8, "minor": 0, "op": "Read", "value": 4096},
    {"major": 8, "minor": 0, "op": "Write", "value": 100},
    {"major": 8, "minor": 0, "op": "Total", "value": 4196},
    {"major": 8, "minor": 16, "op": "read", "value": 4},
    {"major": 8, "minor": 16, "op": "write", "value": 20},
]


@pytest.mark.parametrize("prefix", ["", "total_"])
def test_every_available_counter_is_in_the_sample(prefix: str) -> None:
    told = stats(
        {"usage": 50_000, "stats": {f"{prefix}inactive_file": 20_000, f"{prefix}active_file": 4_000}},
        cpu_stats={**CPU, "throttling_data": {"periods": 90, "throttled_periods": 12}},
        pids_stats={"current": 6},
        networks={"eth0": {"rx_bytes": 1200, "tx_bytes": 300}, "eth1": {"rx_bytes": 34, "tx_bytes": 7}},
        blkio_stats={"io_service_bytes_recursive": BLOCK_IO},
    )
    sampler = StatsSampler(lambda _container: told)
    assert sampler.sample([info("c1")], 7.0) == [
        Sample(
            container_id="c1",
            time=7.0,
            cpu=2.5,
            memory=30_000,
            cache=4_000,
            periods=90,
            throttled=12,
            pids=6,
            received=1234,
            sent=307,
        )
    ]
    assert read_block_io(sampler) == 4220
    sampler.close()


def read_block_io(sampler: StatsSampler) -> int | None:
    activity = sampler.read_activity(info("c1"), 7.0)
    assert activity is not None
    return activity.block


@pytest.mark.parametrize("blkio", [None, {}, {"io_service_bytes_recursive": None}])
def test_missing_block_io_is_unknown(blkio: dict[str, Any] | None) -> None:
    sampler = StatsSampler(lambda _container: stats({"usage": 1}, blkio_stats=blkio))
    assert read_block_io(sampler) is None
    sampler.close()


def test_malformed_block_io_leaves_the_sample_and_no_activity() -> None:
    broken = stats({"usage": 1}, blkio_stats={"io_service_bytes_recursive": [{}]})
    sampler = StatsSampler(lambda _container: broken)
    assert [sample.memory for sample in sampler.sample([info("c1")], 7.0)] == [1]
    assert sampler.read_activity(info("c1"), 7.0) is None
    sampler.close()


def test_stopped_containers_are_skipped_and_order_is_stable(sampler: StatsSampler) -> None:
    containers = [info("v2"), info("stopped"), info("gone"), info("bare", "exited"), info("v1")]
    assert [sample.container_id for sample in sampler.sample(containers, 7.0)] == ["v2", "v1"]
    assert sampler.read_activity(info("gone"), 7.0) is None


def test_refusal_by_the_engine_gives_no_samples() -> None:
    def refuse(container: str) -> Mapping[str, Any]:
        raise EngineError(f"stats of {container}: refused")

    sampler = StatsSampler(refuse)
    assert sampler.sample([info("v1")], 7.0) == []
    sampler.close()


# --- streams ----------------------------------------------------------------------------------------


class Station:
    """Streams whose answers are put in by hand. An answer of None ends one, an error breaks it."""

    def __init__(self) -> None:
        self.queues: dict[str, SimpleQueue[Mapping[str, Any] | Exception | None]] = {}
        self.opened: list[str] = []
        self.asked: list[str] = []

    def tell(self, container: str, *answers: Mapping[str, Any] | Exception | None) -> None:
        for answer in answers:
            self.queues.setdefault(container, SimpleQueue()).put(answer)

    def read(self, container: str) -> Mapping[str, Any]:
        self.asked.append(container)
        return stats({"usage": 7})

    def follow(self, container: str) -> tuple[Generator[Mapping[str, Any], None, None], Callable[[], None]]:
        self.opened.append(container)
        return self._answers(container), lambda: self.tell(container, None)

    def _answers(self, container: str) -> Generator[Mapping[str, Any], None, None]:
        queue = self.queues.setdefault(container, SimpleQueue())
        while (answer := queue.get()) is not None:
            if isinstance(answer, Exception):
                raise answer
            yield answer


class Time:
    now = 100.0


@pytest.fixture
def station() -> Station:
    return Station()


@pytest.fixture
def streaming(station: Station) -> Iterator[StatsSampler]:
    before = threading.active_count()
    sampler = StatsSampler(station.read, station.follow, streams=2, threads=1, clock=lambda: Time.now)
    yield sampler
    sampler.close()
    assert threading.active_count() == before


def usage(sampler: StatsSampler, *containers: ContainerInfo) -> list[int]:
    return [sample.memory for sample in sampler.sample(containers, 7.0)]


def test_stream_is_opened_once_and_its_newest_value_used(station: Station, streaming: StatsSampler) -> None:
    station.tell("c1", stats({"usage": 1}))
    assert usage(streaming, info("c1")) == [1]
    assert usage(streaming, info("c1")) == [1]
    station.tell("c1", stats({"usage": 2}), stats({"usage": 3}))
    eventually(lambda: usage(streaming, info("c1")) == [3])
    assert (station.opened, station.asked) == (["c1"], [])


def test_containers_above_the_stream_limit_are_polled(station: Station, streaming: StatsSampler) -> None:
    for container in ("c1", "c2", "c3"):
        station.tell(container, stats({"usage": 1}))
    containers = [info("c1"), info("c2"), info("c3")]
    assert usage(streaming, *containers) == [1, 1, 7]
    assert (station.opened, station.asked) == (["c1", "c2"], ["c3"])
    station.tell("c1", STOPPED)
    eventually(lambda: usage(streaming, info("c2"), info("c3")) == [1, 1])
    assert station.opened == ["c1", "c2", "c3"]


def test_broken_stream_is_opened_again(station: Station, streaming: StatsSampler) -> None:
    station.tell("c1", stats({"usage": 1}))
    assert usage(streaming, info("c1")) == [1]
    station.tell("c1", EngineError("gone"), stats({"usage": 2}))
    eventually(lambda: usage(streaming, info("c1")) == [2])
    assert station.opened == ["c1", "c1"]


def test_stream_of_a_stopped_container_ends(station: Station, streaming: StatsSampler) -> None:
    station.tell("c1", stats({"usage": 1}))
    assert usage(streaming, info("c1")) == [1]
    station.tell("c1", STOPPED, STOPPED)
    eventually(lambda: usage(streaming, info("c1")) == [])


def test_stale_stats_or_stats_of_an_earlier_run_are_ignored(
    station: Station, streaming: StatsSampler
) -> None:
    taken = "2023-11-14T22:13:20Z"
    station.tell("c1", stats({"usage": 1}, read=taken))
    assert usage(streaming, info("c1", started_at=1_600_000_000.0)) == [1]
    Time.now += FRESH_SECONDS + 1
    assert usage(streaming, info("c1", started_at=1_600_000_000.0)) == []
    station.tell("c1", stats({"usage": 2}, read="2023-11-14T22:13:22Z"))
    assert usage(streaming, info("c1", started_at=1_700_000_001.0)) == [2]


def test_no_sample_is_missing_between_podmans_answers(station: Station, streaming: StatsSampler) -> None:
    station.tell("c1", stats({"usage": 1}))
    assert usage(streaming, info("c1")) == [1]
    for _ in range(5):
        Time.now += 1
        assert usage(streaming, info("c1")) == [1]
    station.tell("c1", stats({"usage": 2}))
    eventually(lambda: usage(streaming, info("c1")) == [2])


def test_unused_stream_is_closed(station: Station, streaming: StatsSampler) -> None:
    station.tell("c1", stats({"usage": 1}))
    assert usage(streaming, info("c1")) == [1]
    Time.now += 60
    station.tell("c1", stats({"usage": 2}))
    eventually(lambda: streaming._streams == set())
    assert usage(streaming) == []
    assert streaming._feeds == {}


def test_received_bytes_are_unknown_on_the_host_network(station: Station, streaming: StatsSampler) -> None:
    station.tell("c1", stats({"usage": 1}, networks={"eth0": {"rx_bytes": 12, "tx_bytes": 0}}))
    activity = streaming.read_activity(info("c1"), 7.0)
    hosts = streaming.read_activity(info("c1", network_mode="host"), 7.0)
    assert activity is not None
    assert hosts is not None
    assert (activity.received, hosts.received) == (12, None)
    assert (station.opened, station.asked) == (["c1"], [])


def test_close_ends_waiting_streams_and_opens_no_more(station: Station, streaming: StatsSampler) -> None:
    station.tell("c1", stats({"usage": 1}))
    assert usage(streaming, info("c1")) == [1]
    streaming.close()
    assert usage(streaming, info("c1"), info("c2")) == [1]
    assert (station.opened, streaming._streams) == (["c1"], set())


# --- one that is unlike the others ----------------------------------------------------------------------


def test_cpu_is_sampled_without_the_memory_controller() -> None:
    sampler = StatsSampler(lambda _container: stats({}, pids_stats={"current": 3}))
    (sample,) = sampler.sample([info("c1")], 7.0)
    assert (sample.cpu, sample.memory, sample.pids) == (2.5, 0, 3)
    sampler.close()


def test_memory_is_sampled_without_cpu_accounting() -> None:
    sampler = StatsSampler(lambda _container: {"memory_stats": {"usage": 5}, "cpu_stats": None})
    (sample,) = sampler.sample([info("c1")], 7.0)
    assert sample.memory == 5
    assert isnan(sample.cpu)
    sampler.close()


@pytest.mark.parametrize(
    "broken",
    [
        {"memory_stats": [], "cpu_stats": "x"},
        stats({"usage": "much"}),
        stats({"usage": 1}, read="yesterday"),
        stats({"usage": 1}, networks=[1]),
    ],
)
def test_malformed_stats_affect_only_their_container(
    station: Station, streaming: StatsSampler, broken: dict[str, Any]
) -> None:
    station.tell("c1", broken)
    station.tell("c2", stats({"usage": 2}))
    eventually(lambda: usage(streaming, info("c1"), info("c2")) == [2])
    assert usage(streaming, info("c1"), info("c2")) == [2]


def test_hanging_stats_delay_other_containers_once(
    station: Station, streaming: StatsSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    wait_for = streaming._changed.wait_for

    def note(settled: Callable[[], bool], seconds: float) -> bool:
        waits.append(0.0 if settled() else seconds)
        return wait_for(settled, 0.05)

    monkeypatch.setattr(streaming._changed, "wait_for", note)
    station.tell("c2", stats({"usage": 2}))
    eventually(lambda: usage(streaming, info("c1"), info("c2")) == [2])
    station.tell("c1", EngineError("follow stats of c1: took too long"))
    eventually(lambda: not streaming._feeds["c1"].is_busy)
    waits.clear()
    assert usage(streaming, info("c1"), info("c2")) == [2]
    assert (waits, station.opened.count("c1")) == ([0.0], 2)


def test_hung_stats_are_requested_again_after_a_pause(
    station: Station, streaming: StatsSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Time, "now", 100.0)
    monkeypatch.setattr(streaming._changed, "wait_for", lambda *_: False)
    for pause in (FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS):
        streaming.sample([info("c1")], 7.0)
        Time.now += HANG_SECONDS
        station.tell("c1", EngineError("follow stats of c1: took too long"))
        eventually(lambda: not streaming._feeds["c1"].is_busy)
        opened = len(station.opened)
        streaming.sample([info("c1")], 7.0)
        assert len(station.opened) == opened
        Time.now += pause
    streaming.sample([info("c1")], 7.0)
    eventually(lambda: len(station.opened) == opened + 1)
