"""Finds the outcome of every injected failure, from the events on the bus and the engine's events.

A death is accounted for if an alert reports it and that alert has an end: healed, escalated to people, or
still open and shown by `hemostat status`. Any other death is lost.
"""

from collections import Counter
from collections.abc import Collection, Sequence

import msgspec

from hemostat.events import Event, HealthAlert, Outcome, Phase, RemediationComplete

NEAR = 1.0
"""Maximum seconds between the times that the engine's event and the container's state name for one death."""
CLOSED = frozenset({Outcome.HEALED, Outcome.NOT_APPLICABLE})
PASSING = frozenset({Outcome.WAITING, Outcome.AWAITING_APPROVAL})

Occurrence = tuple[str, int]
"""An incident's id and the number of the occurrence."""


class Happening(msgspec.Struct, frozen=True):
    """An event of the engine: the container's id, and the time in epoch seconds."""

    time: float
    container: str
    action: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one fault. `recovered`: seconds from the fault's end until the last container ran."""

    fault: str
    injected: int
    closed: int = 0
    escalated: int = 0
    open: int = 0
    lost: int = 0
    doubled: int = 0
    over_budget: int = 0
    recovered: float = 0.0
    note: str = ""

    @property
    def clean(self) -> bool:
        adds_up = self.injected == self.closed + self.escalated + self.open
        return adds_up and not (self.lost or self.doubled or self.over_budget)


def account(
    fault: str,
    deaths: Sequence[Happening],
    events: Sequence[Event],
    happened: Sequence[Happening],
    *,
    ended: float,
    budget: int,
    waiting: int = 0,
    shown: Collection[str] = (),
    note: str = "",
) -> Row:
    """Return the result of one fault. `deaths` are the injected failures, `happened` all events of the engine
    about these containers since the beginning, `waiting` the number of entries that no role has handled yet,
    `shown` the incidents that are shown as open."""
    fates = [_fate(death, events, waiting, shown) for death in deaths]
    counted = Counter(kind for kind, _ in fates)
    reasons = Counter(detail for kind, detail in fates if kind != "closed")
    notes = [note, *(f"{count} {reason}" for reason, count in sorted(reasons.items()))]
    starts = Counter(each.container for each in happened if each.action == "start")
    injected = Counter(death.container for death in deaths)
    last = max((each.time for each in happened if each.action == "start"), default=ended)
    return Row(
        fault=fault,
        injected=len(deaths),
        closed=counted["closed"],
        escalated=counted["escalated"],
        open=counted["open"],
        lost=counted["lost"],
        doubled=sum(max(0, starts[container] - injected[container]) for container in starts),
        over_budget=sum(max(0, count - budget) for count in starts.values()),
        recovered=round(max(0.0, last - ended), 1),
        note=", ".join(filter(None, notes)),
    )


def _fate(death: Happening, events: Sequence[Event], waiting: int, shown: Collection[str]) -> tuple[str, str]:
    name = _told(death, events)
    if name is None:
        return "lost", "without an alert"
    answers = [
        event.data
        for event in events
        if isinstance(event.data, RemediationComplete) and (event.incident, event.data.occurrence) == name
    ]
    outcomes = {answer.outcome for answer in answers}
    detail = "/".join(sorted({f"{answer.outcome}: {answer.reason}" for answer in answers}))
    if outcomes & CLOSED:
        return "closed", detail
    if outcomes - PASSING:
        return "escalated", detail
    if not outcomes and not waiting:
        return "lost", "without an end"
    detail = detail or "on the bus"
    return ("open", detail) if name[0] in shown else ("lost", f"{detail}, not in hemostat status")


def _told(death: Happening, events: Sequence[Event]) -> Occurrence | None:
    for event in events:
        alert = event.data
        if (
            isinstance(alert, HealthAlert)
            and alert.phase is Phase.RAISED
            and alert.container.id == death.container
            and abs(alert.since - death.time) < NEAR
            and event.incident is not None
        ):
            return event.incident, alert.occurrence
    return None
