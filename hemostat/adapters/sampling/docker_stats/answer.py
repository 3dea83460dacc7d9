"""Parses the stats API's answers into samples. The functions are pure."""

from collections.abc import Mapping
from datetime import datetime
from math import nan
from typing import Any, Final

from hemostat.core import bounds
from hemostat.core.model import ContainerInfo, Sample
from hemostat.core.usage.process_activity import Activity
from hemostat.events import MAX_TIME

Answer = Mapping[str, Any]


MALFORMED_ERRORS: Final = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""Exceptions of the parsers for an answer that lacks a standard field."""


def is_running(stats: Answer) -> bool:
    """Whether the container runs: for a stopped one the engine answers with empty numbers.

    A host without the memory controller counts only CPU.
    """
    return (stats.get("memory_stats") or {}).get("usage") is not None or _parse_cpu(stats) > 0


def _parse_cpu(stats: Answer) -> float:
    """Nanoseconds of CPU. NaN if the engine does not count them."""
    usage = (stats.get("cpu_stats") or {}).get("cpu_usage") or {}
    used = usage.get("total_usage")
    return nan if used is None else bounds.clamp_float(used)


def parse_time(stats: Answer) -> float:
    """Epoch seconds by the engine's clock. 0 if the answer has no time."""
    timestamp = stats.get("read")
    return bounds.clamp_float(datetime.fromisoformat(timestamp).timestamp(), MAX_TIME) if timestamp else 0.0


def parse_sample(container: str, stats: Answer, now: float) -> Sample:
    memory = {"usage": 0, **(stats.get("memory_stats") or {})}
    throttling = (stats.get("cpu_stats") or {}).get("throttling_data") or {}
    working_set = bounds.clamp_int(int(memory["usage"])) - _parse_inactive(memory)
    pids = (stats.get("pids_stats") or {}).get("current")
    return Sample(
        container_id=container,
        time=parse_time(stats) or now,
        cpu=_parse_cpu(stats) / 1e9,
        memory=working_set,
        cache=min(_parse_file_cache(memory, "active_file"), working_set),
        periods=bounds.clamp_int(throttling.get("periods")),
        throttled=bounds.clamp_int(throttling.get("throttled_periods")),
        pids=None if pids is None else bounds.clamp_int(pids),
        received=_sum_network(stats, "rx_bytes"),
        sent=_sum_network(stats, "tx_bytes"),
    )


def _parse_inactive(memory: Answer) -> int:
    """Bytes of file cache that would be reclaimed first."""
    inactive = _parse_file_cache(memory, "inactive_file")
    return inactive if inactive < bounds.clamp_int(int(memory["usage"])) else 0


def _parse_file_cache(memory: Answer, name: str) -> int:
    """With cgroup v1, the number without `total_` excludes the cgroups below."""
    detail = memory.get("stats") or {}
    return bounds.clamp_int(detail.get(f"total_{name}", detail.get(name, 0)))


def parse_activity(container: ContainerInfo, stats: Answer, now: float) -> Activity:
    """The engine counts no network bytes for a container on the host's network."""
    sample = parse_sample(container.ref.id, stats, now)
    is_counted = container.network_mode != "host"
    return Activity(
        time=sample.time,
        received=sample.received if is_counted else None,
        sent=sample.sent if is_counted else None,
        block=_parse_block_io(stats.get("blkio_stats") or {}),
    )


def _parse_block_io(blkio: Answer) -> int | None:
    """Bytes read and written on all devices. None if the engine does not count them. The cgroup version
    decides whether names begin with a capital letter."""
    rows = blkio.get("io_service_bytes_recursive")
    if rows is None:
        return None
    numbers = (bounds.clamp_int(row["value"]) for row in rows if row["op"].lower() in {"read", "write"})
    return bounds.clamp_int(sum(numbers))


def _sum_network(stats: Answer, counter: str) -> int | None:
    """The sum over all networks. None if the container has no network of its own."""
    networks = stats.get("networks")
    if not networks:
        return None
    return bounds.clamp_int(sum(bounds.clamp_int(network.get(counter)) for network in networks.values()))
