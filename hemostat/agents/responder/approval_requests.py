"""Requests that wait for a person's approval.

Any label can request an approval, so a request that waits for one costs no call of the engine and no worker.
"""

import shlex
from contextlib import suppress
from typing import Final

from hemostat.agents.responder.action_executor import ActionExecutor
from hemostat.agents.responder.dependencies import ResponderDependencies
from hemostat.agents.responder.outcome import ActionEnd, OutcomePublisher, RequestCase, make_decision_end
from hemostat.core.ledger.controls import Approval
from hemostat.core.ledger.rows import LedgerSnapshot
from hemostat.core.redact import redact
from hemostat.core.remediation import policy, repetition
from hemostat.core.remediation.decision import Refuse
from hemostat.core.remediation.request_check import refuse_unfounded
from hemostat.core.wording import describe_reason
from hemostat.errors import HemoStatError, NotApplicableError
from hemostat.events import Event, Outcome, Reason, digest
from hemostat.ports import Defer

APPROVAL_PENDING: Final = "it waits for approval"


class ApprovalRequests:
    def __init__(
        self, dependencies: ResponderDependencies, executor: ActionExecutor, tell: OutcomePublisher
    ) -> None:
        self._ledger = dependencies.ledger
        self._control_store = dependencies.control_store
        self._host = dependencies.host
        self._executor = executor
        self._tell = tell

    def find_pending(self, case: RequestCase, now: float) -> Defer | None:
        """Return the deferral of a request whose approval is still pending. The container is inspected again
        after the answer; before that, only its monitor ends the incident."""
        if Reason.APPROVAL not in case.reported:
            return None
        request, key = case.request, repetition.build_attempt_key(case.request, case.incident)
        book = self._ledger.read(self._host, request.alert.container.name, case.incident, key)
        approval = book.approval
        if approval is None or approval.answer is not None or now >= approval.until:
            return None
        if (
            refuse_unfounded(request, case.incident, book)
            or repetition.refuse_repetition(request, case.incident, book)
        ) is not None:
            return None
        return Defer(min(approval.until, now + policy.PEOPLE_RETRY_SECONDS), APPROVAL_PENDING)

    def ask(self, case: RequestCase, until: float, now: float) -> list[Event] | Defer:
        """Store the approval request, and report what exactly would be done. A crash in between repeats both:
        a stored approval stays. Where another request waits for the same approval, this one is dropped, and
        the other carries on."""
        again = min(until, now + policy.PEOPLE_RETRY_SECONDS)
        try:
            plan = redact(self._executor.plan(case.request, case.found).detail)
        except NotApplicableError as error:
            return self._tell(case, make_decision_end(Refuse(Reason.UNSUPPORTED, error.message)))
        request = _build_approval(case, plan, host=self._host, now=now, until=until)
        approval = self._control_store.request_approval(request)
        if approval.request != request.request:
            return []
        how = f"{approval.plan}? hemostat approve {shlex.quote(approval.id)}"
        ended = ActionEnd(outcome=Outcome.AWAITING_APPROVAL, reason=Reason.APPROVAL, detail=how)
        return self._tell.put_off(case, again, APPROVAL_PENDING, ended, approval.asked)

    def withdraw(self, case: RequestCase, refusal: Refuse) -> None:
        """Close the open approval request of a case that ends without the action, so that no user answers
        it."""
        self._control_store.withdraw_approval(
            repetition.build_attempt_key(case.request, case.incident),
            by=self._tell.source,
            reason=describe_reason(refusal.reason, redact(refusal.detail)),
            now=self._tell.clock.now(),
        )

    def give_up(self, case: RequestCase, error: str) -> None:
        """Close the approval request of a case that failed repeatedly. If that fails, the request
        expires."""
        key = repetition.build_attempt_key(case.request, case.incident)
        with suppress(HemoStatError):
            book = self._ledger.read(self._host, case.request.alert.container.name, case.incident, key)
            if has_approval_request(case, book):
                self.withdraw(case, Refuse(Reason.GIVEN_UP, error))


def has_approval_request(case: RequestCase, book: LedgerSnapshot) -> bool:
    """Return whether people were asked for an approval of this request."""
    return book.approval is not None and book.approval.request == case.event.id


def _build_approval(case: RequestCase, plan: str, *, host: str, now: float, until: float) -> Approval:
    """Return the question whether the action may be done. `plan` says what it would do."""
    request, key = case.request, repetition.build_attempt_key(case.request, case.incident)
    return Approval(
        id=digest(key.encode()),
        key=key,
        incident=case.incident,
        host=host,
        container=request.alert.container.name,
        action=request.action,
        plan=plan,
        cause=request.diagnosis.cause,
        request=case.event.id,
        asked=now,
        until=until,
    )
