"""Formats the output of `hemostat status`: a headline and five tables."""

from collections.abc import Mapping, Sequence
from typing import Final

from hemostat.cli.output.tables import Row, Table
from hemostat.core.history.status import (
    ContainerState,
    IncidentStatus,
    RoleState,
    SystemStatus,
    select_faults,
)
from hemostat.core.ledger.controls import Pause, describe_pause
from hemostat.core.ledger.rows import Attempt
from hemostat.core.remediation.circuit_breaker import BreakerState
from hemostat.core.remediation.limit_status import HostLimitStatus, describe_paused, list_pauses
from hemostat.core.remediation.restart_budget import RestartBudget
from hemostat.core.units import show_duration, show_size
from hemostat.core.wording import ACTION_WORDS, describe_kind
from hemostat.events import Kind

AT_REST_CELLS: Final = ("closed", "-", "-")
"""Breaker, budget and holds of a row without information."""


def format_headline(status: SystemStatus, waiting_count: int = 0) -> str:
    """`waiting_count` is how many items wait for a person."""
    if not status.running:
        return "HemoStat is not running: start it with: hemostat all"
    parts = [
        _format_count(sum(each.kind != Kind.ORDERED for each in status.incidents), "open incident"),
        _format_count(len(status.containers), "container"),
        _format_count(len(status.roles), "role") + " running",
    ]
    if status.buried:
        parts.append(_format_count(status.buried, "dead letter"))
    parts += [_format_mode(status.mode_texts)] if status.modes else []
    parts += filter(None, [describe_paused(list_pauses(status.safety))])
    if waiting_count:
        parts.append(
            f"{waiting_count} {'waits' if waiting_count == 1 else 'wait'} for you (hemostat waiting)"
        )
    missing = f", not running: {', '.join(status.missing)}" if status.missing else ""
    return ", ".join(parts) + missing


def _format_mode(modes: Mapping[str, str]) -> str:
    """The common mode of all hosts, or the mode of each."""
    if len(set(modes.values())) == 1:
        return f"mode {next(iter(modes.values()))}"
    return "; ".join(f"mode {mode} on {host}" for host, mode in modes.items())


def make_tables(status: SystemStatus, now: float, *, faults: bool = False) -> Sequence[Table]:
    """The tables of a status. `now`: epoch seconds. `faults`: only rows with a fault, and held actions."""
    several = len({each.host for each in status.containers}) > 1
    limits = _make_limit_rows(status, several, now)
    if faults:
        status = select_faults(status)
        limits = [row for row in limits if row.fault or row.cells[-1] != "-"]
    return (
        Table("Open incidents", ("container", "what", "for", "now"), _make_incident_rows(status)),
        Table("Roles", ("role", "state", "lag", "instance", "trouble"), _make_role_rows(status)),
        Table(
            "Containers",
            ("container", "state", "cpu", "memory", "incident"),
            [_make_container_row(each, several) for each in status.containers],
        ),
        Table("Invalid labels", ("container", "label"), _make_label_rows(status, several)),
        Table("Safety", ("what", "breaker", "budget", "held back"), limits),
    )


def _make_incident_rows(status: SystemStatus) -> list[Row]:
    return [
        Row(
            (each.container, describe_kind(each.kind), show_duration(each.age), _describe_last(each)),
            fault=not each.acknowledged_by,
        )
        for each in status.incidents
    ]


def _describe_last(incident: IncidentStatus) -> str:
    acknowledgement = f", acknowledged by {incident.acknowledged_by}" if incident.acknowledged_by else ""
    return f"{incident.last}{acknowledgement}"


def _make_role_rows(status: SystemStatus) -> list[Row]:
    """Missing roles come first: an operator has to start them."""
    missing = [
        Row((name, "not running", "-", "-", ""), fault=True) for name in status.missing if status.running
    ]
    there = [
        Row(
            (each.role, _format_liveness(each), str(each.lag), each.instance, _format_troubles(each)),
            fault=each.fault or bool(each.warnings),
        )
        for each in status.roles
    ]
    return missing + there


def _format_troubles(role: RoleState) -> str:
    return "; ".join(filter(None, (role.trouble, *role.warnings)))


def _format_liveness(role: RoleState) -> str:
    return f"silent for {show_duration(role.age)}" if role.stale else "running"


def _make_container_row(each: ContainerState, several: bool) -> Row:
    cpu = "-" if each.cpu is None else f"{each.cpu:.1f} %"
    cpu_limit = f" of {each.cpu_limit * 100:.0f} %" if each.cpu_limit else ""
    memory = "-" if each.memory is None else show_size(each.memory)
    memory_limit = f" of {show_size(each.memory_limit)}" if each.memory_limit else ""
    state = f"{each.status} ({each.health})" if each.health else each.status
    if each.exit_code is not None:
        state = f"{each.status} {each.exit_code}"
    cells = (
        _format_name(each, several),
        state,
        cpu + cpu_limit,
        memory + memory_limit,
        ", ".join(map(describe_kind, each.incidents)) or (each.closed_by and f"closed by {each.closed_by}"),
    )
    return Row(cells, fault=each.fault)


def _make_label_rows(status: SystemStatus, several: bool) -> list[Row]:
    return [
        Row((_format_name(each, several), f"{mistake}; actions need an approval"), fault=True)
        for each in status.containers
        for mistake in each.label_mistakes
    ]


def _format_name(each: ContainerState, several: bool) -> str:
    return f"{each.host}/{each.name}" if several else each.name


def _make_limit_rows(status: SystemStatus, several: bool, now: float) -> list[Row]:
    """Hosts first, then containers. Rows without information are left out."""
    hosts = [
        _make_limit_row(
            f"host {host}{_format_project(each)}",
            each.breaker,
            "-",
            _format_holds(each.pause, 0.0, now, each.running),
            now,
        )
        for host, each in status.safety.items()
    ]
    containers = [
        _make_limit_row(
            f"{host}/{name}" if several else name,
            own.breaker,
            _format_budgets(own.budget, own.orders, now),
            _format_holds(own.pause if own.pause != each.pause else None, own.backoff, now, own.attempt),
            now,
        )
        for host, each in status.safety.items()
        for name, own in each.containers.items()
    ]
    return [row for row in (*hosts, *containers) if row.cells[1:] != AT_REST_CELLS]


def _format_project(host: HostLimitStatus) -> str:
    """The project whose breaker is open, unless it is the whole host's."""
    if host.breaker_project is None:
        return ""
    return f", project {host.breaker_project}" if host.breaker_project else ", without a project"


def _make_limit_row(subject: str, breaker: BreakerState, budget: str, blocks: str, now: float) -> Row:
    breaker_text = "closed"
    if breaker.half_open:
        breaker_text = "half-open: one trial action"
    elif breaker.open:
        breaker_text = f"OPEN for {show_duration(breaker.until - now)}"
    return Row((subject, breaker_text, budget, blocks), fault=breaker.open)


def _format_budgets(budget: RestartBudget, orders: RestartBudget | None, now: float) -> str:
    """The budget of automatic actions, and that of orders if it is used."""
    if orders is None:
        return _format_budget(budget, now)
    ordered = f"orders {_format_budget(orders, now)}"
    return f"{_format_budget(budget, now)}, {ordered}" if budget.used else ordered


def _format_budget(budget: RestartBudget, now: float) -> str:
    renewal = f", again in {show_duration(budget.until - now)}" if budget.until > now else ""
    return f"{budget.used} of {budget.limit}{renewal}" if budget.used or renewal else "-"


def _format_holds(pause: Pause | None, backoff: float, now: float, doing: Attempt | int | None) -> str:
    parts = []
    if pause is not None:
        parts.append(describe_pause("paused", pause, now))
    if backoff > now:
        parts.append(f"back-off for another {show_duration(backoff - now)}")
    if isinstance(doing, Attempt):
        parts.append(f"{ACTION_WORDS[doing.action].doing}")
    elif doing:
        parts.append(f"{doing} under way")
    return ", ".join(parts) or "-"


def _format_count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
