"""Bounds what is remembered about workloads of which no container exists.

An orchestrator replaces a container by another one of the same workload, so the record of a workload's deaths
is kept when a container is removed. Labels name the workload, and a user can invent any number of names.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final, TypeVar

from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.restart_owner import get_workload_key

T = TypeVar("T")

MAX_ABSENT_WORKLOADS: Final = 200
"""Number of workloads without a container whose records are kept: those that failed last."""


def forget_absent_workloads(registry: ContainerRegistry) -> None:
    """Remove the oldest records of workloads that have no container, where there are too many."""
    if max(len(registry.deaths), len(registry.runs)) <= MAX_ABSENT_WORKLOADS:
        return
    present = {get_workload_key(each.ref) for each in registry}
    registry.deaths = _drop_oldest(registry.deaths, present, lambda deaths: max(deaths, default=0.0))
    registry.runs = _drop_oldest(
        registry.runs, present, lambda runs: max((run.ended for run in runs), default=0.0)
    )


def _drop_oldest(
    records: dict[str, T], present: AbstractSet[str], find_time: Callable[[T], float]
) -> dict[str, T]:
    absent = sorted(records.keys() - present, key=lambda key: find_time(records[key]))
    dropped = set(absent[:-MAX_ABSENT_WORKLOADS])
    return {key: record for key, record in records.items() if key not in dropped}
