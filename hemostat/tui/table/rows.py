"""Rows of the table of containers, and their filter. Pure.

A row is made again only if something that it shows has changed, so rows can be compared by identity.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from hemostat.core.history.brief import describe_closed, describe_incident
from hemostat.core.history.incident_log import LEFT_TO_PEOPLE, IncidentLog
from hemostat.core.history.progress import find_progress
from hemostat.core.history.status import format_state
from hemostat.core.ledger.controls import Pause
from hemostat.core.remediation.limit_status import ContainerLimitStatus
from hemostat.events import Container, ContainerStats, Event, Kind
from hemostat.tui.data.state import DashboardState, MetricTrail
from hemostat.tui.render.limits import find_own_pause

ORDERLY_EXITS: Final = frozenset({0, 130, 137, 143})
"""Exit codes of containers that completed, or were ended by SIGINT, SIGKILL or SIGTERM."""
URGENT, ILL, FAULTY, CALM = range(4)
"""Ranks: an incident left to operators, another open incident, a fault whose incident is acknowledged or that
has none, and no fault."""


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A container in the table. `word` is the state or health; `rank` is the urgency, 0 the highest.

    `cpu` is percent of one core, `cpu_limit` cores. Memory is bytes, `received` and `sent` bytes a second.
    """

    key: str
    host: str
    name: str
    project: str
    service: str
    word: str
    cpu: float | None
    cpu_limit: float | None
    memory: int | None
    memory_limit: int | None
    restarts: int
    incident: str
    fault: bool
    trail: MetricTrail
    container: Container
    received: float | None = None
    sent: float | None = None
    safety: ContainerLimitStatus | None = None
    silenced: Pause | None = None
    """A pause of this container alone."""
    rank: int = CALM
    image: str = ""
    ports: tuple[int, ...] = ()
    started_at: float = 0.0
    """When the running container started (epoch seconds); 0 if it does not run."""
    acknowledged: bool = False
    """Whether people take care of all its open incidents."""
    is_closed: bool = False
    """Whether a person has closed its incident while the failure lasts."""
    ended_badly: bool = False
    """Whether the container exited with a code that is not in ORDERLY_EXITS."""

    @property
    def place(self) -> tuple[str, str]:
        return self.host, self.name

    @property
    def cpu_share(self) -> float | None:
        """The share of its limit, or of one core without a limit. 1 is all."""
        return None if self.cpu is None else self.cpu / 100 / (self.cpu_limit or 1.0)

    @property
    def memory_share(self) -> float | None:
        return self.memory / self.memory_limit if self.memory is not None and self.memory_limit else None


class RowTable(msgspec.Struct, frozen=True):
    """The rows of all containers by key, in the order of the screen, and the state that they show."""

    state: DashboardState = DashboardState(heard=0.0)
    rows: Mapping[str, Row] = {}


def update_table(table: RowTable, state: DashboardState) -> RowTable:
    """The table of a newer state. Rows keep their order, and new rows come last.

    Most rows are unchanged: only rows of which a source has changed are made again.
    """
    rows = {**table.rows}
    for key in rows.keys() - state.stats.keys():
        del rows[key]
    for key in _list_changed(table, state):
        event = state.stats[key]
        if isinstance(event.data, ContainerStats):
            rows[key] = _make_row(key, event, event.data, state)
    return RowTable(state, rows)


def _list_changed(table: RowTable, state: DashboardState) -> list[str]:
    """The keys of rows that new statistics, points, incidents or limits change. New statistics extend the
    trail."""
    before, trails = table.state, table.state.trails
    changed = [key for key, trail in state.trails.items() if trails.get(key) is not trail]
    incidents = {
        place
        for old, new in ((before.unwell, state.unwell), (before.closed, state.closed))
        for place in old.keys() | new.keys()
        if old.get(place) != new.get(place)
    }
    if incidents:
        changed += [key for key, row in table.rows.items() if row.place in incidents and key in state.stats]
    if before.safety != state.safety:
        changed += [
            key
            for key, row in table.rows.items()
            if (row.safety, row.silenced) != _find_limits(row.place, state) and key in state.stats
        ]
    return changed


def _find_limits(
    place: tuple[str, str], state: DashboardState
) -> tuple[ContainerLimitStatus | None, Pause | None]:
    """The limit status and the own pause of the container at `place`."""
    host, name = place
    overview = state.safety.get(host)
    limit_status = overview.get_container_status(name) if overview else None
    return limit_status, find_own_pause(limit_status, overview)


def _make_row(key: str, event: Event, stats: ContainerStats, state: DashboardState) -> Row:
    condition, container = stats.state, stats.container
    place = event.host, container.name
    unwell, closed = state.unwell.get(place, ()), state.closed.get(place, ())
    safety, silenced = _find_limits(place, state)
    label = format_state(condition)
    ended_badly = condition.status == "exited" and condition.exit_code not in ORDERLY_EXITS
    failures = [each for each in unwell if each.kind is not Kind.ORDERED]
    fault = label in {"unhealthy", "restarting", "dead"} or (bool(closed) and condition.status != "running")
    return Row(
        key=key,
        container=container,
        host=event.host,
        name=container.name,
        project=container.project or "",
        service=container.service or "",
        word=label,
        cpu=stats.cpu,
        cpu_limit=stats.cpu_limit,
        memory=stats.memory,
        memory_limit=stats.memory_limit,
        received=stats.received,
        sent=stats.sent,
        restarts=condition.restart_count,
        incident="; ".join(
            [
                describe_incident(each, find_progress(each, state.safety.get(event.host), condition))
                + _describe_note(each)
                for each in unwell
            ]
        )
        or "; ".join(map(describe_closed, closed)),
        fault=bool(failures) or fault,
        trail=state.trails[key],
        safety=safety,
        silenced=silenced,
        rank=_compute_rank(failures, fault=fault),
        image=container.image,
        ports=stats.ports,
        started_at=condition.started_at if condition.status == "running" else 0.0,
        acknowledged=bool(failures) and all(each.acknowledgement for each in failures),
        ended_badly=ended_badly,
        is_closed=bool(closed) and not unwell,
    )


def _compute_rank(unwell: Sequence[IncidentLog], *, fault: bool) -> int:
    if not unwell:
        return FAULTY if fault else CALM
    unread = [incident_log for incident_log in unwell if incident_log.acknowledgement is None]
    if any(incident_log.status in LEFT_TO_PEOPLE for incident_log in unread):
        return URGENT
    return ILL if unread else FAULTY


def _describe_note(incident_log: IncidentLog) -> str:
    note = incident_log.acknowledgement
    return f" (acknowledged by {note.by})" if note else ""


def find_unrecalled(entries: Iterable[object]) -> dict[str, tuple[str, str]]:
    """The places of rows without recalled history, by key."""
    return {each.key: each.place for each in entries if isinstance(each, Row) and not each.trail.recalled}


def filter_rows(rows: Iterable[Row], query: str, *, faults: bool) -> list[Row]:
    """The rows that contain every word of `query`, and have a fault if `faults`.

    `!word` matches rows without the word. `state:`, `host:`, `project:`, `service:`, `name:` and `incident:`
    restrict the search to that field.
    """
    terms = [_parse_term(word) for word in query.lower().split()]
    if not terms and not faults:
        return list(rows)
    return [
        row
        for row in rows
        if (row.fault or not faults)
        and all(_has_term(row, where, text) != inverse for inverse, where, text in terms)
    ]


def _parse_term(word: str) -> tuple[bool, str, str]:
    rest = word.removeprefix("!")
    where, colon, text = rest.partition(":")
    if not colon or where not in _PLACES:
        where, text = "", rest
    # A prefix without its text yet must not hide all rows.
    return rest != word and bool(text), where, text


def _has_term(row: Row, where: str, text: str) -> bool:
    if where == "state":
        # `healthy` must not match `unhealthy`.
        return row.word.startswith(text)
    places = (_PLACES[where],) if where else _PLACES.values()
    return any(text in getattr(row, place).lower() for place in places)


_PLACES: Final = {
    "state": "word",
    "host": "host",
    "project": "project",
    "service": "service",
    "name": "name",
    "incident": "incident",
}
