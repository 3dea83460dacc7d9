"""A container as the grid shows it, and which of them: filters. Pure.

A row is made anew only where something that it shows has changed, so that it can be compared by identity.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from hemostat.core.history.incident_log import IncidentLog
from hemostat.core.history.status import format_state
from hemostat.core.ledger.controls import Pause
from hemostat.core.remediation.limit_status import ContainerLimitStatus, HostLimitStatus
from hemostat.events import Container, ContainerStats, Event
from hemostat.tui.data.state import DashboardState, MetricTrail
from hemostat.tui.render.limits import find_own_pause

NO_INCIDENTS: Final[tuple[IncidentLog, ...]] = ()
ORDERLY_EXITS: Final = frozenset({0, 130, 137, 143})
"""Exit codes of containers that were done, or ended by SIGINT, SIGKILL or SIGTERM."""
LEFT_TO_PEOPLE: Final = frozenset({"escalated", "failed", "refused", "expired"})
"""How incidents stand of which HemoStat does nothing more."""
URGENT, ILL, FAULTY, CALM = range(4)
"""Ranks: an incident left to people, another open incident, a fault without one, and no fault."""


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`cpu` is percent of one core, `cpu_limit` cores; memory is bytes, `received` and `sent` bytes a second.
    `word` is the state or health; `rank` says how urgent it is, 0 most."""

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
    ended_badly: bool = False
    """Whether it exited by itself and not with 0."""

    @property
    def place(self) -> tuple[str, str]:
        return self.host, self.name

    @property
    def cpu_share(self) -> float | None:
        """Of its limit, of one core without one; 1 is all."""
        return None if self.cpu is None else self.cpu / 100 / (self.cpu_limit or 1.0)

    @property
    def memory_share(self) -> float | None:
        return self.memory / self.memory_limit if self.memory is not None and self.memory_limit else None


class CachedRow(msgspec.Struct, frozen=True, gc=False):
    """A row, and what it was made of."""

    row: Row
    event: Event
    unwell: tuple[IncidentLog, ...]
    overview: HostLimitStatus | None


def update_rows(made: Mapping[str, CachedRow], state: DashboardState) -> dict[str, CachedRow]:
    """The rows of all containers; those that would be the same again are the same."""
    found: dict[str, CachedRow] = {}
    for key, event in state.stats.items():
        if not isinstance(event.data, ContainerStats):
            continue
        place = event.host, event.data.container.name
        unwell, overview = state.unwell.get(place, NO_INCIDENTS), state.safety.get(event.host)
        old = made.get(key)
        trail = state.trails[key]
        same = old is not None and old.event is event and old.unwell == unwell and old.row.trail is trail
        if old and same and old.overview is overview:
            found[key] = old
            continue
        safety = overview.of(place[1]) if overview else None
        if old and same and old.row.safety == safety and old.row.silenced == find_own_pause(safety, overview):
            found[key] = CachedRow(old.row, event, unwell, overview)
        else:
            row = _make_row(key, event, event.data, unwell, trail)
            row = msgspec.structs.replace(row, safety=safety, silenced=find_own_pause(safety, overview))
            found[key] = CachedRow(row, event, unwell, overview)
    return found


def _make_row(
    key: str,
    event: Event,
    stats: ContainerStats,
    unwell: tuple[IncidentLog, ...],
    trail: MetricTrail,
) -> Row:
    state, container = stats.state, stats.container
    word = format_state(state)
    fault = word in {"unhealthy", "restarting", "dead"}
    return Row(
        key=key,
        container=container,
        host=event.host,
        name=container.name,
        project=container.project or "",
        service=container.service or "",
        word=word,
        cpu=stats.cpu,
        cpu_limit=stats.cpu_limit,
        memory=stats.memory,
        memory_limit=stats.memory_limit,
        received=stats.received,
        sent=stats.sent,
        restarts=state.restart_count,
        incident=", ".join(f"{story.kind} {story.status.replace('_', ' ')}" for story in unwell),
        fault=bool(unwell) or fault,
        trail=trail,
        rank=_compute_rank(unwell, fault=fault),
        ended_badly=state.status == "exited" and state.exit_code not in ORDERLY_EXITS,
    )


def _compute_rank(unwell: tuple[IncidentLog, ...], *, fault: bool) -> int:
    if any(story.status in LEFT_TO_PEOPLE for story in unwell):
        return URGENT
    return ILL if unwell else FAULTY if fault else CALM


def find_unrecalled(shown: Iterable[object]) -> dict[str, tuple[str, str]]:
    """By key, the places of those rows whose trails know nothing yet from before they were heard of."""
    return {each.key: each.place for each in shown if isinstance(each, Row) and not each.trail.recalled}


def filter_rows(rows: Iterable[Row], wanted: str, *, faults: bool) -> list[Row]:
    """Those that hold every word of `wanted`, and if `faults` have one.

    `!word` stands for those without it; `state:`, `host:`, `project:`, `service:`, `name:` and `incident:`
    look there alone.
    """
    terms = [_parse_term(word) for word in wanted.lower().split()]
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
    # A word of which only the beginning is typed yet must not empty the screen.
    return rest != word and bool(text), where, text


def _has_term(row: Row, where: str, text: str) -> bool:
    if where == "state":
        # `healthy` is not to find `unhealthy`.
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
