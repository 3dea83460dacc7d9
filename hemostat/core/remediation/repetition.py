"""Repetitions: an action that was carried out against an incident is not carried out again."""

from hemostat.core.ledger.leases import is_leased
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.remediation.decision import Refuse
from hemostat.core.remediation.ladder import is_exhausted
from hemostat.core.remediation.restart_budget import FREE_OUTCOMES
from hemostat.events import Action, Outcome, Reason, RemediationNeeded


def build_attempt_key(request: RemediationNeeded, incident: str) -> str:
    """Identifies the occurrence and the rung of a request, however often the request is delivered."""
    return f"{incident}:{request.alert.occurrence}:{request.rung}"


def find_permission_needed(request: RemediationNeeded) -> Action:
    """The action whose permission a request needs. Starting a container that HemoStat's own restart left down
    is the second half of that restart."""
    second_half = request.action is Action.START and request.rung > 0
    return Action.RESTART if second_half else request.action


def select_incident_attempts(book: LedgerSnapshot, incident: str) -> list[Attempt]:
    """The attempts against this incident, in all its occurrences."""
    return [attempt for attempt in book.attempts if attempt.key.startswith(f"{incident}:")]


def refuse_repetition(request: RemediationNeeded, incident: str, book: LedgerSnapshot) -> Refuse | None:
    if find_permission_needed(request) is not request.action:
        return None
    ended_attempts = (
        each
        for each in select_incident_attempts(book, incident)
        if each.outcome not in {None, *FREE_OUTCOMES}
    )
    earlier = [(each.action, each.outcome) for each in ended_attempts]
    if not is_exhausted(request.action, request.alert.kind, earlier):
        return None
    return Refuse(Reason.ALREADY_TRIED, f"the failure returned after {request.action}")


def is_covered_by_failure(
    request: RemediationNeeded, incident: str, book: LedgerSnapshot, requested_at: float
) -> bool:
    """Whether the end of an earlier attempt against the same incident answers a request of `requested_at`
    (epoch seconds): the occurrence began while that attempt was verified, and the attempt's outcome followed
    the request. After an earlier outcome, the request would be the last that people read."""
    latest = max(request.alert.since, requested_at)
    return any(
        each.outcome is Outcome.FAILED
        and each.time <= request.alert.since
        and latest <= (each.finished or 0.0)
        for each in select_incident_attempts(book, incident)
        if each.key != build_attempt_key(request, incident)
    )


def is_being_verified(request: RemediationNeeded, incident: str, book: LedgerSnapshot, now: float) -> bool:
    """Whether an action against the same incident is running, whose outcome decides what follows."""
    own = build_attempt_key(request, incident)
    other_attempts = (each for each in select_incident_attempts(book, incident) if each.key != own)
    return any(each.outcome is None and is_leased(each, now, book.controls) for each in other_attempts)
