"""Tracks the stats last published for each container, to publish them again on a change, and periodically."""

from collections.abc import Iterable
from typing import Final

import msgspec

from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.labels.container_ref import mask_labels
from hemostat.core.model import REMOVED_STATUS, Sample
from hemostat.events import ContainerStats

REFRESH_SECONDS: Final = 5.0
"""Seconds after which unchanged stats are published again, so that they do not expire."""
MAX_PORTS: Final = 8
"""Ports of a container in its stats. A range of published ports may have thousands."""


class LastStats:
    def __init__(self) -> None:
        self._last: dict[str, tuple[ContainerStats, float]] = {}
        self._removed: list[ContainerStats] = []

    def update(self, container: WatchedContainer, sample: Sample | None, now: float) -> ContainerStats | None:
        """Return the stats to publish for the container; None where they are unchanged."""
        stats = _build_stats(container, sample)
        before, told_at = self._last.get(container.ref.id, (None, 0.0))
        if before is not None and before.container.name != stats.container.name:
            self._removed.append(_mark_removed(before))
        if stats == before and 0 <= now - told_at < REFRESH_SECONDS:
            return None
        self._last[container.ref.id] = stats, now
        return stats

    def remove(self, container_id: str) -> None:
        """Forget a removed container."""
        if (last := self._last.pop(container_id, None)) is not None:
            self._removed.append(_mark_removed(last[0]))

    def take_removed(self, names: Iterable[str]) -> list[ContainerStats]:
        """Return the stats to publish for names that no container has any more. `names` are those in use."""
        used, removed, self._removed = set(names), self._removed, []
        return [stats for stats in removed if stats.container.name not in used]


def _mark_removed(stats: ContainerStats) -> ContainerStats:
    state = msgspec.structs.replace(stats.state, status=REMOVED_STATUS, health=None)
    return ContainerStats(container=stats.container, state=state)


def _build_stats(container: WatchedContainer, sample: Sample | None) -> ContainerStats:
    return ContainerStats(
        container=mask_labels(container.ref),
        state=container.info.state,
        cpu=None if sample is None or container.cpu is None else round(container.cpu, 1),
        cpu_limit=container.info.cpu_limit,
        memory=None if sample is None else sample.memory or None,
        memory_limit=container.info.memory_limit,
        received=None if sample is None else container.traffic.received,
        sent=None if sample is None else container.traffic.sent,
        ports=container.info.published[:MAX_PORTS],
    )
