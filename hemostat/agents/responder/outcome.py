"""The outcome of a request, and the event that reports it."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from hemostat.core.ledger.rows import Attempt
from hemostat.core.model import ContainerInfo
from hemostat.core.redact import redact
from hemostat.core.remediation import repetition
from hemostat.core.remediation.decision import Refuse, RepeatOutcome
from hemostat.core.remediation.restart_budget import FREE_OUTCOMES
from hemostat.events import (
    Event,
    HealthAlert,
    Kind,
    Order,
    Outcome,
    Reason,
    RemediationComplete,
    RemediationNeeded,
    State,
)
from hemostat.ports import Clock, Defer, Ledger

NEXT_RUNG_REASONS: Final = frozenset(
    {Reason.VERIFIED, Reason.NOT_VERIFIED, Reason.ENGINE_ERROR, Reason.UNSUPPORTED, Reason.ALREADY_TRIED}
)
"""Reasons after which the next rung of the ladder may follow, at once or when the failure returns."""

OUTCOMES_OF_REASONS: Final = {
    Reason.DRY_RUN: Outcome.DRY_RUN,
    Reason.EXPIRED: Outcome.EXPIRED,
    Reason.NO_ANSWER: Outcome.EXPIRED,
    Reason.UNSUPPORTED: Outcome.NOT_APPLICABLE,
    Reason.GONE: Outcome.NOT_APPLICABLE,
    Reason.RECOVERED: Outcome.NOT_APPLICABLE,
    Reason.STOPPED: Outcome.NOT_APPLICABLE,
    Reason.NOT_VIABLE: Outcome.ESCALATED,
    Reason.ENGINE_ERROR: Outcome.FAILED,
}
"""The outcomes of these reasons; any other reason gives REFUSED."""


class ActionEnd(msgspec.Struct, frozen=True, kw_only=True):
    outcome: Outcome
    reason: Reason
    detail: str = ""
    after: State | None = None
    durations: dict[str, float] = {}
    acted: bool = False
    """As `Attempt.acted`."""


class RequestCase(msgspec.Struct, frozen=True):
    """A request as delivered, and the container as inspected."""

    event: Event
    request: RemediationNeeded
    incident: str
    found: ContainerInfo | None
    order: Order | None = None
    """The order that the request was made from, where a person made it."""
    reported: Sequence[str] = ()
    """The reasons to wait that were reported already."""
    approval_seconds: float = 0.0
    """Seconds that a person took to approve it; 0 without an approval."""


def build_complete(case: RequestCase, end: ActionEnd) -> RemediationComplete:
    alert = case.request.alert
    return RemediationComplete(
        container=alert.container,
        kind=alert.kind,
        action=case.request.action,
        outcome=end.outcome,
        reason=end.reason,
        diagnosis=case.request.diagnosis,
        detail=redact(end.detail),
        rung=case.request.rung,
        occurrence=alert.occurrence,
        before=None if case.found is None else case.found.state,
        after=end.after,
        durations=end.durations,
        # An order is not followed by other actions.
        alert=alert if end.reason in NEXT_RUNG_REASONS and case.order is None else None,
    )


def add_durations(
    case: RequestCase, end: ActionEnd, *, started: float, acted: float, now: float
) -> ActionEnd:
    durations = {"act": acted - started, "verify": now - acted, "total": now - case.event.time}
    if case.approval_seconds:
        durations["approval"] = case.approval_seconds
    if case.request.alert.kind in {Kind.EXITED, Kind.OOM} and end.after is not None:
        durations["down"] = max(0.0, end.after.started_at - case.request.alert.since)
    rounded = {name: round(seconds, 3) for name, seconds in durations.items()}
    return msgspec.structs.replace(end, durations=rounded)


def make_verified_end(symptom: str, after: State | None = None) -> ActionEnd:
    """`symptom` is the remaining problem; empty without one."""
    if symptom:
        return ActionEnd(outcome=Outcome.FAILED, reason=Reason.NOT_VERIFIED, detail=symptom, after=after)
    return ActionEnd(outcome=Outcome.HEALED, reason=Reason.VERIFIED, after=after)


def make_no_action_end(alert: HealthAlert) -> ActionEnd:
    """Return the end of a request without an action: a container that fails because of another waits for that
    one, any other needs a person."""
    if alert.root:
        return ActionEnd(outcome=Outcome.WAITING, reason=Reason.ROOT_ELSEWHERE, detail=f"for {alert.root}")
    return ActionEnd(outcome=Outcome.ESCALATED, reason=Reason.NEEDS_PERSON)


def make_given_up_end(error: str) -> ActionEnd:
    """Return the end of a request that could not be handled, and will not be tried again."""
    return ActionEnd(outcome=Outcome.FAILED, reason=Reason.GIVEN_UP, detail=error)


def make_decision_end(decision: Refuse | RepeatOutcome) -> ActionEnd:
    if isinstance(decision, Refuse):
        outcome = OUTCOMES_OF_REASONS.get(decision.reason, Outcome.REFUSED)
        return ActionEnd(outcome=outcome, reason=decision.reason, detail=decision.detail)
    return ActionEnd(
        outcome=decision.attempt.outcome or Outcome.FAILED,
        reason=decision.attempt.reason or Reason.NOT_VERIFIED,
        detail="published again after an interruption",
    )


class OutcomePublisher(NamedTuple):
    """Creates the event of a remediation's end, or of what it waits for."""

    clock: Clock
    host: str
    source: str

    def __call__(self, case: RequestCase, end: ActionEnd, at: float | None = None) -> list[Event]:
        """`at` (epoch seconds) is for an event that may have been published before: the same time makes the
        same event."""
        return [
            Event.make(
                build_complete(case, end),
                time=self.clock.now() if at is None else at,
                host=self.host,
                source=self.source,
                incident=case.incident,
                cause=case.event.id,
            )
        ]

    def put_off(
        self, case: RequestCase, until: float, why: str, ended: ActionEnd | None, at: float | None = None
    ) -> Defer:
        """Report once what a request waits for: the deferred entry stores the reason."""
        if ended is None or ended.reason in case.reported:
            return Defer(until, why)
        return Defer(until, why, tuple(self(case, ended, at)), ended.reason)


def tell_refusal(tell: OutcomePublisher, ledger: Ledger, case: RequestCase, end: ActionEnd) -> list[Event]:
    """Return the refusal. The ledger stores that of an order."""
    attempt = _refused_order(case, end, tell.source, tell.clock.now())
    if attempt is not None:
        ledger.finish(tell.host, attempt)
    return tell(case, end)


def _refused_order(case: RequestCase, end: ActionEnd, by: str, now: float) -> Attempt | None:
    """Return what the ledger stores of a refused order: its seal stays valid, so a client that may write to
    the stream could have it carried out once the reason is gone. None for an order that is refused each
    time."""
    if case.order is None or end.outcome not in FREE_OUTCOMES or end.reason is Reason.UNKNOWN_INCIDENT:
        return None
    container = case.request.alert.container
    return Attempt(
        key=repetition.build_attempt_key(case.request, case.incident),
        container=container.name,
        container_id=container.id,
        action=case.request.action,
        time=now,
        by=by,
        lease=now,
        outcome=end.outcome,
        reason=end.reason,
        finished=now,
        ordered=True,
    )
