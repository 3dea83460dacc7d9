"""The Sampler port through the engine's stats API, for engines on other hosts: dearer, but always there.

Docker 20.10 answers at its collector's next tick, up to a second later, so every container of a round is
asked at once, and a sample bears the time the engine took it at.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final

from hemostat.core.model import ContainerInfo, Sample
from hemostat.errors import EngineError

THREADS: Final = 32
"""They wait rather than work; with fewer than containers, a round takes another second."""


class StatsSampler:
    """`read` gives the stats API's answer for one container, and is called from several threads."""

    def __init__(self, read: Callable[[str], Mapping[str, Any]], threads: int = THREADS) -> None:
        self._read = read
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="stats")

    def sample(self, containers: Sequence[ContainerInfo], now: float) -> list[Sample]:
        ids = [info.ref.id for info in containers if info.running]
        answers = zip(ids, self._pool.map(self._answer, ids), strict=True)
        samples = (_sample(container, stats, now) for container, stats in answers if stats is not None)
        return [sample for sample in samples if sample is not None]

    def received(self, container: ContainerInfo) -> int | None:
        stats = self._answer(container.ref.id)
        return None if stats is None else _received(stats)

    def _answer(self, container: str) -> Mapping[str, Any] | None:
        try:
            return self._read(container)
        except EngineError:
            return None

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _sample(container: str, stats: Mapping[str, Any], now: float) -> Sample | None:
    """None for a container that has stopped meanwhile: the engine answers with empty numbers."""
    usage = stats.get("memory_stats", {}).get("usage")
    if usage is None:
        return None
    return Sample(
        container_id=container,
        time=_taken(stats.get("read", "")) or now,
        cpu=stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory=usage - _inactive(stats["memory_stats"]),
        received=_received(stats),
    )


def _taken(timestamp: str) -> float:
    """Epoch seconds by the engine's clock; 0 where it does not say."""
    return max(datetime.fromisoformat(timestamp).timestamp(), 0.0) if timestamp else 0.0


def _inactive(memory: Mapping[str, Any]) -> int:
    """Bytes of file cache that would be given back first; its name depends on the cgroup version."""
    detail = memory.get("stats") or {}
    inactive = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return int(inactive) if inactive < memory["usage"] else 0


def _received(stats: Mapping[str, Any]) -> int | None:
    """None where the container has no network of its own."""
    networks = stats.get("networks")
    return sum(network["rx_bytes"] for network in networks.values()) if networks else None
