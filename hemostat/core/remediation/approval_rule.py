"""The rule of the policy about approvals: whether to ask for one, and whether it was given. Pure."""

from hemostat.core.ledger.controls import Approval, ApprovalAnswer
from hemostat.core.remediation.decision import Decision, DecisionInput, Refuse, RequestApproval, Wait
from hemostat.core.remediation.slots import BUSY_RETRY_SECONDS
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.units import show_duration
from hemostat.events import Action, Reason


def wait_for_attempt(incident: str, situation: DecisionInput, now: float) -> Wait | None:
    """A wait while an action against the same incident runs: its end decides whether to ask for another."""
    running = (each.key for each in situation.list_running_attempts(now))
    is_running = any(key.startswith(f"{incident}:") for key in running)
    return Wait(now + BUSY_RETRY_SECONDS, "an action against it is running") if is_running else None


def check_approval(
    action: Action, approval: Approval | None, limits: ResponderSettings, now: float
) -> Decision | None:
    """Rule 6. An approval holds for the action that was asked about, because one failure can cause two
    requests."""
    if approval is None:
        return RequestApproval(now + limits.approve_for)
    if approval.answer is ApprovalAnswer.REJECTED:
        why = f": {approval.reason}" if approval.reason else ""
        return Refuse(Reason.REJECTED, f"by {approval.by}{why}")
    if approval.answer is ApprovalAnswer.APPROVED:
        why = f"an approval was requested for {approval.action}"
        return None if approval.action is action else Refuse(Reason.NOT_ALLOWED, why)
    if approval.is_withdrawn:
        return Refuse(Reason.NO_ANSWER, f"the request was withdrawn: {approval.reason}")
    if now >= approval.until:
        return Refuse(Reason.NO_ANSWER, f"no operator approved it within {show_duration(limits.approve_for)}")
    return RequestApproval(approval.until)


def is_approval_current(approval: Approval | None, limits: ResponderSettings, now: float) -> bool:
    """Whether a request for approval, or an approval, is still valid. An unanswered request does not expire
    with the age of the failure, because its time to answer was promised. An approval expires `limits.expire`
    seconds after it was given: a pause may have delayed the action."""
    if approval is None:
        return False
    return approval.answer is not ApprovalAnswer.APPROVED or now - approval.answered <= limits.expire
