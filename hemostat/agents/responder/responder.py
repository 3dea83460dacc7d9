"""The responder: the only role that acts. core.remediation.policy decides whether it may.

1. Read the container, the ledger and the operators' controls, and decide. A finished attempt is reported
   again; an unfinished one is resumed. A refused or unnecessary request is reported with the reason. A
   request that must wait, or needs approval, is deferred. All that takes long from here on runs in the
   background.
2. Reserve the attempt by compare-and-set. Decide again only if the ledger was changed meanwhile, or if the
   work has waited for a thread.
3. Save evidence, inspect again, and act; what was done before a crash is not repeated.
4. Verify: running, healthy and the alert's condition gone, for long enough.
5. Write the outcome to the ledger, then report it.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from hemostat.agents.responder.action_executor import ActionExecutor
from hemostat.agents.responder.approval_requests import ApprovalRequests, has_approval_request
from hemostat.agents.responder.attempts import Execution, inspect_if_present
from hemostat.agents.responder.brief_inspector import BriefInspector
from hemostat.agents.responder.decider import Decider
from hemostat.agents.responder.dependencies import ResponderDependencies
from hemostat.agents.responder.escalation_evidence import EscalationEvidence
from hemostat.agents.responder.host_containers import HostContainers
from hemostat.agents.responder.in_flight import InFlight
from hemostat.agents.responder.outcome import (
    ActionEnd,
    OutcomePublisher,
    RequestCase,
    make_decision_end,
    make_no_action_end,
    tell_refusal,
)
from hemostat.agents.responder.scale_down import ScaleDown
from hemostat.agents.responder.start_check import StartCheck
from hemostat.agents.responder.sweeper import Sweeper
from hemostat.agents.responder.unresponsive import UnresponsiveContainers
from hemostat.agents.responder.verifier import Verifier
from hemostat.core.labels.container_ref import mask_labels
from hemostat.core.ledger.controls import ALL_CONTAINERS
from hemostat.core.ledger.rows import LedgerSnapshot
from hemostat.core.model import ContainerInfo
from hemostat.core.remediation import orders, policy, repetition, slots
from hemostat.core.remediation.cleanup import is_protected
from hemostat.core.remediation.decision import (
    Act,
    Decision,
    Refuse,
    RepeatOutcome,
    RequestApproval,
    Resume,
    Wait,
)
from hemostat.core.remediation.request_check import refuse_early, refuse_forged
from hemostat.core.remediation.verify import DEAD_STATES
from hemostat.events import Action, Container, Event, Order, Outcome, Reason, RemediationNeeded
from hemostat.ports import Defer, RunInBackground
from hemostat.time_windows import find_window_state

VIABILITY_RETRY: Final = 10.0
"""Seconds until the next check whether the requirements of a start are met, for a container that is down."""
DECISION_SECONDS: Final = 1.0
"""Seconds for which a decision, and the inspection that it is based on, count as current."""

logger = logging.getLogger(__name__)


class Responder:
    def __init__(self, dependencies: ResponderDependencies) -> None:
        engine, limits, trust = dependencies.engine, dependencies.limits, dependencies.trust
        clock, control_store = dependencies.clock, dependencies.control_store
        self._engine = engine
        self._ledger = dependencies.ledger
        self._control_store = control_store
        self._clock = clock
        self._limits = limits
        self._host = dependencies.host
        self._source = dependencies.source
        self._executor = ActionExecutor(
            engine,
            clock,
            limits,
            paused=lambda name: control_store.read_controls().is_paused_itself(name, clock.now()),
            forbids=lambda ref, ordered: policy.find_scaling_objection(ref, limits, ordered=ordered),
            trust=trust,
        )
        self._tell = OutcomePublisher(clock, dependencies.host, dependencies.source)
        self._approval_requests = ApprovalRequests(dependencies, self._executor, self._tell)
        verifier = Verifier(
            engine, dependencies.sampler, clock, limits, dependencies.host_memory, dependencies.probe
        )
        self._execution = Execution(dependencies, self._executor, verifier, self._tell)
        self._unresponsive = UnresponsiveContainers(engine, clock, limits.expire, self._execution.give_up)
        run, save = dependencies.run_in_background, self._execution.save_evidence
        self._evidence = EscalationEvidence(save, clock, run)
        self._scale_down = ScaleDown(dependencies, self._executor)
        self._in_flight = InFlight()
        self._inspector = BriefInspector(engine, clock)
        host_containers = HostContainers(engine, self._inspector, limits, trust)
        self._sweeper = Sweeper(self._ledger, host_containers, self._in_flight, host=self._host)
        start_check = StartCheck(self._inspector, dependencies.find_missing_path)
        self._decider = Decider(
            dependencies, self._executor, verifier, start_check, host_containers, self._in_flight
        )

    def step(
        self, event: Event, now: float, reported: Sequence[str] = ()
    ) -> list[Event] | Defer | RunInBackground:
        """`reported`: the reasons to wait for which an earlier step has published an event."""
        case = self._open_case(event, reported)
        if case is None:
            return []
        if (pending := self._approval_requests.find_pending(case, now)) is not None:
            return pending
        if case in self._unresponsive:
            return RunInBackground(partial(self._unresponsive.retry, case, partial(self._step, case)), _busy)
        return self._unresponsive.attempt(case, partial(self._step, case, now))

    def _step(self, case: RequestCase, now: float) -> list[Event] | Defer | RunInBackground:
        case = _set_container(case, self._unresponsive.inspect(case))
        if case.request.action is Action.NONE and case.order is None:
            return self._run_in_background(case, self._escalate)
        decision, book = self._decide(case, now)
        if isinstance(decision, Refuse | RepeatOutcome | Wait):
            return self._answer(case, decision, book)
        return self._run_in_background(
            case, partial(self._carry_out, decision=decision, book=book, decided=now)
        )

    def _run_in_background(
        self, case: RequestCase, work: Callable[[RequestCase, float], list[Event] | Defer]
    ) -> RunInBackground:
        return RunInBackground(lambda now: self._unresponsive.attempt(case, partial(work, case, now)), _busy)

    def _carry_out(
        self, case: RequestCase, now: float, *, decision: Decision, book: LedgerSnapshot, decided: float
    ) -> list[Event] | Defer:
        """Act on a decision of the time `decided` (epoch seconds). Decide again if the decision is no longer
        current, and each time that the ledger was changed meanwhile."""
        current = 0 <= now - decided < DECISION_SECONDS
        if not current:
            case = _set_container(case, inspect_if_present(self._engine, case.request.alert.container))
        with self._in_flight.take(repetition.build_attempt_key(case.request, case.incident)) as free:
            if not free:
                return Defer(now + slots.BUSY_RETRY_SECONDS, "it is in progress")
            if not current:
                decision, book = self._decide(case, now)
            while (result := self._try(case, decision, book, now)) is None:
                logger.info("decision.repeated incident=%s", case.incident)
                decision, book = self._decide(case, now)
            return result

    def answer_dead_letter(self, event: Event, error: str, now: float) -> list[Event]:  # noqa: ARG002
        """Return the final outcome of a request that failed repeatedly, so that no user waits for another."""
        if (case := self._open_case(event)) is None:
            return []
        self._approval_requests.give_up(case, error)
        return self._execution.give_up(case, error)

    def notice(self, now: float) -> str:
        """Return the warnings for users: that the ledger was lost, and which pauses cannot be read."""
        controls = self._control_store.read_controls()
        warnings = (self._ledger.check(self._host), controls.describe_unreadable_pauses(now))
        return "; ".join(filter(None, warnings))

    def scale_back_due(self, now: float) -> list[Event]:
        """Restore raised limits that are due, unless remediation is paused, and end abandoned attempts."""
        self._sweeper.sweep(now)
        if self._control_store.read_controls().find_pause(ALL_CONTAINERS, now):
            return []
        events = self._scale_down.scale_back_due(now, self._may_put_back)
        return [Event.make(each, time=now, host=self._host, source=self._source) for each in events]

    def _may_put_back(self, container: Container) -> bool:
        """Return whether a limit may be restored. Checked for each when it is due: a round may take long."""
        if is_protected(container, self._limits.protect):
            return False
        now = self._clock.now()
        windows = find_window_state(self._limits.windows, now)
        automatic = policy.find_strictest_mode(container, Action.SCALE, self._limits, windows) == "auto"
        return (
            automatic
            and policy.refuse_in_window(container, windows) is None
            and self._control_store.read_controls().find_pause(container.name, now) is None
        )

    def _open_case(self, event: Event, reported: Sequence[str] = ()) -> RequestCase | None:
        """Return the request of an event; None where it is not for this responder."""
        if event.host != self._host or event.incident is None:
            return None
        match event.data:
            case RemediationNeeded() as request:
                return RequestCase(event, request, event.incident, None, reported=reported)
            case Order() as order:
                request = orders.build_request(order, event.time)
                return RequestCase(event, request, event.incident, None, order, reported)
        return None

    def _escalate(self, case: RequestCase, now: float) -> list[Event] | Defer:
        """Report a request without an action, and have evidence saved for the person who has to act. A
        container that waits for another gets no new snapshot. A failure that shows while an action against it
        is verified is reported with the end of that action."""
        key = repetition.build_attempt_key(case.request, case.incident)
        book = self._ledger.read(self._host, case.request.alert.container.name, case.incident, key)
        if (forged := refuse_forged(case.request, book)) is not None:
            return self._tell(case, make_decision_end(forged))
        if repetition.is_being_verified(case.request, case.incident, book, now):
            return Defer(now + slots.BUSY_RETRY_SECONDS, "an action against it is being verified")
        if repetition.is_covered_by_failure(case.request, case.incident, book, case.event.time):
            return []
        end = make_no_action_end(case.request.alert)
        if end.outcome is Outcome.ESCALATED and case.found is not None:
            self._evidence.request(case)
        return self._tell(case, end)

    # --- deciding -----------------------------------------------------------------------------------

    def _try(
        self, case: RequestCase, decision: Decision, book: LedgerSnapshot, now: float
    ) -> list[Event] | Defer | None:
        """Act on the decision; None where the ledger was changed since it was made."""
        result: list[Event] | Defer | None = None
        if book.approval is not None:
            case = msgspec.structs.replace(case, approval_seconds=book.approval.answer_seconds)
        match decision:
            case Wait() | Refuse() | RepeatOutcome():
                result = self._answer(case, decision, book)
            case RequestApproval(until=until):
                result = self._approval_requests.ask(case, until, now)
            case Resume():
                result = self._execution.resume(case, decision, book.version)
            case Act(attempt=attempt):
                result = self._execution.begin(case, attempt, book.version)
        return result

    def _answer(
        self, case: RequestCase, decision: Wait | Refuse | RepeatOutcome, book: LedgerSnapshot
    ) -> list[Event] | Defer:
        if isinstance(decision, Refuse):
            return self._answer_refusal(case, decision, book)
        if isinstance(decision, RepeatOutcome):
            return self._tell(case, make_decision_end(decision))
        why, reason = decision.why, decision.reason
        end = None if reason is None else ActionEnd(outcome=Outcome.WAITING, reason=reason, detail=why)
        return self._tell.put_off(case, decision.until, why, end)

    def _answer_refusal(
        self, case: RequestCase, decision: Refuse, book: LedgerSnapshot
    ) -> list[Event] | Defer:
        is_approval_requested = has_approval_request(case, book)
        if is_approval_requested:
            self._approval_requests.withdraw(case, decision)
        if decision.reason is Reason.ALREADY_TRIED:
            # A question to people gets an outcome, and so does a request that followed the earlier outcome.
            silent = not is_approval_requested and repetition.is_covered_by_failure(
                case.request, case.incident, book, case.event.time
            )
            return [] if silent else self._tell(case, make_decision_end(decision))
        is_announced = Reason.NOT_VIABLE in case.reported and not is_approval_requested
        if decision.reason is Reason.EXPIRED and is_announced:
            return []
        if decision.reason is Reason.NOT_VIABLE and not is_announced:
            self._evidence.request(case)
        end = make_decision_end(decision)
        if decision.reason is Reason.NOT_VIABLE and case.order is None and _is_down(case):
            # A missing requirement may return, as a mount does: then the container is started.
            again = self._clock.now() + VIABILITY_RETRY
            return self._tell.put_off(case, again, decision.detail, end)
        if case.order is not None and end.outcome is Outcome.ESCALATED:
            end = msgspec.structs.replace(end, outcome=Outcome.REFUSED)
        return tell_refusal(self._tell, self._ledger, case, end)

    def _decide(self, case: RequestCase, now: float) -> tuple[Decision, LedgerSnapshot]:
        alert = case.request.alert
        key = repetition.build_attempt_key(case.request, case.incident)
        book = self._ledger.read(self._host, alert.container.name, case.incident, key)
        has_attempt = any(attempt.key == key for attempt in book.attempts)
        ordered = case.order is not None
        if not has_attempt:
            refusal = refuse_early(case.request, case.found, book, ordered=ordered)
            if refusal is not None:
                return refusal, book
        if not ordered and (stop := policy.find_stop_wait(book, case.found, now)) is not None:
            return stop, book
        return self._decider.decide(case, book, now), book


def _set_container(case: RequestCase, info: ContainerInfo | None) -> RequestCase:
    """Return the case with the container as it is now, its name and labels as the engine knows them."""
    alert = case.request.alert
    if info is not None:
        alert = msgspec.structs.replace(alert, container=mask_labels(info.ref))
    request = msgspec.structs.replace(case.request, alert=alert)
    return msgspec.structs.replace(case, found=info, request=request)


def _is_down(case: RequestCase) -> bool:
    return case.found is not None and case.found.status in DEAD_STATES


def _busy(now: float) -> Defer:
    return Defer(now + slots.BUSY_RETRY_SECONDS, "the maximum number of actions is being verified")
