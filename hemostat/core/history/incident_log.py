"""Events as text for people: one line per event, and one log per incident."""

from collections.abc import Iterable
from typing import Final

import msgspec

from hemostat.core.ledger.controls import ALL_CONTAINERS
from hemostat.core.units import format_fact, show_duration, show_size
from hemostat.core.usage.findings import DETAILS
from hemostat.events import (
    Action,
    Container,
    ContainerStats,
    Decided,
    Event,
    FalseAlarm,
    HealthAlert,
    Heartbeat,
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
COUNTED_KINDS: Final = frozenset({Kind.CRASH_LOOP, Kind.FLAPPING})
"""Kinds that count events within a window, instead of reporting a lasting state."""

DECISION_TEXTS: Final = {
    Word.APPROVED: "approved: {}",
    Word.REJECTED: "rejected: {}",
    Word.PAUSED: "paused",
    Word.RESUMED: "resumed",
    Word.RESET: "breaker closed",
    Word.ACKNOWLEDGED: "acknowledged",
    Word.CLOSED: "incident closed",
    Word.ACCEPTED: "audit trail accepted",
}


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
    for event in sorted(events, key=lambda event: (event.time, event.id)):
        earlier = logs.get(event.incident or "")
        subject = (earlier.container, earlier.kind) if earlier else find_subject(event)
        if event.incident is None or subject is None:
            continue
        container, kind = subject
        since = earlier.since if earlier else _get_start(event)
        status_before = earlier.status if earlier else ""
        status = compute_status_after(event, status_before)
        logs[event.incident] = IncidentLog(
            incident=event.incident,
            host=event.host,
            container=container,
            kind=kind,
            since=since,
            status=status,
            steps=(*(earlier.steps if earlier else ()), event),
            acknowledgement=_find_acknowledgement(
                event, earlier.acknowledgement if earlier else None, ended=status_before in SETTLED_STATUSES
            ),
        )
    return list(logs.values())


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


def is_acknowledgement(event: Event) -> bool:
    """Return whether the event only records that a person takes care of the incident."""
    return isinstance(event.data, Decided) and event.data.what is Word.ACKNOWLEDGED


def is_incident_decision(event: Event) -> bool:
    """Return whether a person acknowledged or closed the incident."""
    return isinstance(event.data, Decided) and event.data.what in {Word.ACKNOWLEDGED, Word.CLOSED}


def format_event_line(event: Event) -> str:
    """The event in one line, without its time and the container's name."""
    match event.data:
        case HealthAlert() as alert:
            return _format_alert(alert)
        case RemediationNeeded(action=action, diagnosis=diagnosis):
            then = ", no action here" if action is Action.NONE else f" -> {action}"
            return f"{diagnosis.cause}{then}: {'; '.join(diagnosis.reasons)}"
        case FalseAlarm(diagnosis=diagnosis):
            return f"{diagnosis.cause}, no action: {'; '.join(diagnosis.reasons)}"
        case RemediationComplete() as completion:
            return _format_outcome(completion)
        case Order() | Decided() as person_event:
            return _format_person_event(person_event, event.time)
        case ContainerStats() | Heartbeat() as observation:
            return _format_observation(observation)


def _format_observation(observation: ContainerStats | Heartbeat) -> str:
    if isinstance(observation, Heartbeat):
        return f"{observation.role} alive, lag {observation.lag}" + (
            f", {observation.trouble}" if observation.trouble else ""
        )
    cpu = "-" if observation.cpu is None else f"{observation.cpu:.1f}"
    used = "-" if observation.memory is None else show_size(observation.memory)
    return f"{observation.state.status} cpu {cpu} % memory {used}"


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


def _format_alert(alert: HealthAlert) -> str:
    again = f" (no. {alert.occurrence})" if alert.occurrence > 1 else ""
    again = f" relapsed{again}" if alert.relapsed else again
    if alert.phase is Phase.CLEARED:
        return f"{alert.kind} resolved"
    facts = ", ".join(format_fact(item) for item in alert.evidence if item.name not in DETAILS)
    if alert.downstream:
        facts = ", ".join(filter(None, (facts, f"affects {_format_dependents(alert)}")))
    within = "within" if alert.kind in COUNTED_KINDS else "for"
    duration = f" {within} {show_duration(alert.window)}" if alert.window else ""
    return f"{alert.kind}{again}{duration}: {facts}" if facts else f"{alert.kind}{again}{duration}"


def _format_dependents(alert: HealthAlert) -> str:
    """`web, worker and 7 more`."""
    more = alert.downstream_count - len(alert.downstream)
    return ", ".join(alert.downstream) + (f" and {more} more" if more > 0 else "")


def _format_outcome(completion: RemediationComplete) -> str:
    total = completion.durations.get("total")
    outcome = (
        "done"
        if completion.kind is Kind.ORDERED and completion.outcome is Outcome.HEALED
        else completion.outcome
    )
    took = f" in {show_duration(total)}" if total is not None and completion.outcome is Outcome.HEALED else ""
    why = "" if completion.outcome is Outcome.HEALED else f": {completion.reason}"
    detail = f" ({completion.detail})" if completion.detail else ""
    action_text = "" if completion.action is Action.NONE else f"{completion.action} "
    return f"{action_text}{outcome}{took}{why}{detail}"


def _format_person_event(person_event: Order | Decided, time: float) -> str:
    why = f" ({person_event.reason})" if person_event.reason else ""
    if isinstance(person_event, Order):
        order_text = f"{person_event.action} {person_event.parameters.get('resource', '')}".rstrip()
        return (
            f"{person_event.by} orders: {order_text}{', ignoring limits' if person_event.force else ''}{why}"
        )
    scope = ", all containers," if person_event.container == ALL_CONTAINERS else ""
    length = "" if person_event.until is None else f" for {show_duration(person_event.until - time)}"
    decision = DECISION_TEXTS[person_event.what].format(person_event.action)
    return f"{decision}{length}{scope} by {person_event.by}{why}"
