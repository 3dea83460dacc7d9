"""The input and the possible results of a decision on a remediation. core.remediation.policy makes the
decision."""

from collections.abc import Mapping
from enum import Enum

import msgspec

from hemostat.core.ledger.leases import is_leased
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.remediation.windows import NO_WINDOWS, WindowState
from hemostat.core.settings.trust import TRUST_OWN, TrustSettings
from hemostat.events import Order, Reason


class ReplicaHealth(msgspec.Struct, frozen=True):
    """The other replicas of the container's service: their number, and how many are healthy. `itself` is
    whether the engine reports the container as healthy."""

    size: int = 0
    healthy: int = 0
    itself: bool = False


class OtherProjects(Enum):
    """State of the containers of other projects on the host that HemoStat may act on."""

    NONE = "none"
    WELL = "well"
    FAILING = "failing"


class DecisionInput(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a decision is based on besides the request, read at one moment."""

    book: LedgerSnapshot
    peers: ReplicaHealth = ReplicaHealth()
    order: Order | None = None
    """The operator's order that the request was made from, if any."""
    in_hand: frozenset[str] = frozenset()
    """Keys of the attempts that this responder is executing, even where their leases have expired."""
    trust: TrustSettings = TRUST_OWN
    windows: WindowState = NO_WINDOWS
    rejected: bool = False
    """Whether a person has rejected an action against an earlier occurrence of the incident."""
    first_seen: Mapping[str, float] = {}
    """When each attempt with a start time in the future was first seen (epoch seconds), by key."""
    gone: frozenset[str] = frozenset()
    """Keys of attempts whose container no longer exists. Such attempts are not running."""
    others: OtherProjects = OtherProjects.NONE
    """Whether containers of other projects may need a slot of the host."""
    stop_seconds: float = 0.0
    """Seconds that the request's container may take to stop; 0 if the container is down."""
    verify_seconds: float = 0.0
    """Maximum seconds of the verification of the request's action."""
    ran: float = 0.0
    """Seconds that the container's process had run before it failed."""

    def list_running_attempts(self, now: float) -> list[Attempt]:
        """All attempts that are running on the host."""
        return [
            each
            for each in self.book.running_attempts
            if each.key in self.in_hand or self.is_leased(each, now)
        ]

    def is_leased(self, attempt: Attempt, now: float) -> bool:
        """Whether the responder that wrote the attempt may still be executing it."""
        if attempt.key in self.gone:
            return False
        return is_leased(attempt, now, self.book.controls, self.first_seen.get(attempt.key))


class Act(msgspec.Struct, frozen=True):
    """Reserve this attempt, then act."""

    attempt: Attempt


class RepeatOutcome(msgspec.Struct, frozen=True):
    """This attempt is finished. Publish its outcome, which may not have been published yet."""

    attempt: Attempt


class RequestApproval(msgspec.Struct, frozen=True):
    """Ask for an approval, unless one was already requested. `until` is when the time to answer ends (epoch
    seconds)."""

    until: float


class Wait(msgspec.Struct, frozen=True):
    """Decide again at `until` (epoch seconds). `reason` is shown to people if the wait may be long."""

    until: float
    why: str
    reason: Reason | None = None


class Refuse(msgspec.Struct, frozen=True):
    reason: Reason
    detail: str = ""


class Resume(msgspec.Struct, frozen=True):
    """Continue this attempt, which was started and not finished: determine how far it got first. With an
    `objection`, steps that are not done yet must not be done. `lease` is the new end of the attempt's lease
    (epoch seconds)."""

    attempt: Attempt
    lease: float
    objection: Refuse | None = None


Decision = Act | Resume | RepeatOutcome | RequestApproval | Wait | Refuse
