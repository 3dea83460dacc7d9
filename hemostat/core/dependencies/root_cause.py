"""Finds the root cause of a failure: the container itself, a dependency, or the host.

Only a container that is its own root cause is acted on. A held incident is still reported, and raised
again when its hold is gone.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from hemostat.core.dependencies.graph import DependencyGraph
from hemostat.core.dependencies.state import NOTHING_OBSERVED, Observations, describe, describe_briefly
from hemostat.core.model import ContainerInfo, HostSample
from hemostat.events import Evidence, Kind

SATURATED_CPU_SHARE: Final = 0.95
"""Busy share of all the host's cores from which on health checks fail for lack of CPU."""
MIN_SATURATED_SECONDS: Final = 3.0
"""Seconds for which the host must be that busy. A starting container may use all the cores for a second."""
TIMEOUT_MESSAGE: Final = "exceeded timeout"
"""The engine's message for a health check that timed out. Then MIN_SATURATED_TIMEOUT_SECONDS are enough."""
MIN_SATURATED_TIMEOUT_SECONDS: Final = 1.0
CULPRIT_CPU_SHARE: Final = 0.5
"""Share of the host's CPU from which on a container is the cause of the saturation, not its victim."""

UNDECLARED_NOTE: Final = " (inferred from its connections, not declared)"
MAX_CHECK_WAIT_SECONDS: Final = 60.0
"""Maximum seconds for which the next health check of a dependency is awaited."""

STARVATION_KINDS: Final = frozenset({Kind.UNHEALTHY, Kind.HUNG})
"""Kinds that a lack of CPU can cause."""


class HoldReason(StrEnum):
    """Why no action is taken on the failing container: the root cause is elsewhere."""

    DEPENDENCY = "dependency"
    HOST = "host"
    STORM = "storm"


class RootCause(msgspec.Struct, frozen=True):
    """The root cause of a failure. `root` names the container or host, empty for the failing container."""

    root: str = ""
    hold_reason: HoldReason | None = None
    evidence: tuple[Evidence, ...] = ()


OWN_FAULT: Final = RootCause()


class HostState(msgspec.Struct, frozen=True, kw_only=True):
    """State of the engine's host. `busy_share` is 0 to 1. `saturated_since` is when the host's CPU became too
    busy (epoch seconds); None while it is not."""

    name: str
    cores: int = 1
    busy_share: float | None = None
    saturated_since: float | None = None


def update_host_state(host: HostState, sample: HostSample) -> HostState:
    busy = sample.cpu
    if busy is None or busy < SATURATED_CPU_SHARE:
        return msgspec.structs.replace(host, busy_share=busy, saturated_since=None)
    saturated = sample.time if host.saturated_since is None else host.saturated_since
    return msgspec.structs.replace(host, busy_share=busy, saturated_since=saturated)


def is_cpu_starved(info: ContainerInfo, host: HostState, cpu: float | None, now: float) -> bool:
    """Return whether the host has no CPU left for a container that itself uses `cpu` percent of a core."""
    own = (cpu or 0.0) / 100 / host.cores
    least = MIN_SATURATED_TIMEOUT_SECONDS if TIMEOUT_MESSAGE in info.health_output else MIN_SATURATED_SECONDS
    return (
        host.saturated_since is not None and now - host.saturated_since >= least and own < CULPRIT_CPU_SHARE
    )


def find_root_cause(
    info: ContainerInfo,
    kind: Kind,
    topology: DependencyGraph,
    host: HostState,
    *,
    observations: Observations = NOTHING_OBSERVED,
    cpu: float | None,
    now: float,
) -> RootCause:
    root = topology.find_root(info.ref.id, observations)
    if root is not None:
        recovering = root.ref.id in observations.recovering_ids
        linked = topology.is_linked(info.ref.id, root.ref.id)
        fault = describe(root, recovering=recovering, now=now) if linked else describe_briefly(root)
        if not topology.is_declared(info.ref.id, root.ref.id):
            fault += UNDECLARED_NOTE
        return RootCause(root.ref.name, HoldReason.DEPENDENCY, (Evidence("dependency", fault),))
    if kind in STARVATION_KINDS and is_cpu_starved(info, host, cpu, now):
        return RootCause(
            host.name, HoldReason.HOST, (Evidence("host_cpu", round((host.busy_share or 0.0) * 100, 1), "%"),)
        )
    return OWN_FAULT


def should_await_check(since: float, upstream: Iterable[ContainerInfo], now: float) -> bool:
    """Return whether a container whose check has failed since `since` should wait for the next check of a
    dependency. Its own check may be the faster one, and so fail first for a fault of the dependency."""
    return any(
        info.is_running
        and info.check is not None
        and info.health == "healthy"
        and 0 < info.checked_at < since
        and 0 <= now - since < min(info.check.interval + info.check.timeout, MAX_CHECK_WAIT_SECONDS)
        for info in upstream
    )
