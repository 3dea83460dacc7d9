"""Asks core.remediation.policy about a request, with the facts that only the engine knows."""

from typing import Final

import msgspec

from hemostat.agents.responder.action_executor import ActionExecutor
from hemostat.agents.responder.approval_requests import APPROVAL_PENDING
from hemostat.agents.responder.attempts import RESTART_ACTIONS
from hemostat.agents.responder.dependencies import ResponderDependencies
from hemostat.agents.responder.host_containers import HostContainers
from hemostat.agents.responder.in_flight import InFlight
from hemostat.agents.responder.outcome import RequestCase
from hemostat.agents.responder.start_check import StartCheck
from hemostat.agents.responder.verifier import Verifier
from hemostat.core.ledger.controls import ApprovalAnswer
from hemostat.core.ledger.leases import is_from_future, limit_lease
from hemostat.core.ledger.rows import LedgerSnapshot
from hemostat.core.remediation import policy, repetition, slots
from hemostat.core.remediation.decision import (
    Act,
    Decision,
    DecisionInput,
    Refuse,
    RequestApproval,
    Resume,
    Wait,
)
from hemostat.core.remediation.stop_timeout import bound_stop_seconds, find_requested_stop
from hemostat.core.remediation.verify import compute_run_seconds
from hemostat.core.settings.trust import get_replica_group
from hemostat.events import Action, Reason
from hemostat.time_windows import find_window_state

ACTION_SECONDS: Final = 60.0
CLEANUP_SECONDS: Final = 300.0
"""Seconds allowed for the action itself, in the lease: for a stop timeout and a start, and for an engine that
computes its disk usage."""


class Decider:
    def __init__(
        self,
        dependencies: ResponderDependencies,
        executor: ActionExecutor,
        verifier: Verifier,
        start_check: StartCheck,
        host_containers: HostContainers,
        in_flight: InFlight,
    ) -> None:
        self._executor = executor
        self._verifier = verifier
        self._start_check = start_check
        self._host_containers = host_containers
        self._in_flight = in_flight
        self._limits = dependencies.limits
        self._trust = dependencies.trust
        self._control_store = dependencies.control_store
        self._source = dependencies.source
        self._first_seen: dict[str, float] = {}

    def decide(self, case: RequestCase, book: LedgerSnapshot, now: float) -> Decision:
        situation = DecisionInput(
            book=book.restrict_to(case.request.alert.container),
            order=case.order,
            in_hand=self._in_flight.names,
            trust=self._trust,
            windows=find_window_state(self._limits.windows, now),
            first_seen=self._note_future(book, now),
            stop_seconds=self._executor.find_stop_seconds(case.request.action, case.found),
            verify_seconds=self._compute_verify_seconds(case),
            ran=0.0 if case.found is None else compute_run_seconds(case.request.alert, case.found),
        )
        decision = self._ask_policy(case, situation, now)
        is_busy = isinstance(decision, Wait) and decision.reason is None
        if is_busy and (removed := self._find_gone(case, situation, now)):
            situation = msgspec.structs.replace(situation, gone=removed)
            decision = self._ask_policy(case, situation, now)
        if isinstance(decision, Act | Resume) and self._has_half(case, situation, now):
            other_projects = self._host_containers.find_other_projects(case.request.alert.container, now)
            situation = msgspec.structs.replace(situation, others=other_projects)
            decision = self._ask_policy(case, situation, now)
        if isinstance(decision, Act) and self._was_rejected(case):
            situation = msgspec.structs.replace(situation, rejected=True)
            decision = self._ask_policy(case, situation, now)
        if isinstance(decision, Act) or _is_rehearsal(decision):  # the replicas are the last rule
            container = case.request.alert.container
            peers = self._host_containers.find_replica_health(container, case.found, now, book.version)
            if peers.size:
                decision = self._ask_policy(case, msgspec.structs.replace(situation, peers=peers), now)
        if isinstance(decision, RequestApproval) and Reason.APPROVAL in case.reported:
            # Any label can request an approval: one that is pending needs neither a worker nor an event.
            return Wait(min(decision.until, now + policy.PEOPLE_RETRY_SECONDS), APPROVAL_PENDING)
        return self._refuse_hopeless(case, decision)

    def _was_rejected(self, case: RequestCase) -> bool:
        """Return whether a person has rejected an action against an earlier occurrence of the incident."""
        if case.order is not None or case.request.alert.occurrence <= 1:
            return False
        return any(
            each.incident == case.incident and each.answer is ApprovalAnswer.REJECTED
            for each in self._control_store.list_approvals()
        )

    def _note_future(self, book: LedgerSnapshot, now: float) -> dict[str, float]:
        future = [each for each in book.running_attempts if is_from_future(each, now)]
        if future or self._first_seen:
            earlier = self._first_seen
            times = {each.key: min(now, earlier.get(each.key, now)) for each in future}
            self._first_seen = times
        return self._first_seen

    def _find_gone(self, case: RequestCase, situation: DecisionInput, now: float) -> frozenset[str]:
        """Return actions under way, by other processes, on containers that were removed."""
        at_work = situation.in_hand - {repetition.build_attempt_key(case.request, case.incident)}
        running, container = situation.list_running_attempts(now), case.request.alert.container
        group, holders = get_replica_group(container, self._trust), slots.select_slot_holders(running, now)
        blocking = (
            each
            for each in running
            if each in holders or each.is_on(container) or (group and each.service == group)
        )
        return self._host_containers.find_gone((each for each in blocking if each.key not in at_work), now)

    def _has_half(self, case: RequestCase, situation: DecisionInput, now: float) -> bool:
        """Return whether the container's project holds half of the slots already."""
        holders = slots.select_slot_holders(situation.list_running_attempts(now), now)
        return slots.has_half_of_slots(case.request.alert.container, holders, self._limits)

    def _ask_policy(self, case: RequestCase, situation: DecisionInput, now: float) -> Decision:
        return policy.decide(
            case.request,
            case.incident,
            situation,
            self._limits,
            by=self._source,
            lease=self._compute_lease(case, situation.verify_seconds),
            now=now,
        )

    def _compute_verify_seconds(self, case: RequestCase) -> float:
        restarted = case.request.action in RESTART_ACTIONS
        return self._verifier.compute_max_seconds(case.request.alert, case.found, restarted=restarted)

    def _compute_lease(self, case: RequestCase, verify_seconds: float) -> float:
        """Return the lease in seconds."""
        action, container = case.request.action, case.request.alert.container
        acting = CLEANUP_SECONDS if action is Action.CLEANUP else ACTION_SECONDS + self._limits.exec_timeout
        requested = find_requested_stop(container, case.found)
        stopping = 0.0 if requested is None else bound_stop_seconds(requested, self._limits.stop_timeout_max)
        return limit_lease(acting + stopping + verify_seconds)

    def _refuse_hopeless(self, case: RequestCase, decision: Decision) -> Decision:
        """Refuse an action whose start must fail, so that no container is stopped for it. A dry run reports
        the same."""
        if not isinstance(decision, Act | RequestApproval) and not _is_rehearsal(decision):
            return decision
        obstacle = self._start_check.find_obstacle(case.request.action, case.found)
        return Refuse(Reason.NOT_VIABLE, obstacle) if obstacle else decision


def _is_rehearsal(decision: Decision) -> bool:
    return isinstance(decision, Refuse) and decision.reason is Reason.DRY_RUN
