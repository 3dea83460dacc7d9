"""Notifications of an incident: one per channel waits at a time, and later ones replace it.

1. Every channel keeps one notification per incident. A later one replaces it while it waits (`merge`). So a
   crash that is healed within the grace period is one message, and so is a series of them during quiet hours.
2. A channel gets a notification only if it differs from the last one sent (`should_notify`). A failure that
   ended by itself is reported only to channels that were notified of its start.

core.notify.routing decides when to send.
"""

from typing import Final

import msgspec

from hemostat.core.detection.incidents import CRITICAL_KINDS
from hemostat.core.history.healing_time import measure_remediation
from hemostat.core.history.incident_log import find_subject
from hemostat.core.history.sentences import format_event_line
from hemostat.core.ledger.controls import ALL_CONTAINERS
from hemostat.core.settings.alert import Topic
from hemostat.core.wording import describe_cause
from hemostat.events import (
    Action,
    Container,
    Decided,
    Diagnosis,
    Event,
    FalseAlarm,
    HealthAlert,
    Kind,
    Outcome,
    Phase,
    Reason,
    RemediationComplete,
    Severity,
)

PEOPLE_TOPICS: Final = frozenset(
    {Topic.ESCALATED, Topic.FAILED, Topic.REFUSED, Topic.APPROVAL, Topic.EXPIRED, Topic.GONE}
)
"""Topics that need a person's attention."""

ENDED_TOPICS: Final = frozenset({Topic.HEALED, Topic.OVER, Topic.BACK})

TOPICS_BY_OUTCOME: Final = {
    Outcome.HEALED: Topic.HEALED,
    Outcome.FAILED: Topic.FAILED,
    Outcome.REFUSED: Topic.REFUSED,
    Outcome.ESCALATED: Topic.ESCALATED,
    Outcome.AWAITING_APPROVAL: Topic.APPROVAL,
    Outcome.EXPIRED: Topic.EXPIRED,
    Outcome.DRY_RUN: Topic.DRY_RUN,
    Outcome.NOT_APPLICABLE: Topic.OVER,
}
"""Topics by outcome of a remediation. A waiting remediation causes no notification."""


class Notification(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One notification about an incident. `what` is the failure, `cause` its cause, `done` the action and its
    outcome. `took` is seconds, 0 if unknown. `time` is epoch seconds."""

    incident: str
    topic: Topic
    time: float
    host: str
    container: str
    severity: Severity = Severity.WARNING
    kind: str = ""
    project: str = ""
    what: str = ""
    cause: str = ""
    action: str = ""
    done: str = ""
    took: float = 0.0
    aloud: bool = False
    """Whether to send it even to channels that got no earlier notification, because more happened than that
    the failure began."""

    @property
    def needs_people(self) -> bool:
        return self.topic in PEOPLE_TOPICS


class LastNotification(msgspec.Struct, frozen=True):
    """The last notification of an incident that a channel received."""

    topic: Topic
    time: float


_REMAINING_FIELDS: Final = ("what", "cause", "action", "done")
"""Fields kept in the notification of an incident that is over."""


def build_notification(event: Event) -> Notification | None:
    """The notification for an event; None for events without one. An answer to an approval request is
    reported with its result."""
    match event.data:
        case HealthAlert(phase=Phase.CLEARED):
            return _make_notification(event, Topic.OVER, problem=format_event_line(event))
        case HealthAlert():
            return _make_notification(event, Topic.OPENED, problem=format_event_line(event))
        case FalseAlarm(diagnosis=diagnosis, alert=alert):
            return _make_notification(event, Topic.OVER, cause=_format_cause(diagnosis, alert.kind))
        case Decided(container=container) if event.incident is None:
            return _notify_of_decision(event, container)
        case RemediationComplete(outcome=outcome) as completion if outcome in TOPICS_BY_OUTCOME:
            return _make_notification(
                event,
                Topic.DECIDED if _is_by_people(completion) else TOPICS_BY_OUTCOME[outcome],
                cause=_format_cause(completion.diagnosis, completion.kind),
                action="" if completion.action is Action.NONE else completion.action,
                result=format_event_line(event),
                took=measure_remediation(completion) or 0.0,
            )
    return None


def merge(pending: Notification | None, notification: Notification) -> Notification:
    """The notification that waits from now on, whatever the order of arrival: the streams are read in
    parallel. The end of an incident does not hide what was done or left to people."""
    if pending is None:
        return notification
    earlier, later = (notification, pending) if notification.time < pending.time else (pending, notification)
    if _is_outranked(later, earlier):
        return earlier
    passing = {Topic.OPENED, Topic.OVER}
    aloud = later.topic in passing and (earlier.aloud or later.aloud or earlier.topic not in passing)
    if later.topic is not Topic.OVER:
        return msgspec.structs.replace(later, what=later.what or earlier.what, aloud=aloud)
    remaining_values = {name: getattr(earlier, name) or getattr(later, name) for name in _REMAINING_FIELDS}
    return msgspec.structs.replace(later, aloud=aloud, **remaining_values)


def should_notify(notification: Notification, last_notification: LastNotification | None) -> bool:
    """Whether to send the notification to a channel that last received `last_notification`. Every action that
    waits for an approval is sent."""
    if last_notification is None:
        return notification.topic is not Topic.OVER or notification.aloud
    if notification.time <= last_notification.time:
        return False
    if notification.topic is last_notification.topic:
        return notification.topic is Topic.APPROVAL
    if notification.topic is Topic.OPENED:
        return last_notification.topic in ENDED_TOPICS
    return notification.topic is not Topic.OVER or last_notification.topic not in ENDED_TOPICS


def _is_outranked(later: Notification, earlier: Notification) -> bool:
    match later.topic:
        case Topic.OPENED:
            return earlier.needs_people
        case Topic.OVER:
            return earlier.topic is Topic.HEALED
    return False


def _make_notification(
    event: Event,
    topic: Topic,
    *,
    problem: str = "",
    cause: str = "",
    action: str = "",
    result: str = "",
    took: float = 0.0,
) -> Notification | None:
    subject = find_subject(event)
    if subject is None or event.incident is None:
        return None
    container, kind = subject
    return Notification(
        incident=event.incident,
        topic=topic,
        time=event.time,
        host=event.host,
        container=container.name,
        severity=get_severity(kind),
        kind=kind,
        project=_get_project(container),
        what=problem or _format_raised_alert(event),
        cause=cause,
        action=action,
        done=result,
        took=took,
    )


def _is_by_people(completion: RemediationComplete) -> bool:
    return completion.kind is Kind.ORDERED or completion.reason is Reason.REJECTED


def _notify_of_decision(event: Event, container: str) -> Notification:
    """The notification has no kind, because it is about what HemoStat may do."""
    name = "everything" if container == ALL_CONTAINERS else container
    return Notification(
        incident=event.id,
        topic=Topic.DECIDED,
        time=event.time,
        host=event.host,
        container=name,
        done=format_event_line(event),
    )


def build_self_notification(
    topic: Topic, name: str, problem: str, now: float, *, host: str, cause: str = "", incident: str = ""
) -> Notification:
    """A notification about HemoStat itself. `name` is the subject, and also the incident unless another is
    given."""
    return Notification(
        incident=f"hemostat:{incident or name}",
        topic=topic,
        time=now,
        host=host,
        container=name,
        severity=Severity.CRITICAL,
        what=problem,
        cause=cause,
    )


def get_severity(kind: Kind) -> Severity:
    return Severity.CRITICAL if kind in CRITICAL_KINDS else Severity.WARNING


def _get_project(container: Container) -> str:
    return container.project or ""


def _format_raised_alert(event: Event) -> str:
    """The failure, if the event contains the alert that it answers."""
    alert = getattr(event.data, "alert", None)
    return (
        format_event_line(msgspec.structs.replace(event, data=alert))
        if isinstance(alert, HealthAlert)
        else ""
    )


def _format_cause(diagnosis: Diagnosis, kind: Kind) -> str:
    """The cause and the advisor that named it, or the operator who gave the order."""
    cause = describe_cause(diagnosis.cause, kind)
    lead = f"{cause} ({diagnosis.advisor}, {diagnosis.confidence:.0%})"
    lead = f"ordered by {diagnosis.advisor}" if kind is Kind.ORDERED else lead
    return ": ".join(filter(None, (lead, "; ".join(diagnosis.reasons))))
