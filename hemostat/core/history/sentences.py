"""Events as sentences for people, the same in every output: dashboard, command line, notifications and log.

The words for kinds, actions and reasons are those of core.wording.
"""

from collections.abc import Sequence
from typing import Final

from hemostat.core.history.alert_sentences import format_alert
from hemostat.core.history.healing_time import format_with_approval, measure_approval, measure_remediation
from hemostat.core.ledger.controls import ALL_CONTAINERS
from hemostat.core.units import show_duration, show_size
from hemostat.core.wording import (
    ACTION_WORDS,
    DECISION_TEXTS,
    OVER_TO_YOU,
    describe_cause,
    describe_reason,
)
from hemostat.events import (
    Action,
    ContainerStats,
    Decided,
    Event,
    FalseAlarm,
    HealthAlert,
    Heartbeat,
    Kind,
    Order,
    Outcome,
    Reason,
    RemediationComplete,
    RemediationNeeded,
)

HOST_BUSY: Final = "host overloaded"
STORM: Final = "part of a storm"
"""Causes of a diagnosis that name another root than a container."""
RESTORED: Final = "back: "
"""Begins the detail of a raised limit that was restored."""
QUESTION: Final = "? hemostat approve "
"""Separates the plan from the id in the detail of a request for approval."""


def format_event_line(event: Event) -> str:
    """The event in one line, without its time and the container's name."""
    match event.data:
        case HealthAlert() as alert:
            text = format_alert(alert)
        case RemediationNeeded() as request:
            text = _format_request(request)
        case FalseAlarm(diagnosis=diagnosis, alert=alert):
            text = f"{describe_cause(diagnosis.cause, alert.kind)}, no action needed"
            text = _add_reasons(text, diagnosis.reasons)
        case RemediationComplete() as completion:
            text = format_outcome(completion)
        case Order() | Decided() as person_event:
            text = _format_person_event(person_event, event.time)
        case ContainerStats() | Heartbeat() as observation:
            text = _format_observation(observation)
    return text


def format_outcome(completion: RemediationComplete) -> str:
    """What was done, or why nothing was done."""
    words, is_ordered = ACTION_WORDS[completion.action], completion.kind is Kind.ORDERED
    reason = describe_reason(completion.reason, completion.detail)
    match completion.outcome:
        case Outcome.HEALED:
            text = _format_success(completion)
        case Outcome.FAILED if completion.action is Action.NONE:
            text = f"{OVER_TO_YOU}: {reason}"
        case Outcome.FAILED if completion.reason is Reason.NOT_VERIFIED and not is_ordered:
            text = f"{words.name} did not help: {reason}"
        case Outcome.FAILED:
            text = f"{words.name} failed: {reason}"
        case Outcome.ESCALATED:
            text = f"{OVER_TO_YOU}: {_explain_escalation(completion)}"
        case Outcome.DRY_RUN:
            text = f"would {words.order} (dry run)"
        case Outcome.WAITING:
            text = _format_wait(completion)
        case Outcome.AWAITING_APPROVAL:
            text = _format_question(completion)
        case Outcome.REFUSED | Outcome.EXPIRED | Outcome.NOT_APPLICABLE:
            text = f"{words.undone}: {reason}"
    return text


def describe_wait_for_root(cause: str, root: str) -> str:
    """What a container waits for whose failure comes from elsewhere. `root` is the container or the host."""
    if cause == HOST_BUSY:
        return "waits: the host has no CPU left"
    if cause == STORM:
        return "waits: many containers failed at once"
    return f"waits for {root} to come back"


def describe_proposal(request: RemediationNeeded) -> str:
    """What the analyzer proposes against a failure."""
    if request.action is not Action.NONE:
        return f"{ACTION_WORDS[request.action].request} should help"
    if request.alert.root:
        return describe_wait_for_root(request.diagnosis.cause, request.alert.root)
    return "no further action would help" if request.rung else "no action would help"


def get_root(completion: RemediationComplete) -> str:
    """The name of the container or the host that a remediation waits for."""
    return completion.detail.removeprefix("for ")


# --- requests and outcomes --------------------------------------------------------------------------------


def _add_reasons(text: str, reasons: Sequence[str]) -> str:
    return f"{text}: {'; '.join(reasons)}" if reasons else text


def _format_request(request: RemediationNeeded) -> str:
    cause = describe_cause(request.diagnosis.cause, request.alert.kind)
    return _add_reasons(f"{cause}, {describe_proposal(request)}", request.diagnosis.reasons)


def _format_success(completion: RemediationComplete) -> str:
    if completion.detail.startswith(RESTORED):
        return f"limit restored ({completion.detail.removeprefix(RESTORED)})"
    past, seconds = ACTION_WORDS[completion.action].past, measure_remediation(completion)
    healed = "" if completion.kind is Kind.ORDERED else ", healed"
    approval = measure_approval(completion)
    took = "" if seconds is None else f" in {format_with_approval(seconds, approval)}"
    detail = f" ({completion.detail})" if completion.detail else ""
    return f"{past}{healed}{took}{detail}"


def _explain_escalation(completion: RemediationComplete) -> str:
    diagnosis = completion.diagnosis
    if completion.reason is not Reason.NEEDS_PERSON:
        return describe_reason(completion.reason, completion.detail)
    tried = f"; {diagnosis.reasons[-1]}" if completion.rung and diagnosis.reasons else ""
    return f"{describe_cause(diagnosis.cause, completion.kind)}{tried}"


def _format_wait(completion: RemediationComplete) -> str:
    if completion.reason is Reason.ROOT_ELSEWHERE:
        return describe_wait_for_root(completion.diagnosis.cause, get_root(completion))
    return f"waits: {describe_reason(completion.reason, completion.detail)}"


def _format_question(completion: RemediationComplete) -> str:
    order, (plan, mark, command) = (
        ACTION_WORDS[completion.action].order,
        completion.detail.partition(QUESTION),
    )
    if not mark:
        return f"may I {order}?" + (f" ({completion.detail})" if completion.detail else "")
    what = order if plan == completion.action else f"{order}: {plan}"
    return f"may I {what}? hemostat approve {command}"


def _format_person_event(person_event: Order | Decided, time: float) -> str:
    why = f" ({person_event.reason})" if person_event.reason else ""
    if isinstance(person_event, Order):
        past = " past the limits" if person_event.force else ""
        return f"{person_event.by} asks for {_describe_request(person_event)}{past}{why}"
    scope = ", all containers," if person_event.container == ALL_CONTAINERS else ""
    length = "" if person_event.until is None else f" for {show_duration(person_event.until - time)}"
    what = DECISION_TEXTS[person_event.what].format(ACTION_WORDS[person_event.action].name)
    return f"{what}{length}{scope} by {person_event.by}{why}"


def _describe_request(order: Order) -> str:
    resource = order.parameters.get("resource")
    if resource is None:
        return ACTION_WORDS[order.action].request
    return "more replicas" if resource == "replicas" else f"a higher {resource} limit"


def _format_observation(observation: ContainerStats | Heartbeat) -> str:
    if isinstance(observation, Heartbeat):
        return f"{observation.role} alive, lag {observation.lag}" + (
            f", {observation.trouble}" if observation.trouble else ""
        )
    cpu = "-" if observation.cpu is None else f"{observation.cpu:.1f}"
    used = "-" if observation.memory is None else show_size(observation.memory)
    return f"{observation.state.status} cpu {cpu} % memory {used}"
