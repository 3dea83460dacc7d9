"""What people are told of an incident: one thread of news, of which only the latest word waits.

1. Every channel keeps one word an incident. What comes later takes its place while it waits (`merge`), so
   that a crash that is healed within the grace is one message, and so is a night of them to whoever sleeps.
2. What is told is news to a channel only if it says something else than the last time (`worth`). What came
   and went by itself is news to those alone who were told that it came.

Neither decides when: that is core.notify.routing's.
"""

from typing import Final

import msgspec

from hemostat.core.detection.incidents import CRITICAL_KINDS
from hemostat.core.history.incident_log import find_subject, format_event_line
from hemostat.core.ledger.controls import ALL_CONTAINERS
from hemostat.core.settings.alert import Topic
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
"""What somebody has to look at."""

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
"""Of a remediation's ends; one that waits is none."""


class Notification(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One word on an incident. `what` is what was wrong, `cause` why, `done` what was done and what came of
    it; `took` is seconds, 0 where that is not known. `time` is epoch seconds."""

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
    """Whether it is told to those too who were told nothing before, for there was more than that it came."""

    @property
    def needs_people(self) -> bool:
        return self.topic in PEOPLE_TOPICS


class LastNotification(msgspec.Struct, frozen=True):
    """The last word of an incident that a channel has heard."""

    topic: Topic
    time: float


_REMAINING_FIELDS: Final = ("what", "cause", "action", "done")
"""What is told of an incident that is over."""


def build_notification(event: Event) -> Notification | None:
    """What the event means to people; None for nothing. An answer to a request is told with what comes of
    it."""
    match event.data:
        case HealthAlert(phase=Phase.CLEARED):
            return _make_notification(event, Topic.OVER, what=format_event_line(event))
        case HealthAlert():
            return _make_notification(event, Topic.OPENED, what=format_event_line(event))
        case FalseAlarm(diagnosis=diagnosis):
            return _make_notification(event, Topic.OVER, cause=_format_cause(diagnosis))
        case Decided(container=container) if event.incident is None:
            return _notify_of_decision(event, container)
        case RemediationComplete(outcome=outcome) as done if outcome in TOPICS_BY_OUTCOME:
            return _make_notification(
                event,
                Topic.DECIDED if _is_by_people(done) else TOPICS_BY_OUTCOME[outcome],
                cause=_format_cause(done.diagnosis, ordered=done.kind is Kind.ORDERED),
                action="" if done.action is Action.NONE else done.action,
                done=format_event_line(event),
                took=done.durations.get("total", 0.0),
            )
    return None


def merge(waiting: Notification | None, other: Notification) -> Notification:
    """The word that waits from now on, in whichever order the two came: streams are read side by side. That
    it is over does not make untold what was done, or left to people."""
    if waiting is None:
        return other
    earlier, later = (other, waiting) if other.time < waiting.time else (waiting, other)
    if _is_outranked(later, earlier):
        return earlier
    passing = {Topic.OPENED, Topic.OVER}
    aloud = later.topic in passing and (earlier.aloud or later.aloud or earlier.topic not in passing)
    if later.topic is not Topic.OVER:
        return msgspec.structs.replace(later, what=later.what or earlier.what, aloud=aloud)
    kept = {name: getattr(earlier, name) or getattr(later, name) for name in _REMAINING_FIELDS}
    return msgspec.structs.replace(later, aloud=aloud, **kept)


def should_notify(word: Notification, told: LastNotification | None) -> bool:
    """Whether it is news to a channel that was told this last. Every action that waits for an answer is."""
    if told is None:
        return word.topic is not Topic.OVER or word.aloud
    if word.time <= told.time:
        return False
    if word.topic is told.topic:
        return word.topic is Topic.APPROVAL
    if word.topic is Topic.OPENED:
        return told.topic in ENDED_TOPICS
    return word.topic is not Topic.OVER or told.topic not in ENDED_TOPICS


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
    what: str = "",
    cause: str = "",
    action: str = "",
    done: str = "",
    took: float = 0.0,
) -> Notification | None:
    about = find_subject(event)
    if about is None or event.incident is None:
        return None
    container, kind = about
    return Notification(
        incident=event.incident,
        topic=topic,
        time=event.time,
        host=event.host,
        container=container.name,
        severity=get_severity(kind),
        kind=kind,
        project=_get_project(container),
        what=what or _format_raised_alert(event),
        cause=cause,
        action=action,
        done=done,
        took=took,
    )


def _is_by_people(done: RemediationComplete) -> bool:
    return done.kind is Kind.ORDERED or done.reason is Reason.REJECTED


def _notify_of_decision(event: Event, container: str) -> Notification:
    """Of no kind: it is about what HemoStat may do."""
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
    topic: Topic, name: str, what: str, now: float, *, host: str, cause: str = "", incident: str = ""
) -> Notification:
    """News of HemoStat itself: `name` is what it is about, and the incident where no other name is given."""
    return Notification(
        incident=f"hemostat:{incident or name}",
        topic=topic,
        time=now,
        host=host,
        container=name,
        severity=Severity.CRITICAL,
        what=what,
        cause=cause,
    )


def get_severity(kind: Kind) -> Severity:
    return Severity.CRITICAL if kind in CRITICAL_KINDS else Severity.WARNING


def _get_project(container: Container) -> str:
    return container.project or ""


def _format_raised_alert(event: Event) -> str:
    """What was wrong, where the event itself bears the alert that it answers."""
    alert = getattr(event.data, "alert", None)
    return (
        format_event_line(msgspec.structs.replace(event, data=alert))
        if isinstance(alert, HealthAlert)
        else ""
    )


def _format_cause(diagnosis: Diagnosis, *, ordered: bool = False) -> str:
    """The cause and who concluded it, or who ordered it."""
    who = f"{diagnosis.cause} ({diagnosis.advisor}, {diagnosis.confidence:.0%})"
    return ": ".join(
        filter(None, (f"ordered by {diagnosis.advisor}" if ordered else who, "; ".join(diagnosis.reasons)))
    )
