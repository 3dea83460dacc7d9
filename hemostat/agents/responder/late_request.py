"""Finds requests that come too late, or that no monitor reported: they need no decision of the policy."""

from hemostat.agents.responder.outcome import RequestCase
from hemostat.core.ledger.rows import LedgerSnapshot
from hemostat.core.remediation.decision import Refuse
from hemostat.core.remediation.request_check import refuse_forged
from hemostat.core.remediation.verify import find_needless_reason, find_needless_start_reason
from hemostat.events import Action, Reason


def find_late_reason(case: RequestCase) -> Reason | None:
    """Return why an action would come too late; None where it would not."""
    alert = case.request.alert
    if alert.container.is_host:
        return None
    if case.found is None:
        return Reason.GONE
    if case.request.action is Action.START and case.request.rung > 0:
        return find_needless_start_reason(alert, case.found)
    return find_needless_reason(alert, case.found)


def refuse_early(case: RequestCase, book: LedgerSnapshot) -> Refuse | None:
    """Refuse what needs no policy: a request for an incident that no monitor reported, and a request that
    comes too late."""
    forged = refuse_forged(case.request, book) if case.order is None else None
    reason = find_late_reason(case)
    return forged or (None if reason is None else Refuse(reason))
