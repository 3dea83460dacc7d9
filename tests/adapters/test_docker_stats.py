"""The stats API's answer in the units of a sample."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from hemostat.adapters.docker_stats import StatsSampler
from hemostat.core.model import ContainerInfo, Sample, reference
from hemostat.errors import EngineError, NoSuchContainerError

CPU = {"cpu_usage": {"total_usage": 2_500_000_000}}


def info(container: str, status: str = "running") -> ContainerInfo:
    return ContainerInfo(ref=reference(container, container, "nginx", {}), status=status)


def stats(memory: Mapping[str, Any], **more: object) -> dict[str, Any]:
    return {"cpu_stats": CPU, "memory_stats": memory, **more}


ANSWERS = {
    "v1": stats({"usage": 50_000, "stats": {"inactive_file": 1, "total_inactive_file": 20_000}}),
    "v2": stats({"usage": 50_000, "stats": {"inactive_file": 20_000}}),
    "cached": stats({"usage": 50_000, "stats": {"inactive_file": 60_000}}),
    "bare": stats({"usage": 50_000}),
    "wired": stats({"usage": 50_000}, networks={"eth0": {"rx_bytes": 1200}, "eth1": {"rx_bytes": 34}}),
    "stopped": stats({}),
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
def test_one_sample(sampler: StatsSampler, container: str, memory: int, received: int | None) -> None:
    expected = Sample(container_id=container, time=7.0, cpu=2.5, memory=memory, received=received)
    assert sampler.sample([info(container)], 7.0) == [expected]
    assert sampler.received(info(container)) == received


@pytest.mark.parametrize(
    ("read_at", "time"), [("2023-11-14T22:13:20.25Z", 1_700_000_000.25), ("0001-01-01T00:00:00Z", 7.0)]
)
def test_a_sample_bears_the_time_the_engine_took_it_at(read_at: str, time: float) -> None:
    sampler = StatsSampler(lambda _container: stats({"usage": 50_000}, read=read_at))
    assert [sample.time for sample in sampler.sample([info("late")], 7.0)] == [time]
    sampler.close()


def test_what_stopped_or_went_is_left_out_and_the_rest_keeps_its_order(sampler: StatsSampler) -> None:
    containers = [info("v2"), info("stopped"), info("gone"), info("bare", "exited"), info("v1")]
    assert [sample.container_id for sample in sampler.sample(containers, 7.0)] == ["v2", "v1"]
    assert sampler.received(info("gone")) is None


def test_an_engine_that_refuses_gives_no_samples() -> None:
    def refuse(container: str) -> Mapping[str, Any]:
        raise EngineError(f"stats of {container}: refused")

    sampler = StatsSampler(refuse)
    assert sampler.sample([info("v1")], 7.0) == []
    sampler.close()
