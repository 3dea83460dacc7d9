"""Incidents, each with its events and the status that follows from them."""

from collections.abc import Iterable
from typing import Final

import msgspec

from hemostat.events import (
    Container,
    Decided,
    Event,
    FalseAlarm,
    HealthAlert,
    Kind,
    Order,
    Outcome,
    Phase,
    RemediationComplete,
    RemediationNeeded,
    Word,
)

SETTLED_STATUSES: Final = frozenset({"healed", "false_alarm", "cleared", "closed"})
"""Statuses of an incident that needs no attention."""
LEFT_TO_PEOPLE: Final = frozenset({"escalated", "failed", "refused", "expired"})
"""Statuses of an incident for which HemoStat takes no further action."""
UNFINISHED_STATUSES: Final = frozenset({"acting", "waiting", "awaiting_approval"})
"""Statuses of an incident for which HemoStat still acts, or will."""
PENDING_STATUSES: Final = frozenset({"acting", "waiting"})
"""Statuses of an order without an answer. Answered orders need no attention, whatever the answer."""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """A person takes care of the incident. `at` is epoch seconds."""

    by: str
    at: float
    reason: str = ""


class IncidentLog(msgspec.Struct, frozen=True, kw_only=True):
    """One incident as its events describe it, oldest first.

    `status` is `open`, `acting`, `cleared`, `closed`, `false_alarm` or the last remediation's outcome.
    """

    incident: str
    host: str
    container: Container
    kind: Kind
    since: float
    status: str
    steps: tuple[Event, ...]
    acknowledgement: Acknowledgement | None = None

    @property
    def is_open(self) -> bool:
        if self.kind is Kind.ORDERED:
            return self.status in PENDING_STATUSES
        return self.status not in SETTLED_STATUSES


def build_incident_logs(events: Iterable[Event]) -> list[IncidentLog]:
    """The incidents in these events, oldest first. Events without an incident are left out."""
    logs: dict[str, IncidentLog] = {}
    steps: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda event: (event.time, event.id)):
        log = _apply_event(logs.get(event.incident or ""), event)
        if log is not None:
            logs[log.incident] = log
            steps.setdefault(log.incident, []).append(event)
    return [msgspec.structs.replace(log, steps=tuple(steps[log.incident])) for log in logs.values()]


def extend_incident_log(earlier: IncidentLog | None, event: Event) -> IncidentLog | None:
    """The incident after its next event; None for an event without an incident, and for one that does not say
    which incident begins."""
    log = _apply_event(earlier, event)
    return log and msgspec.structs.replace(log, steps=(*(earlier.steps if earlier else ()), event))


def _apply_event(earlier: IncidentLog | None, event: Event) -> IncidentLog | None:
    """As `extend_incident_log`, without steps: to copy them for each event takes minutes where an incident
    has 100,000."""
    subject = (earlier.container, earlier.kind) if earlier else find_subject(event)
    if event.incident is None or subject is None:
        return None
    container, kind = subject
    status_before = earlier.status if earlier else ""
    return IncidentLog(
        incident=event.incident,
        host=event.host,
        container=container,
        kind=kind,
        since=earlier.since if earlier else _get_start(event),
        status=compute_status_after(event, status_before),
        steps=(),
        acknowledgement=_find_acknowledgement(
            event, earlier.acknowledgement if earlier else None, ended=status_before in SETTLED_STATUSES
        ),
    )


def find_subject(event: Event) -> tuple[Container, Kind] | None:
    """The container and the kind of alert; None for events that only refresh a screen."""
    match event.data:
        case HealthAlert(container=container, kind=kind):
            return container, kind
        case RemediationNeeded(alert=alert) | FalseAlarm(alert=alert):
            return alert.container, alert.kind
        case RemediationComplete(container=container, kind=kind):
            return container, kind
        case Order(container=container):
            return container, Kind.ORDERED
    return None


def qualify_subject(name: str, event: Event) -> str:
    """The name of the event's container as HOST/NAME. A decision may be about the containers of all hosts."""
    is_container = find_subject(event) is not None and name != event.host
    return f"{event.host}/{name}" if is_container else name


def is_acknowledgement(event: Event) -> bool:
    """Return whether the event only records that a person takes care of the incident."""
    return isinstance(event.data, Decided) and event.data.what is Word.ACKNOWLEDGED


def is_incident_decision(event: Event) -> bool:
    """Return whether a person acknowledged or closed the incident."""
    return isinstance(event.data, Decided) and event.data.what in {Word.ACKNOWLEDGED, Word.CLOSED}


def find_closer(incident_log: IncidentLog) -> str:
    """Return who closed the incident while its failure lasts; empty if the incident is open or its failure is
    over."""
    if incident_log.status != "closed" or incident_log.kind is Kind.ORDERED:
        return ""
    closer = ""
    for step in incident_log.steps:
        match step.data:
            case Decided(what=Word.CLOSED, by=by):
                closer = by
            case HealthAlert(phase=Phase.CLEARED):
                closer = ""
    return closer


def _find_acknowledgement(
    event: Event, before: Acknowledgement | None, *, ended: bool
) -> Acknowledgement | None:
    """The acknowledgement after this event. `ended`: the incident was settled before, so that an alert begins
    another occurrence, which no person has read yet."""
    match event.data:
        case Decided(what=Word.ACKNOWLEDGED, by=by, reason=reason):
            return Acknowledgement(by=by, at=event.time, reason=reason)
        case HealthAlert(phase=Phase.RAISED) if ended:
            return None
    return before


def _get_start(event: Event) -> float:
    return event.data.since if isinstance(event.data, HealthAlert) else event.time


def compute_status_after(event: Event, before: str) -> str:
    """The status of an incident after this event. A cleared or closed incident stays so after a late verdict:
    only another alert opens it again, or a closed one the request for an action, whose outcome would else be
    hidden."""
    match event.data:
        case HealthAlert(phase=Phase.CLEARED):
            status = before if before in SETTLED_STATUSES else "cleared"
        case HealthAlert():
            status = "open"
        case RemediationComplete(outcome=Outcome.HEALED):
            status = str(Outcome.HEALED)
        case Decided(what=Word.CLOSED):
            status = before if before in SETTLED_STATUSES else "closed"
        case RemediationNeeded() if before == "closed":
            status = "acting"
        case _ if before in {"cleared", "closed"}:
            status = before
        case RemediationNeeded() | Order():
            status = "acting"
        case FalseAlarm():
            status = "false_alarm"
        case RemediationComplete(outcome=outcome):
            status = "cleared" if outcome is Outcome.NOT_APPLICABLE else str(outcome)
        case _:
            status = before
    return status
