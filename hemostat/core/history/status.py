"""The status of roles, open incidents and containers, computed from events alone; faults first."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Final

import msgspec

from hemostat.core.history.incident_log import (
    IncidentLog,
    build_incident_logs,
    find_closer,
    is_acknowledgement,
)
from hemostat.core.history.progress import find_progress
from hemostat.core.history.sentences import format_event_line
from hemostat.core.labels.mistakes import find_mistakes
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.core.text import list_names
from hemostat.core.wording import describe_kind
from hemostat.events import (
    ContainerStats,
    Epoch,
    Event,
    HealthAlert,
    Heartbeat,
    Phase,
    RemediationComplete,
    State,
)
from hemostat.events.fields import renamed_to

MAX_MISSED_HEARTBEATS: Final = 2.0
"""Heartbeats that a role may miss before it is stale."""


class RoleState(msgspec.Struct, frozen=True, kw_only=True):
    """`age` is seconds since the last heartbeat."""

    role: str
    host: str
    instance: str
    pid: int
    age: Annotated[float, renamed_to("heartbeat_age_seconds")]
    stale: bool
    lag: int
    trouble: str
    warnings: tuple[str, ...] = ()
    """Functions that the role runs without."""
    mode: str = ""
    """Mode of a responder: auto, approve or dry-run."""
    modes: dict[str, str] = {}
    """Its stricter modes, by action (`restart`) and by project (`project shop`)."""
    windows: tuple[str, ...] = ()
    """The open windows that changed them, as text."""

    @property
    def fault(self) -> bool:
        return self.stale or bool(self.trouble)


class ContainerState(msgspec.Struct, frozen=True, kw_only=True):
    """`cpu` is percent of one core, `cpu_limit` is cores, and memory is bytes. `incidents` are the kinds of
    open incidents."""

    host: str
    name: str
    status: Annotated[str, renamed_to("state")]
    health: str | None
    cpu: float | None
    cpu_limit: float | None
    memory: int | None
    memory_limit: int | None
    restarts: int
    incidents: tuple[str, ...]
    fault: bool
    label_mistakes: tuple[str, ...] = ()
    """Unusable labels, as text. Such a container is not acted on without a person."""
    exit_code: int | None = None
    """Exit code of an exited container."""
    closed_by: str = ""
    """Who closed its last incident while the failure lasts; empty while an incident is open."""


class IncidentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`problem` is the last alert, as text. `reason` is the last outcome's.

    `acknowledged_by` is the person who takes care of the incident, and `acknowledgement` that person's note.
    """

    incident: str
    host: str
    container: str
    kind: str
    status: str
    since: Epoch
    age: Annotated[float, renamed_to("age_seconds")]
    last: str
    problem: str = ""
    reason: str = ""
    acknowledged_by: str = ""
    acknowledgement: Annotated[str, renamed_to("note")] = ""


class SystemStatus(msgspec.Struct, frozen=True, kw_only=True):
    running: bool
    """Whether any role is running."""
    missing: tuple[str, ...]
    """Expected roles without a running instance."""
    incidents: tuple[IncidentStatus, ...] = ()
    roles: tuple[RoleState, ...] = ()
    containers: tuple[ContainerState, ...] = ()
    buried: Annotated[int, renamed_to("dead_letters")] = 0
    """Number of dead letters: events that could not be handled."""
    safety: Mapping[str, HostLimitStatus] = {}
    """Limit status of each host and its containers, by host."""
    modes: Mapping[str, str] = {}
    """The modes of each host's responders, by host: auto, approve or dry-run; joined if they differ."""

    @property
    def mode_texts(self) -> dict[str, str]:
        """The same with the actions and projects that have a stricter mode, and the open windows."""
        stricter: dict[str, dict[str, str]] = {}
        windows: dict[str, set[str]] = {}
        for role in self.roles:
            stricter.setdefault(role.host, {}).update(role.modes)
            windows.setdefault(role.host, set()).update(role.windows)
        return {
            host: format_mode(mode, stricter.get(host, {}), windows.get(host, ()))
            for host, mode in self.modes.items()
        }


def format_mode(mode: str, stricter: Mapping[str, str], windows: Collection[str] = ()) -> str:
    """A mode, and in brackets the actions and projects with a stricter one, and the open windows."""
    by_mode: dict[str, list[str]] = {}
    for name, each in sorted(stricter.items()):
        by_mode.setdefault(each, []).append(name)
    texts = [f"{each}: {list_names(names)}" for each, names in sorted(by_mode.items())]
    texts += [f"window {list_names(windows)}"] if windows else []
    return f"{mode} ({'; '.join(texts)})" if texts else mode


def build_status(
    heartbeats: Iterable[Event],
    stats: Iterable[Event],
    history: Iterable[Event],
    *,
    expected: Sequence[str],
    now: float,
    buried: int = 0,
    safety: Mapping[str, HostLimitStatus] = {},
) -> SystemStatus:
    """The status from stored events. `expected` are the roles that should run; `now` is epoch seconds."""
    stats = list(stats)
    roles = [
        _build_role_state(event, event.data, now) for event in heartbeats if isinstance(event.data, Heartbeat)
    ]
    alive = {role.role for role in roles}
    incident_logs = build_incident_logs(history)
    incidents = describe_open_incidents(incident_logs, now, stats=stats, safety=safety)
    closers = {
        (each.host, each.container.name): closer for each in incident_logs if (closer := find_closer(each))
    }
    troubles: dict[tuple[str, str], tuple[str, ...]] = {}
    for each in incidents:
        container_key = (each.host, each.container)
        troubles[container_key] = (*troubles.get(container_key, ()), each.kind)
    containers = [
        _build_container_state(event, event.data, troubles, closers)
        for event in stats
        if isinstance(event.data, ContainerStats)
    ]
    return SystemStatus(
        running=bool(roles),
        missing=tuple(name for name in expected if name not in alive),
        incidents=incidents,
        roles=tuple(sorted(roles, key=lambda role: (not role.fault, role.role, role.instance))),
        containers=tuple(sorted(containers, key=lambda each: (not each.fault, each.host, each.name))),
        buried=buried,
        safety=safety,
        modes=_join_modes(roles),
    )


def describe_open_incidents(
    incident_logs: Iterable[IncidentLog],
    now: float,
    *,
    stats: Sequence[Event] = (),
    safety: Mapping[str, HostLimitStatus] = {},
) -> tuple[IncidentStatus, ...]:
    """The open ones of these incidents, the newest first. Every output counts and lists open incidents by
    this."""
    incidents = (
        _build_incident_status(each, now, _find_progress(each, stats, safety))
        for each in incident_logs
        if each.is_open
    )
    return tuple(sorted(incidents, key=lambda incident: -incident.since))


def select_faults(status: SystemStatus) -> SystemStatus:
    """The status without the roles and containers that have no fault."""
    return msgspec.structs.replace(
        status,
        roles=tuple(each for each in status.roles if each.fault or each.warnings),
        containers=tuple(each for each in status.containers if each.fault or each.label_mistakes),
    )


def _join_modes(roles: Iterable[RoleState]) -> dict[str, str]:
    modes_by_host: dict[str, set[str]] = {}
    for role in roles:
        if role.mode:
            modes_by_host.setdefault(role.host, set()).add(role.mode)
    return {host: " and ".join(sorted(modes_by_host[host])) for host in sorted(modes_by_host)}


def format_state(state: State) -> str:
    """Health of a container with a health check, else its state. For an exited container, with the exit
    code."""
    if state.status == "running":
        return state.health or state.status
    return f"{state.status} {state.exit_code}" if state.status == "exited" else state.status


def get_replacement_key(event: Event) -> str:
    """The key under which a newer event of the same type replaces this one. A recreated container keeps its
    key, because people treat it as the same."""
    if isinstance(event.data, ContainerStats):
        return f"{event.host}/{event.data.container.name}"
    return event.source


def _build_role_state(event: Event, beat: Heartbeat, now: float) -> RoleState:
    age = max(0.0, now - event.time)
    return RoleState(
        role=beat.role,
        host=event.host,
        instance=beat.instance,
        pid=beat.pid,
        age=age,
        stale=age > MAX_MISSED_HEARTBEATS * beat.every,
        lag=beat.lag,
        trouble=beat.trouble,
        warnings=beat.warnings,
        mode=beat.mode,
        modes=beat.modes,
        windows=beat.windows,
    )


def _find_progress(
    incident_log: IncidentLog, stats: Iterable[Event], safety: Mapping[str, HostLimitStatus]
) -> str:
    states = (
        event.data.state
        for event in stats
        if isinstance(event.data, ContainerStats)
        and (event.host, event.data.container.name) == (incident_log.host, incident_log.container.name)
    )
    return find_progress(incident_log, safety.get(incident_log.host), next(states, None))


def _build_incident_status(incident_log: IncidentLog, now: float, progress: str) -> IncidentStatus:
    own_steps = [step for step in incident_log.steps if not is_acknowledgement(step)]
    alerts = [
        step for step in own_steps if isinstance(step.data, HealthAlert) and step.data.phase is Phase.RAISED
    ]
    outcomes = [step.data for step in own_steps if isinstance(step.data, RemediationComplete)]
    note = incident_log.acknowledgement
    return IncidentStatus(
        incident=incident_log.incident,
        host=incident_log.host,
        container=incident_log.container.name,
        kind=incident_log.kind,
        status=incident_log.status,
        since=incident_log.since,
        age=max(0.0, now - incident_log.since),
        last=progress or format_event_line(own_steps[-1]),
        problem=format_event_line(alerts[-1]) if alerts else describe_kind(incident_log.kind),
        reason=outcomes[-1].reason if outcomes else "",
        acknowledged_by="" if note is None else note.by,
        acknowledgement="" if note is None else note.reason,
    )


def _build_container_state(
    event: Event,
    stats: ContainerStats,
    troubles: Mapping[tuple[str, str], tuple[str, ...]],
    closers: Mapping[tuple[str, str], str],
) -> ContainerState:
    name, state = stats.container.name, stats.state
    incidents = troubles.get((event.host, name), ())
    unwell = state.health == "unhealthy" or state.status in {"restarting", "dead"}
    closed_by = "" if incidents else closers.get((event.host, name), "")
    return ContainerState(
        host=event.host,
        name=name,
        status=state.status,
        health=state.health,
        cpu=stats.cpu,
        cpu_limit=stats.cpu_limit,
        memory=stats.memory,
        memory_limit=stats.memory_limit,
        restarts=state.restart_count,
        incidents=incidents,
        fault=unwell or bool(incidents) or (bool(closed_by) and state.status != "running"),
        label_mistakes=tuple(map(str, find_mistakes(stats.container.labels))),
        exit_code=state.exit_code if state.status == "exited" else None,
        closed_by=closed_by,
    )
