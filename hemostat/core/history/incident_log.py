"""Events as text for people: one line per event, and one log per incident."""

from collections.abc import Iterable
from typing import Final

import msgspec

from hemostat.core.evidence.measurement import format_fact
from hemostat.core.ledger.controls import ALL_CONTAINERS
from hemostat.core.units import show_duration, show_size
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

SETTLED_STATUSES: Final = frozenset({"healed", "false_alarm", "cleared"})
"""Statuses of an incident that needs no attention."""
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
    Word.ACCEPTED: "audit trail accepted",
}


class IncidentLog(msgspec.Struct, frozen=True, kw_only=True):
    """One incident as its events describe it, oldest first.

    `status` is `open`, `acting`, `cleared`, `false_alarm` or the last remediation's outcome.
    """

    incident: str
    host: str
    container: Container
    kind: Kind
    since: float
    status: str
    steps: tuple[Event, ...]

    @property
    def open(self) -> bool:
        if self.kind is Kind.ORDERED:
            return self.status in PENDING_STATUSES
        return self.status not in SETTLED_STATUSES


def build_incident_logs(events: Iterable[Event]) -> list[IncidentLog]:
    """The incidents in these events, oldest first. Events without an incident are left out."""
    found: dict[str, IncidentLog] = {}
    for event in sorted(events, key=lambda event: (event.time, event.id)):
        earlier = found.get(event.incident or "")
        about = (earlier.container, earlier.kind) if earlier else find_subject(event)
        if event.incident is None or about is None:
            continue
        container, kind = about
        since = earlier.since if earlier else _get_start(event)
        found[event.incident] = IncidentLog(
            incident=event.incident,
            host=event.host,
            container=container,
            kind=kind,
            since=since,
            status=compute_status_after(event, earlier.status if earlier else ""),
            steps=(*(earlier.steps if earlier else ()), event),
        )
    return list(found.values())


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
        case RemediationComplete() as done:
            return _format_outcome(done)
        case Order() | Decided() as said:
            return _format_person_event(said, event.time)
        case ContainerStats() | Heartbeat() as seen:
            return _format_observation(seen)


def _format_observation(seen: ContainerStats | Heartbeat) -> str:
    if isinstance(seen, Heartbeat):
        return f"{seen.role} alive, lag {seen.lag}" + (f", {seen.trouble}" if seen.trouble else "")
    cpu = "-" if seen.cpu is None else f"{seen.cpu:.1f}"
    used = "-" if seen.memory is None else show_size(seen.memory)
    return f"{seen.state.status} cpu {cpu} % memory {used}"


def _get_start(event: Event) -> float:
    return event.data.since if isinstance(event.data, HealthAlert) else event.time


def compute_status_after(event: Event, before: str) -> str:
    """The status of an incident after this event. A cleared incident stays cleared after a late verdict: only
    another alert opens it again."""
    match event.data:
        case HealthAlert(phase=Phase.CLEARED):
            status = before if before in SETTLED_STATUSES else "cleared"
        case HealthAlert():
            status = "open"
        case RemediationComplete(outcome=Outcome.HEALED):
            status = str(Outcome.HEALED)
        case _ if before == "cleared":
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
    held = f" {within} {show_duration(alert.window)}" if alert.window else ""
    return f"{alert.kind}{again}{held}: {facts}" if facts else f"{alert.kind}{again}{held}"


def _format_dependents(alert: HealthAlert) -> str:
    """`web, worker and 7 more`."""
    more = alert.downstream_count - len(alert.downstream)
    return ", ".join(alert.downstream) + (f" and {more} more" if more > 0 else "")


def _format_outcome(done: RemediationComplete) -> str:
    total = done.durations.get("total")
    outcome = "done" if done.kind is Kind.ORDERED and done.outcome is Outcome.HEALED else done.outcome
    took = f" in {show_duration(total)}" if total is not None and done.outcome is Outcome.HEALED else ""
    why = "" if done.outcome is Outcome.HEALED else f": {done.reason}"
    detail = f" ({done.detail})" if done.detail else ""
    what = "" if done.action is Action.NONE else f"{done.action} "
    return f"{what}{outcome}{took}{why}{detail}"


def _format_person_event(said: Order | Decided, time: float) -> str:
    why = f" ({said.reason})" if said.reason else ""
    if isinstance(said, Order):
        what = f"{said.action} {said.parameters.get('resource', '')}".rstrip()
        return f"{said.by} orders: {what}{', ignoring limits' if said.force else ''}{why}"
    scope = ", all containers," if said.container == ALL_CONTAINERS else ""
    length = "" if said.until is None else f" for {show_duration(said.until - time)}"
    return f"{DECISION_TEXTS[said.what].format(said.action)}{length}{scope} by {said.by}{why}"
