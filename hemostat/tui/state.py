"""What the dashboard knows, and how news changes it. Pure.

History and subscription overlap, so what is known already is passed over. Everything is bounded: the log by
LOG, the rest by how many containers and roles there are.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from hemostat.core.picture import Picture, name_of, picture
from hemostat.core.story import subject
from hemostat.core.units import show_duration
from hemostat.events import ContainerStats, Event, Heartbeat
from hemostat.topology import BY_NAME

LOG: Final = 500
"""Events that the log holds."""
STATS_LAST: Final = 10.0
"""Seconds after which a container of which nothing is heard is gone."""
SILENT: Final = 5.0
"""Seconds without any event after which the bus is said to be silent: heartbeats come every two."""


class News(msgspec.Struct, frozen=True):
    """What came since the last news. `lost` is why the bus cannot be listened to; empty while it can. `anew`:
    this is all there is to know, and what was known before is not so."""

    events: tuple[Event, ...] = ()
    lost: str = ""
    anew: bool = False


class State(msgspec.Struct, frozen=True, kw_only=True):
    """`heard` is the time of the newest event, or when the dashboard opened (epoch seconds)."""

    heard: float
    lost: str = ""
    stats: dict[str, Event] = {}
    roles: dict[str, Event] = {}
    log: tuple[Event, ...] = ()


def apply(state: State, news: News, now: float) -> State:
    if news.anew:
        state = State(heard=now)
    stats = {key: event for key, event in state.stats.items() if now - event.time < STATS_LAST}
    roles = dict(state.roles)
    log = {event.id: event for event in state.log}
    for event in news.events:
        match event.data:
            case ContainerStats():
                if now - event.time < STATS_LAST:
                    stats[name_of(event)] = event
            case Heartbeat():
                roles[name_of(event)] = event
            case _:
                log[event.id] = event
    ordered = sorted(log.values(), key=lambda event: (event.time, event.id))
    newest = max((event.time for event in news.events), default=0.0)
    return State(
        heard=max(state.heard, min(newest, now)),
        lost=news.lost,
        stats=stats,
        roles=_current(roles.values()),
        log=tuple(ordered[-LOG:]),
    )


def _current(beats: Iterable[Event]) -> dict[str, Event]:
    """One a role and host: a process that was replaced is not missed."""
    newest: dict[tuple[str, str], Event] = {}
    for event in sorted(beats, key=lambda event: event.time):
        newest[event.host, event.source.partition("@")[0]] = event
    return {event.source: event for event in newest.values()}


def seen(state: State, now: float) -> Picture:
    return picture(state.roles.values(), state.stats.values(), state.log, expected=tuple(BY_NAME), now=now)


def silence(state: State, now: float) -> str:
    """What to say of the bus when nothing comes from it; empty while something does."""
    if state.lost:
        # What matters comes first: narrow screens cut the end.
        return f"bus lost, retrying: {state.lost}"
    quiet = now - state.heard
    if quiet < SILENT:
        return ""
    ago = show_duration(float(int(quiet)))
    return f"bus silent for {ago}. Is anything running? Start it with: hemostat all"


def about(log: Sequence[Event], host: str, name: str) -> list[Event]:
    """The events about one container."""
    return [
        event
        for event in log
        if event.host == host and (told := subject(event)) is not None and told[0].name == name
    ]


def latest(log: Sequence[Event], place: tuple[str, str] | None) -> str | None:
    """The incident told of last, of the container at `place` (host, name) or of any; None for none."""
    events = log if place is None else about(log, *place)
    return next((event.incident for event in reversed(events) if event.incident is not None), None)
