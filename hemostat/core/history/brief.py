"""The state of an incident in a few words, for columns: `exited, would restart`."""

from hemostat.core.history.incident_log import SETTLED_STATUSES, IncidentLog, find_closer
from hemostat.core.history.sentences import HOST_BUSY, STORM, get_root
from hemostat.core.wording import (
    ACTION_WORDS,
    OVER_TO_YOU,
    REASON_TEXTS,
    describe_kind,
    describe_status,
)
from hemostat.events import Action, Event, Order, Outcome, Reason, RemediationComplete, RemediationNeeded


def describe_incident(incident_log: IncidentLog, progress: str = "") -> str:
    """What HemoStat does about the incident or leaves to people, then what is wrong: a narrow column cuts the
    end, and the state of the container is in another column. `progress`: what an action under way waits for.
    """
    state = progress if progress and incident_log.status == "acting" else describe_state(incident_log)
    return ": ".join(filter(None, (state, describe_kind(incident_log.kind))))


def describe_closed(incident_log: IncidentLog) -> str:
    """Who closed the incident, and what is wrong: `closed by ann@h: exited`."""
    return f"closed by {find_closer(incident_log)}: {describe_kind(incident_log.kind)}"


def describe_state(incident_log: IncidentLog) -> str:
    """What HemoStat does about the incident, or leaves to people; empty before the diagnosis."""
    if incident_log.status in SETTLED_STATUSES:
        return describe_status(incident_log.status)
    if incident_log.status == "open":
        return ""
    states = (_describe_step(step) for step in reversed(incident_log.steps))
    return next(filter(None, states), describe_status(incident_log.status))


def _describe_step(step: Event) -> str:
    """The state that follows from a request, an order or an outcome; empty for any other event."""
    text = ""
    match step.data:
        case RemediationComplete() as completion:
            text = _describe_outcome(completion)
        case RemediationNeeded(action=action) if action is not Action.NONE:
            text = ACTION_WORDS[action].doing.removesuffix(" it")
        case RemediationNeeded(alert=alert):
            text = f"waits for {alert.root}" if alert.root else OVER_TO_YOU
        case Order(action=action):
            text = f"{ACTION_WORDS[action].name} ordered"
    return text


def _describe_outcome(completion: RemediationComplete) -> str:
    words = ACTION_WORDS[completion.action]
    match completion.outcome:
        case Outcome.WAITING:
            text = _describe_wait(completion)
        case Outcome.AWAITING_APPROVAL:
            text = f"asks: {words.brief}?"
        case Outcome.DRY_RUN:
            text = f"would {words.brief}"
        case Outcome.FAILED if completion.action is not Action.NONE:
            text = f"{words.name} {'did not help' if completion.reason is Reason.NOT_VERIFIED else 'failed'}"
        case Outcome.FAILED | Outcome.ESCALATED:
            text = OVER_TO_YOU
        case Outcome.REFUSED | Outcome.EXPIRED | Outcome.NOT_APPLICABLE:
            text = f"{words.undone}: {REASON_TEXTS[completion.reason]}"
        case outcome:
            text = describe_status(outcome)
    return text


def _describe_wait(completion: RemediationComplete) -> str:
    if completion.reason is not Reason.ROOT_ELSEWHERE:
        return f"waits: {REASON_TEXTS[completion.reason]}"
    if completion.diagnosis.cause == HOST_BUSY:
        return "waits: host is busy"
    if completion.diagnosis.cause == STORM:
        return "waits: many failures at once"
    return f"waits for {get_root(completion)}"
