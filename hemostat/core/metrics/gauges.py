"""Gauges of the current state: roles, containers, incidents, breakers. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from hemostat.core.metrics import definitions
from hemostat.core.metrics.counters import OpenIncident
from hemostat.core.metrics.definitions import OTHER, Measure, Values
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.events import Container, ContainerStats, Event, Heartbeat

PERCENT_PER_CORE: float = 100.0


def measure_roles(known: Iterable[tuple[str, str]], heartbeats: Iterable[Event]) -> dict[Measure, Values]:
    """Whether roles are up or in trouble, by role and host. `known` were seen recently; `heartbeats` are of
    running roles."""
    up: Values = dict.fromkeys(known, 0.0)
    trouble: Values = {}
    for event in heartbeats:
        if isinstance(event.data, Heartbeat):
            place = (event.data.role, event.host)
            up[place] = 1.0
            trouble[place] = max(trouble.get(place, 0.0), float(bool(event.data.trouble)))
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
        told = event.data
        if not isinstance(told, ContainerStats):
            continue
        host = bounded("host", event.host)
        number[told.state.status, host] += 1
        unhealthy[host,] += told.state.health == "unhealthy"
        place = (host, name_of(told.container, event.time))
        cores = None if told.cpu is None else told.cpu / PERCENT_PER_CORE
        for measure, value in (
            (definitions.CONTAINER_CPU, cores),
            (definitions.CONTAINER_MEMORY, told.memory),
        ):
            if value is not None:
                use[measure][place] += value
        for measure, value in (
            (definitions.CONTAINER_CPU_LIMIT, told.cpu_limit),
            (definitions.CONTAINER_MEMORY_LIMIT, told.memory_limit),
        ):
            if value is not None and place[1] != OTHER:
                limits[measure][place] = float(value)
    return {definitions.CONTAINERS: number, definitions.UNHEALTHY_CONTAINERS: unhealthy, **use, **limits}


def count_open_incidents(opened: Iterable[OpenIncident]) -> Values:
    return {
        place: float(count)
        for place, count in Counter((each.kind.value, each.host) for each in opened if each.lasts).items()
    }


def measure_breakers(hosts: Mapping[str, HostLimitStatus]) -> dict[Measure, Values]:
    """Breakers by scope, state and host, including zeros, and the number of running actions."""
    found: Values = {}
    for host, overview in hosts.items():
        own = [standing.breaker for standing in overview.containers.values()]
        for scope, states in (("container", own), ("host", [overview.breaker])):
            found[scope, "open", host] = float(sum(each.open for each in states))
            found[scope, "half_open", host] = float(sum(each.half_open for each in states))
    running: Values = {(host,): float(overview.running) for host, overview in hosts.items()}
    return {definitions.BREAKERS: found, definitions.RUNNING_ACTIONS: running}
