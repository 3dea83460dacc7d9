"""The dashboard's state, and how updates change it. Pure.

History and subscription overlap, so known events are skipped. Memory is bounded: the log by MAX_LOG_EVENTS,
the rest by the number of containers and roles.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.history.identity import select_new
from hemostat.core.history.incident_log import IncidentLog, build_incident_logs, find_closer, find_subject
from hemostat.core.history.status import (
    SystemStatus,
    build_status,
    describe_open_incidents,
    get_replacement_key,
)
from hemostat.core.history.waiting_list import WaitingItem, list_waiting
from hemostat.core.ledger.controls import Approval
from hemostat.core.model import REMOVED_STATUS
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.core.text import list_names
from hemostat.core.units import show_duration
from hemostat.events import ContainerStats, Event, Heartbeat, Kind
from hemostat.streams import ROLES_BY_NAME

MAX_LOG_EVENTS: Final = 500
"""Events in the log."""
TRAIL_SECONDS: Final = 24
"""Seconds of a container's measurements that are kept for its sparklines."""
TOLERANCE_SECONDS: Final = 0.5
"""Seconds by which the start of a trail may be inexact: each value stands for a second."""
STATS_TTL_SECONDS: Final = 10.0
"""Seconds after which a container without new statistics counts as gone."""
LASTING_LAG_SECONDS: Final = 5.0
"""Seconds after which a lag is not momentary: several heartbeats in a row have reported it.

A monitor that measures every second often counts its waiting next round as a lag.
"""
LARGE_LAG_EVENTS: Final = 100
"""A lag of this many events is never momentary: a role handles hundreds a second."""
SILENT_SECONDS: Final = 5.0
"""Seconds without any event after which the bus counts as silent: heartbeats come every two."""


class FeedUpdate(msgspec.Struct, frozen=True):
    """Everything new since the last update.

    `lost` is why the bus is unreachable, else empty. `safety` is by host, None if it was not requested again.
    `is_restart`: this replaces everything known before. `is_history`: it has all that the bus had at the
    start. `past` is the history of some containers, by key.
    """

    events: tuple[Event, ...] = ()
    lost: str = ""
    safety: Mapping[str, HostLimitStatus] | None = None
    is_restart: bool = False
    is_history: bool = False
    past: Mapping[str, Sequence[MetricPoint]] = {}


class MetricTrail(msgspec.Struct, frozen=True, gc=False):
    """The latest seconds of a container, oldest first: CPU in percent of one core, memory in bytes.

    `at` is the time of the last (epoch seconds). `recalled`: it includes the history from before the
    dashboard's first event about the container.
    """

    at: float
    cpu: tuple[float | None, ...]
    memory: tuple[float | None, ...]
    recalled: bool = False

    @property
    def began(self) -> float:
        return self.at - (len(self.cpu) - 1)


class DashboardState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the dashboard shows.

    `heard` is the time of the newest event, or when the dashboard opened (epoch seconds). `unwell` are the
    open incidents, by host and container name. `safety` is by host, if known. `behind` is since when (epoch
    seconds) every heartbeat has reported a lag, by the role's source. `closed` are the incidents that a
    person has closed while their failure lasts. `is_loaded`: what the bus had when the dashboard
    opened has arrived.
    """

    heard: float
    is_loaded: bool = False
    lost: str = ""
    stats: dict[str, Event] = {}
    trails: dict[str, MetricTrail] = {}
    roles: dict[str, Event] = {}
    log: tuple[Event, ...] = ()
    unwell: dict[tuple[str, str], tuple[IncidentLog, ...]] = {}
    closed: dict[tuple[str, str], tuple[IncidentLog, ...]] = {}
    safety: Mapping[str, HostLimitStatus] = {}
    behind: Mapping[str, float] = {}


IncidentsByPlace = dict[tuple[str, str], tuple[IncidentLog, ...]]
"""Incidents by host and container name."""


def apply_update(state: DashboardState, update: FeedUpdate, now: float) -> DashboardState:
    if update.is_restart:
        state = DashboardState(heard=now)
    stats, trails = {**state.stats}, {**state.trails}
    for key in [key for key, event in stats.items() if now - event.time >= STATS_TTL_SECONDS]:
        del stats[key], trails[key]
    beats: list[Event] = []
    fresh: list[Event] = []
    newest = state.heard
    for event in update.events:
        newest = max(newest, min(event.time, now))
        match event.data:
            case ContainerStats(state=status) if status.status == REMOVED_STATUS:
                stats.pop(get_replacement_key(event), None)
                trails.pop(get_replacement_key(event), None)
            case ContainerStats():
                if now - event.time < STATS_TTL_SECONDS:
                    key, data = get_replacement_key(event), event.data
                    stats[key] = event
                    trails[key] = _add_point(trails.get(key), event.time, data.cpu, data.memory)
            case Heartbeat():
                beats.append(event)
            case _:
                fresh.append(event)
    for key, points in update.past.items():
        if key in trails:
            trails[key] = _prepend_points(trails[key], points)
    log, unwell, closed = _extend_log(state, fresh)
    roles = _select_current([*state.roles.values(), *beats]) if beats else state.roles
    return DashboardState(
        heard=newest,
        is_loaded=state.is_loaded or update.is_history,
        lost=update.lost,
        stats=stats,
        trails=trails,
        roles=roles,
        log=log,
        unwell=unwell,
        closed=closed,
        safety=state.safety if update.safety is None else update.safety,
        behind={
            source: state.behind.get(source, event.time)
            for source, event in roles.items()
            if isinstance(event.data, Heartbeat) and event.data.lag
        },
    )


def _extend_log(
    state: DashboardState, fresh: Sequence[Event]
) -> tuple[tuple[Event, ...], IncidentsByPlace, IncidentsByPlace]:
    """The log with the new events, the open incidents in it, and those that were closed while their failure
    lasts."""
    if not fresh:
        return state.log, state.unwell, state.closed
    log = select_new({}, state.log)
    new = select_new(log, fresh)
    if not new:
        return state.log, state.unwell, state.closed
    log |= new
    ordered = tuple(sorted(log.values(), key=lambda event: (event.time, event.id))[-MAX_LOG_EVENTS:])
    unwell: IncidentsByPlace = {}
    closed: IncidentsByPlace = {}
    for incident_log in build_incident_logs(ordered):
        key = incident_log.host, incident_log.container.name
        if incident_log.is_open:
            unwell[key] = (*unwell.get(key, ()), incident_log)
        elif find_closer(incident_log):
            closed[key] = (*closed.get(key, ()), incident_log)
    return ordered, unwell, closed


def _add_point(trail: MetricTrail | None, at: float, cpu: float | None, memory: int | None) -> MetricTrail:
    """Add a point: one value a second.

    Statistics are sent on a change, so values between points are unchanged.
    """
    if trail is None:
        return MetricTrail(at, (cpu,), (memory,))
    return _extend_trail(trail, at - trail.at, at, (cpu,), (memory,))


def _extend_trail(
    trail: MetricTrail,
    gap: float,
    at: float,
    later_cpu: tuple[float | None, ...],
    later_memory: tuple[float | None, ...],
) -> MetricTrail:
    """The trail with later values, the last of them at `at`. Values in a long gap are unknown.

    `gap`: seconds from the trail's last value to the first later one.
    """
    between = max(0, min(TRAIL_SECONDS, round(gap) - 1))
    cpu, memory = (trail.cpu[-1], trail.memory[-1]) if gap < STATS_TTL_SECONDS else (None, None)
    return MetricTrail(
        at,
        (trail.cpu + (cpu,) * between + later_cpu)[-TRAIL_SECONDS:],
        (trail.memory + (memory,) * between + later_memory)[-TRAIL_SECONDS:],
        trail.recalled,
    )


def _prepend_points(trail: MetricTrail, points: Sequence[MetricPoint]) -> MetricTrail:
    """The trail with the points from before it began."""
    recalled: MetricTrail | None = None
    for point in points:
        if trail.began - TRAIL_SECONDS < point.time < trail.began - TOLERANCE_SECONDS:
            recalled = _add_point(recalled, point.time, point.cpu, point.memory)
    joined = trail
    if recalled is not None:
        gap = trail.began - recalled.at
        joined = _extend_trail(recalled, gap, trail.at, trail.cpu, trail.memory)
    return msgspec.structs.replace(joined, recalled=True)


def _select_current(beats: Iterable[Event]) -> dict[str, Event]:
    """The newest heartbeat of each role and host. A replaced process is not reported as missing."""
    newest: dict[tuple[str, str], Event] = {}
    for event in sorted(beats, key=lambda event: event.time):
        newest[event.host, event.source.partition("@")[0]] = event
    return {event.source: event for event in newest.values()}


def build_full_status(state: DashboardState, now: float) -> SystemStatus:
    return build_status(
        state.roles.values(), state.stats.values(), state.log, expected=tuple(ROLES_BY_NAME), now=now
    )


def build_role_status(state: DashboardState, now: float) -> SystemStatus:
    """The status without containers and incidents, which is drawn often. Roles are in their usual order."""
    status = build_status(state.roles.values(), (), (), expected=tuple(ROLES_BY_NAME), now=now)
    order = {name: number for number, name in enumerate(ROLES_BY_NAME)}
    ordered = sorted(status.roles, key=lambda role: (order.get(role.role, len(order)), role.host))
    return msgspec.structs.replace(status, roles=tuple(ordered))


def drop_brief_lags(state: DashboardState, status: SystemStatus) -> SystemStatus:
    """The status without momentary lags, which every working role has."""
    lasting = {
        (event.host, event.data.role)
        for source, since in state.behind.items()
        if isinstance((event := state.roles[source]).data, Heartbeat)
        and (event.time - since >= LASTING_LAG_SECONDS or event.data.lag >= LARGE_LAG_EVENTS)
    }
    roles = (
        role if role.fault or (role.host, role.role) in lasting else msgspec.structs.replace(role, lag=0)
        for role in status.roles
    )
    return msgspec.structs.replace(status, roles=tuple(roles))


def describe_mode(state: DashboardState) -> str:
    """The responders' modes and their open windows. Empty without a report."""
    beats = [event.data for event in state.roles.values() if isinstance(event.data, Heartbeat)]
    modes = sorted({each.mode for each in beats if each.mode})
    windows = {window for each in beats for window in each.windows}
    return ", ".join([*modes, *([list_names(windows)] if windows else [])])


def list_failures(state: DashboardState) -> list[IncidentLog]:
    """The open incidents without the orders of people that are under way."""
    return [each for each in list_open_incidents(state) if each.kind is not Kind.ORDERED]


def list_open_incidents(state: DashboardState) -> list[IncidentLog]:
    return [each for incident_logs in state.unwell.values() for each in incident_logs]


def list_waiting_items(
    state: DashboardState, now: float, approvals: Iterable[Approval] = (), *, is_live: bool = True
) -> tuple[WaitingItem, ...]:
    """What waits for a person, as `hemostat waiting` lists it, without dead letters. `approvals`: the known
    requests. `is_live`: the roles should run now, so that a missing one is a fault."""
    roles = build_role_status(state, now)
    incidents = describe_open_incidents(list_open_incidents(state), now)
    return list_waiting(
        msgspec.structs.replace(roles, incidents=incidents),
        approvals,
        commands={role.name: role.command for role in ROLES_BY_NAME.values()} if is_live else None,
        dead_letters=None,
        now=now,
    )


def find_open_incident(state: DashboardState, incident: str) -> IncidentLog | None:
    return next((each for each in list_open_incidents(state) if each.incident == incident), None)


def format_silence(state: DashboardState, now: float) -> str:
    """How long no event has arrived, `silent for 12 s`, or that the bus is lost. Empty while events
    arrive."""
    if state.lost:
        return "no connection to Redis"
    silent = now - state.heard
    return f"silent for {show_duration(float(int(silent)))}" if silent >= SILENT_SECONDS else ""


def describe_silence(state: DashboardState, now: float) -> str:
    """A message about a silent or lost bus. Empty while events arrive."""
    if state.lost:
        # The important part comes first: narrow screens cut the end.
        return f"HemoStat is not running, or its Redis: hemostat all; retrying: {state.lost}"
    silence = format_silence(state, now)
    return f"HemoStat is not running: hemostat all ({silence})" if silence else ""


def select_events(log: Sequence[Event], host: str, name: str) -> list[Event]:
    """The events about one container."""
    return [
        event
        for event in log
        if event.host == host and (subject := find_subject(event)) is not None and subject[0].name == name
    ]


def find_latest_incident(log: Sequence[Event], key: tuple[str, str] | None) -> str | None:
    """The latest incident of the container at `key` (host, name), or of any container.

    None without an incident.
    """
    events = log if key is None else select_events(log, *key)
    return next((event.incident for event in reversed(events) if event.incident is not None), None)
