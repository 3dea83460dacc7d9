"""What `hemostat status` shows, worked out from events alone: faults first."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from hemostat.cli.tables import Row, Table
from hemostat.core.story import Story, line, stories
from hemostat.core.units import show_duration, show_size
from hemostat.events import ContainerStats, Event, Heartbeat
from hemostat.topology import ROLES

LATE: Final = 2.0
"""Heartbeats that a role may miss before it is stale."""


class RoleState(msgspec.Struct, frozen=True, kw_only=True):
    """`age` is seconds since the last heartbeat."""

    role: str
    host: str
    instance: str
    pid: int
    age: float
    stale: bool
    lag: int
    trouble: str

    @property
    def fault(self) -> bool:
        return self.stale or bool(self.trouble)


class ContainerState(msgspec.Struct, frozen=True, kw_only=True):
    """`cpu` is percent of one core, `cpu_limit` cores; memory is bytes; `incidents` what is wrong with it."""

    host: str
    name: str
    status: str
    health: str | None
    cpu: float | None
    cpu_limit: float | None
    memory: int | None
    memory_limit: int | None
    incidents: tuple[str, ...]
    fault: bool


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    incident: str
    host: str
    container: str
    kind: str
    status: str
    since: float
    age: float
    last: str


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    running: bool
    """Whether any role is."""
    missing: tuple[str, ...]
    """Roles of which none runs."""
    incidents: tuple[Incident, ...] = ()
    roles: tuple[RoleState, ...] = ()
    containers: tuple[ContainerState, ...] = ()

    def told(self) -> dict[str, Any]:
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built


NOTHING: Final = Picture(running=False, missing=tuple(role.name for role in ROLES))


def picture(
    heartbeats: Iterable[Event], stats: Iterable[Event], history: Iterable[Event], now: float
) -> Picture:
    """Put together what the bus remembers. `now`: epoch seconds."""
    roles = [_role(event, event.data, now) for event in heartbeats if isinstance(event.data, Heartbeat)]
    alive = {role.role for role in roles}
    incidents = [_incident(story, now) for story in stories(history) if story.open]
    troubles: dict[tuple[str, str], tuple[str, ...]] = {}
    for each in incidents:
        place = (each.host, each.container)
        troubles[place] = (*troubles.get(place, ()), each.kind)
    containers = [
        _container(event, event.data, troubles) for event in stats if isinstance(event.data, ContainerStats)
    ]
    return Picture(
        running=bool(roles),
        missing=tuple(role.name for role in ROLES if role.name not in alive),
        incidents=tuple(sorted(incidents, key=lambda incident: -incident.since)),
        roles=tuple(sorted(roles, key=lambda role: (not role.fault, role.role, role.instance))),
        containers=tuple(sorted(containers, key=lambda each: (not each.fault, each.host, each.name))),
    )


def headline(shown: Picture) -> str:
    if not shown.running:
        return "HemoStat is not running: start it with: hemostat all"
    parts = [
        _count(len(shown.incidents), "open incident"),
        _count(len(shown.containers), "container"),
        _count(len(shown.roles), "role") + " running",
    ]
    missing = f", not running: {', '.join(shown.missing)}" if shown.missing else ""
    return ", ".join(parts) + missing


def tables(shown: Picture) -> Sequence[Table]:
    several = len({each.host for each in shown.containers}) > 1
    return (
        Table("Open incidents", ("container", "what", "status", "for", "last"), _incident_rows(shown)),
        Table("Roles", ("role", "state", "lag", "instance", "trouble"), _role_rows(shown)),
        Table(
            "Containers",
            ("container", "state", "cpu", "memory", "incident"),
            [_container_row(each, several) for each in shown.containers],
        ),
    )


def _role(event: Event, beat: Heartbeat, now: float) -> RoleState:
    age = max(0.0, now - event.time)
    return RoleState(
        role=beat.role,
        host=event.host,
        instance=beat.instance,
        pid=beat.pid,
        age=age,
        stale=age > LATE * beat.every,
        lag=beat.lag,
        trouble=beat.trouble,
    )


def _incident(story: Story, now: float) -> Incident:
    return Incident(
        incident=story.incident,
        host=story.host,
        container=story.container.name,
        kind=story.kind,
        status=story.status,
        since=story.since,
        age=max(0.0, now - story.since),
        last=line(story.steps[-1]),
    )


def _container(
    event: Event, stats: ContainerStats, troubles: Mapping[tuple[str, str], tuple[str, ...]]
) -> ContainerState:
    name, state = stats.container.name, stats.state
    incidents = troubles.get((event.host, name), ())
    unwell = state.health == "unhealthy" or state.status in {"restarting", "dead"}
    return ContainerState(
        host=event.host,
        name=name,
        status=state.status,
        health=state.health,
        cpu=stats.cpu,
        cpu_limit=stats.cpu_limit,
        memory=stats.memory,
        memory_limit=stats.memory_limit,
        incidents=incidents,
        fault=unwell or bool(incidents),
    )


def _incident_rows(shown: Picture) -> list[Row]:
    return [
        Row((each.container, each.kind, each.status, show_duration(each.age), each.last), fault=True)
        for each in shown.incidents
    ]


def _role_rows(shown: Picture) -> list[Row]:
    """Those that are missing come first: somebody has to start them."""
    gone = [Row((name, "not running", "-", "-", ""), fault=True) for name in shown.missing if shown.running]
    there = [
        Row(
            (each.role, _liveness(each), str(each.lag), each.instance, each.trouble),
            fault=each.fault,
        )
        for each in shown.roles
    ]
    return gone + there


def _liveness(role: RoleState) -> str:
    return f"STALE {show_duration(role.age)}" if role.stale else "running"


def _container_row(each: ContainerState, several: bool) -> Row:
    cpu = "-" if each.cpu is None else f"{each.cpu:.1f} %"
    cpu_limit = f" of {each.cpu_limit * 100:.0f} %" if each.cpu_limit else ""
    memory = "-" if each.memory is None else show_size(each.memory)
    memory_limit = f" of {show_size(each.memory_limit)}" if each.memory_limit else ""
    name = f"{each.host}/{each.name}" if several else each.name
    state = f"{each.status} ({each.health})" if each.health else each.status
    cells = (name, state, cpu + cpu_limit, memory + memory_limit, ", ".join(each.incidents))
    return Row(cells, fault=each.fault)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
