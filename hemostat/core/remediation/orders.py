"""Orders of operators: as requests to the responder, as text, and with a preview of the decision."""

from typing import Final

import msgspec

from hemostat.core.detection.restart_owner import find_orchestrator
from hemostat.core.labels.definitions import CLEANUP, EXEC
from hemostat.core.ledger.rows import LedgerSnapshot
from hemostat.core.remediation import cleanup, policy
from hemostat.core.remediation.decision import Act, Decision, DecisionInput, Refuse, Wait
from hemostat.core.remediation.windows import WindowState
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.wording import describe_reason
from hemostat.events import (
    Action,
    Diagnosis,
    HealthAlert,
    Kind,
    Order,
    Reason,
    RemediationNeeded,
    Severity,
    seal,
)

ORDERED_CAUSE: Final = "ordered"
ALLOWED_TEXT: Final = "the limits allow it"
FORCED_LIMITS_TEXT: Final = "budget, breakers, back-off, rush and minimum"
"""The limits that do not hold for an order with force."""
NO_FORCE_TEXT: Final = "--force is switched off here (responder.orders_override)"
PREVIEW_LEASE_SECONDS: Final = 60.0
"""Placeholder, in seconds: the lease does not matter for a preview."""


def build_request(order: Order, time: float) -> RemediationNeeded:
    """The request for an order. `time` is when the order was given (epoch seconds)."""
    reasons = (order.reason,) if order.reason else ()
    return RemediationNeeded(
        alert=HealthAlert(
            container=order.container, kind=Kind.ORDERED, severity=Severity.WARNING, since=time
        ),
        action=order.action,
        diagnosis=Diagnosis(cause=ORDERED_CAUSE, confidence=1.0, reasons=reasons, advisor=order.by),
        parameters=order.parameters,
    )


def describe_plan(order: Order) -> str:
    """What the order would do, as far as the container's labels tell."""
    name, labels = order.container.name, order.container.labels
    owner = find_orchestrator(order.container)
    match order.action:
        case Action.START | Action.RESTART | Action.STOP if owner is not None:
            return f"{order.action} {name}, although {owner.name} manages it and may start it again"
        case Action.STOP:
            return f"stop {name}, which then stays stopped until an operator starts it"
        case Action.SCALE:
            return (
                f"raise the {order.parameters.get('resource', '')} limit of {name} by half, up to its ceiling"
            )
        case Action.CLEANUP:
            paths = (cleanup.build_cleanup_command(labels) or [])[4:]
            return f"empty in {name}: {' '.join(paths) or f'nothing: it has no label {CLEANUP.name}'}"
        case Action.EXEC:
            return f"run in {name}: {labels.get(EXEC.name) or f'nothing: it has no label {EXEC.name}'}"
    return f"{order.action} {name}"


def describe_decision(decision: Decision) -> str:
    """The text for a previewed decision."""
    match decision:
        case Act():
            return ALLOWED_TEXT
        case Refuse(reason=Reason.DRY_RUN):
            return "no action: the mode is dry-run"
        case Refuse(reason=reason, detail=detail):
            return f"it will be refused: {describe_reason(reason, detail)}"
        case Wait(why=why):
            return f"it will wait: {why}"
    return ""


def preview_decision(
    order: Order, survey: LedgerSnapshot, limits: ResponderSettings, windows: WindowState, now: float
) -> Decision:
    """The decision that the responder would make now, based on a survey of its host (ports.Ledger). The
    responder also knows the labels as the engine reports them, and whether enough other replicas are
    healthy."""
    own = tuple(each for each in survey.attempts if each.container == order.container.name)
    book = msgspec.structs.replace(survey, attempts=own, seal=seal(order, now))
    situation = DecisionInput(book=book, order=order, windows=windows)
    return policy.decide(
        build_request(order, now), "", situation, limits, by="", lease=PREVIEW_LEASE_SECONDS, now=now
    )
