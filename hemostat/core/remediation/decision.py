"""What a decision on a remediation is made on, and what it can be. How it is made, core.remediation.policy
says."""

from collections.abc import Mapping
from enum import Enum

import msgspec

from hemostat.core.ledger.leases import is_leased
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.settings.trust import TRUST_OWN, TrustSettings
from hemostat.events import Order, Reason


class ReplicaHealth(msgspec.Struct, frozen=True):
    """The other replicas of the container's service: how many there are, and how many are healthy. `itself`
    is whether the container is healthy as far as the engine knows."""

    size: int = 0
    healthy: int = 0
    itself: bool = False


class OtherProjects(Enum):
    """The containers of other projects on the host that HemoStat may act on."""

    NONE = "none"
    WELL = "well"
    FAILING = "failing"


class DecisionInput(msgspec.Struct, frozen=True, kw_only=True):
    """All that a decision is made on, besides the request: as read at one moment."""

    book: LedgerSnapshot
    peers: ReplicaHealth = ReplicaHealth()
    order: Order | None = None
    """What the request was made from, where a person made it."""
    in_hand: frozenset[str] = frozenset()
    """Keys of what this very responder is at work on, whatever the clock says of its leases."""
    trust: TrustSettings = TRUST_OWN
    first_seen: Mapping[str, float] = {}
    """When attempts that claim to be from the future were seen first (epoch seconds), by key."""
    gone: frozenset[str] = frozenset()
    """Keys of attempts whose container is gone: nobody is at work on them."""
    others: OtherProjects = OtherProjects.NONE
    """Whether containers of other projects might want a slot of the host."""
    stop_seconds: float = 0.0
    """How long the container of the request may take to stop; 0 where it is down."""
    ran: float = 0.0
    """How long its process had run before it failed (seconds)."""

    def under_way(self, now: float) -> list[Attempt]:
        """All that is being done on the host."""
        return [each for each in self.book.running if each.key in self.in_hand or self.is_leased(each, now)]

    def is_leased(self, attempt: Attempt, now: float) -> bool:
        """Whether the responder that wrote it may be at work on it."""
        if attempt.key in self.gone:
            return False
        return is_leased(attempt, now, self.book.controls, self.first_seen.get(attempt.key))


class Act(msgspec.Struct, frozen=True):
    """Reserve this attempt, then act."""

    attempt: Attempt


class RepeatOutcome(msgspec.Struct, frozen=True):
    """This attempt was finished: its outcome may not have been told, so tell it (again)."""

    attempt: Attempt


class RequestApproval(msgspec.Struct, frozen=True):
    """Ask people, unless they have been asked; they have until then (epoch seconds)."""

    until: float


class Wait(msgspec.Struct, frozen=True):
    """Ask again at `until` (epoch seconds). `reason` is for people, where it may take long."""

    until: float
    why: str
    reason: Reason | None = None


class Refuse(msgspec.Struct, frozen=True):
    reason: Reason
    detail: str = ""


class Resume(msgspec.Struct, frozen=True):
    """This attempt was begun and not finished: look what became of it, then go on. Where there is an
    objection by now, what has not been done yet is not to be done any more. `lease` is until when it is now
    trusted to be at work (epoch seconds)."""

    attempt: Attempt
    lease: float
    objection: Refuse | None = None


Decision = Act | Resume | RepeatOutcome | RequestApproval | Wait | Refuse
