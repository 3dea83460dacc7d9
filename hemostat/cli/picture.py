"""What `hemostat status` shows of the picture: a headline and three tables."""

from collections.abc import Sequence

from hemostat.cli.tables import Row, Table
from hemostat.core.picture import ContainerState, Picture, RoleState
from hemostat.core.units import show_duration, show_size


def headline(shown: Picture) -> str:
    if not shown.running:
        return "HemoStat is not running: start it with: hemostat all"
    parts = [
        _count(len(shown.incidents), "open incident"),
        _count(len(shown.containers), "container"),
        _count(len(shown.roles), "role") + " running",
    ]
    if shown.buried:
        parts.append(_count(shown.buried, "dead letter"))
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
