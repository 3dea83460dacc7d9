"""Gauges of the current state: roles, containers, incidents, breakers. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from hemostat.core.metrics import definitions
from hemostat.core.metrics.counters import OpenIncident
from hemostat.core.metrics.definitions import OTHER, Measure, Values
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.events import Container, ContainerStats, Event, Heartbeat

PERCENT_PER_CORE: float = 100.0


def measure_roles(roles: Iterable[tuple[str, str]], heartbeats: Iterable[Event]) -> dict[Measure, Values]:
    """Whether roles are up or in trouble, by role and host. `roles` were seen recently; `heartbeats` are of
    running roles."""
    up: Values = dict.fromkeys(roles, 0.0)
    trouble: Values = {}
    for event in heartbeats:
        if isinstance(event.data, Heartbeat):
            labels = (event.data.role, event.host)
            up[labels] = 1.0
            trouble[labels] = max(trouble.get(labels, 0.0), float(bool(event.data.trouble)))
    return {definitions.ROLE_UP: up, definitions.ROLE_TROUBLE: trouble}


def measure_containers(
    stats: Iterable[Event],
    bounded: Callable[[str, str], str],
    name_of: Callable[[Container, float], str],
) -> dict[Measure, Values]:
    """Measurements of containers. `bounded` limits a label's value; `name_of` gives the container's name in
    metrics, seen at a time. Containers named `other` are added up, except for their limits."""
    number: Values = defaultdict(float)
    unhealthy: Values = defaultdict(float)
    use: dict[Measure, Values] = {
        each: defaultdict(float) for each in (definitions.CONTAINER_CPU, definitions.CONTAINER_MEMORY)
    }
    limits: dict[Measure, Values] = {
        each: {} for each in (definitions.CONTAINER_CPU_LIMIT, definitions.CONTAINER_MEMORY_LIMIT)
    }
    for event in sorted(stats, key=lambda event: event.id):
        container_stats = event.data
        if not isinstance(container_stats, ContainerStats):
            continue
        host = bounded("host", event.host)
        number[container_stats.state.status, host] += 1
        unhealthy[host,] += container_stats.state.health == "unhealthy"
        labels = (host, name_of(container_stats.container, event.time))
        cores = None if container_stats.cpu is None else container_stats.cpu / PERCENT_PER_CORE
        for measure, value in (
            (definitions.CONTAINER_CPU, cores),
            (definitions.CONTAINER_MEMORY, container_stats.memory),
        ):
            if value is not None:
                use[measure][labels] += value
        for measure, value in (
            (definitions.CONTAINER_CPU_LIMIT, container_stats.cpu_limit),
            (definitions.CONTAINER_MEMORY_LIMIT, container_stats.memory_limit),
        ):
            if value is not None and labels[1] != OTHER:
                limits[measure][labels] = float(value)
    return {definitions.CONTAINERS: number, definitions.UNHEALTHY_CONTAINERS: unhealthy, **use, **limits}


def count_open_incidents(incidents: Iterable[OpenIncident]) -> Values:
    return {
        labels: float(count)
        for labels, count in Counter((each.kind.value, each.host) for each in incidents if each.lasts).items()
    }


def measure_breakers(hosts: Mapping[str, HostLimitStatus]) -> dict[Measure, Values]:
    """Breakers by scope, state and host, including zeros, and the number of running actions."""
    breaker_counts: Values = {}
    for host, overview in hosts.items():
        own = [status.breaker for status in overview.containers.values()]
        for scope, states in (("container", own), ("host", [overview.breaker])):
            breaker_counts[scope, "open", host] = float(sum(each.open for each in states))
            breaker_counts[scope, "half_open", host] = float(sum(each.half_open for each in states))
    running: Values = {(host,): float(overview.running) for host, overview in hosts.items()}
    return {definitions.BREAKERS: breaker_counts, definitions.RUNNING_ACTIONS: running}
