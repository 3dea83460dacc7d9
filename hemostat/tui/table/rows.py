"""Rows of the table of containers, and their filter. Pure.

A row is recreated only if something that it shows has changed, so rows can be compared by identity.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from hemostat.core.history.brief import describe_closed, describe_incident
from hemostat.core.history.incident_log import LEFT_TO_PEOPLE, IncidentLog
from hemostat.core.history.progress import find_progress
from hemostat.core.history.status import format_state
from hemostat.core.ledger.controls import Pause
from hemostat.core.remediation.limit_status import ContainerLimitStatus, HostLimitStatus
from hemostat.events import Container, ContainerStats, Event
from hemostat.tui.data.state import DashboardState, MetricTrail
from hemostat.tui.render.limits import find_own_pause

NO_INCIDENTS: Final[tuple[IncidentLog, ...]] = ()
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


class CachedRow(msgspec.Struct, frozen=True, gc=False):
    """A row, and the data from which it was made."""

    row: Row
    event: Event
    unwell: tuple[IncidentLog, ...]
    closed: tuple[IncidentLog, ...]
    overview: HostLimitStatus | None


def update_rows(old_rows: Mapping[str, CachedRow], state: DashboardState) -> dict[str, CachedRow]:
    """The rows of all containers. Unchanged rows are the same objects."""
    new_rows: dict[str, CachedRow] = {}
    for key, event in state.stats.items():
        if not isinstance(event.data, ContainerStats):
            continue
        place = event.host, event.data.container.name
        unwell, overview = state.unwell.get(place, NO_INCIDENTS), state.safety.get(event.host)
        closed = state.closed.get(place, NO_INCIDENTS)
        old = old_rows.get(key)
        trail = state.trails[key]
        is_same = (
            old is not None
            and old.event is event
            and old.unwell == unwell
            and old.closed == closed
            and old.row.trail is trail
        )
        if old and is_same and old.overview is overview:
            new_rows[key] = old
            continue
        safety = overview.get_container_status(place[1]) if overview else None
        if (
            old
            and is_same
            and old.row.safety == safety
            and old.row.silenced == find_own_pause(safety, overview)
        ):
            new_rows[key] = CachedRow(old.row, event, unwell, closed, overview)
        else:
            row = _make_row(key, event, event.data, unwell, closed, trail, overview)
            row = msgspec.structs.replace(row, safety=safety, silenced=find_own_pause(safety, overview))
            new_rows[key] = CachedRow(row, event, unwell, closed, overview)
    return new_rows


def _make_row(
    key: str,
    event: Event,
    stats: ContainerStats,
    unwell: tuple[IncidentLog, ...],
    closed: tuple[IncidentLog, ...],
    trail: MetricTrail,
    overview: HostLimitStatus | None,
) -> Row:
    state, container = stats.state, stats.container
    label = format_state(state)
    ended_badly = state.status == "exited" and state.exit_code not in ORDERLY_EXITS
    fault = label in {"unhealthy", "restarting", "dead"} or (bool(closed) and state.status != "running")
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
        restarts=state.restart_count,
        incident="; ".join(
            describe_incident(incident_log, find_progress(incident_log, overview, state))
            + _describe_note(incident_log)
            for incident_log in unwell
        )
        or "; ".join(map(describe_closed, closed)),
        fault=bool(unwell) or fault,
        trail=trail,
        rank=_compute_rank(unwell, fault=fault),
        image=container.image,
        ports=stats.ports,
        started_at=state.started_at if state.status == "running" else 0.0,
        acknowledged=bool(unwell) and all(each.acknowledgement for each in unwell),
        ended_badly=ended_badly,
        is_closed=bool(closed) and not unwell,
    )


def _compute_rank(unwell: tuple[IncidentLog, ...], *, fault: bool) -> int:
    unread = [incident_log for incident_log in unwell if incident_log.acknowledgement is None]
    if any(incident_log.status in LEFT_TO_PEOPLE for incident_log in unread):
        return URGENT
    return ILL if unread else FAULTY if fault or unwell else CALM


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
