"""Carries out a decision to act: reserves the attempt, saves evidence, acts, verifies, and reports the
outcome."""

import logging
from typing import Final

import msgspec

from hemostat.agents.responder.action_executor import ActionExecutor, ActionResult
from hemostat.agents.responder.dependencies import ResponderDependencies
from hemostat.agents.responder.outcome import (
    ActionEnd,
    OutcomePublisher,
    RequestCase,
    add_durations,
    make_decision_end,
    make_given_up_end,
    make_verified_end,
)
from hemostat.agents.responder.verifier import Verifier
from hemostat.core.ledger.rows import RELEASED, Attempt, RaisedLimit
from hemostat.core.model import ContainerInfo
from hemostat.core.remediation import policy, repetition, scaling
from hemostat.core.remediation.circuit_breaker import is_host_fault
from hemostat.core.remediation.decision import Refuse, Resume
from hemostat.core.remediation.slots import START_SECONDS, compute_slot_end
from hemostat.core.remediation.stop_timeout import compute_stop_seconds
from hemostat.core.remediation.verify import find_late_reason, find_stale_restart_reason
from hemostat.errors import (
    BusError,
    EngineError,
    EngineForbiddenError,
    HemoStatError,
    NoSuchContainerError,
    NotApplicableError,
)
from hemostat.events import Action, Container, Event, Outcome, Reason
from hemostat.evidence_collector import collect_snapshot
from hemostat.ports import Defer, Engine, Interrupted

FRESH_SECONDS: Final = 30.0
"""Seconds for which a measurement is trusted; after that it is taken again before an action."""
MAX_TRIES: Final = 5
"""Maximum number of requests to the engine for one action: requests that hang may all be carried out once the
engine recovers."""
RESTART_ACTIONS: Final = frozenset({Action.RESTART, Action.START})
"""Actions whose execution shows in the container's start time."""
VERIFY_SECONDS: Final = 5.0
"""Minimum seconds to wait for a container after a start. While a start takes longer than the action holds a
slot, its request is deferred repeatedly, because other requests need the thread."""
VERIFY_RETRY: Final = 5.0
"""Seconds until the container is inspected again."""
SHUTDOWN_SECONDS: Final = 2.0
"""Seconds after which an engine that stopped its containers to shut down is unreachable."""
EVIDENCE_SECONDS: Final = 0.25
"""Maximum seconds that gathering evidence may delay an action."""

logger = logging.getLogger(__name__)


class Execution:
    """Carries out decisions. Safe to use from several threads at once."""

    def __init__(
        self,
        dependencies: ResponderDependencies,
        executor: ActionExecutor,
        verifier: Verifier,
        tell: OutcomePublisher,
    ) -> None:
        self._engine = dependencies.engine
        self._executor = executor
        self._verifier = verifier
        self._ledger = dependencies.ledger
        self._evidence_store = dependencies.evidence_store
        self._clock = dependencies.clock
        self._tell = tell
        self._host = dependencies.host
        self._source = dependencies.source
        self._stop_timeout_max = dependencies.limits.stop_timeout_max
        self._read_metrics = dependencies.read_metrics

    def begin(self, case: RequestCase, attempt: Attempt, version: int) -> list[Event] | Defer | None:
        """Reserve, then act. Returns None where the ledger was changed meanwhile. An action that does not
        apply, or is no longer needed, is refused before it uses any budget. The lease starts here, because a
        plan may take long."""
        waited = self._clock.now() - case.event.time > FRESH_SECONDS
        if waited and case.found is not None and self._verifier.has_passed(case.request.alert, case.found):
            return self._tell(case, make_decision_end(Refuse(Reason.RECOVERED)))
        try:
            plan = self._executor.plan(case.request, case.found)
        except NotApplicableError as error:
            return self._tell(case, make_decision_end(Refuse(Reason.UNSUPPORTED, str(error))))
        now, lease = self._clock.now(), attempt.lease - attempt.time
        started_at = 0.0 if case.found is None else case.found.started_at
        intent = msgspec.structs.replace(
            attempt, time=now, lease=now + lease, started_at=started_at, scaled=plan.scaled
        )
        if not self._ledger.reserve(self._host, intent, version):
            return None
        self.save_evidence(case)
        return self._act(case, intent)

    def _act(self, case: RequestCase, intent: Attempt) -> list[Event] | Defer:
        """Act on the current state: since the decision, an operator may have stopped the container or paused
        remediation, and a responder that was frozen meanwhile may have lost its reservation to another."""
        book, now = self._ledger.read(self._host, intent.container), self._clock.now()
        if intent not in book.running_attempts or book.controls.find_pause(intent.container, now):
            return Defer(now, "it is now held back, or handled by another responder")
        case = msgspec.structs.replace(
            case, found=inspect_if_present(self._engine, case.request.alert.container)
        )
        ordered = case.order is not None
        stopped = not ordered and policy.find_stop_wait(book, case.found, now) is not None
        reason = Reason.STOPPED if stopped else find_late_reason(case.request, case.found)
        return self._carry_out(case, intent, None if reason is None else Refuse(reason))

    def give_up(self, case: RequestCase, error: str) -> list[Event]:
        """Return the final outcome of a request that failed repeatedly, and end its attempts, so that they
        hold no slot."""
        name, key = (
            case.request.alert.container.name,
            repetition.build_attempt_key(case.request, case.incident),
        )
        try:
            attempts = self._ledger.list_attempts(self._host, name)
            for attempt in (each for each in attempts if each.key == key and each.outcome is None):
                self._finish(attempt, make_given_up_end(error))
        except HemoStatError as failure:  # the lease ends by itself
            logger.warning("attempt.end_failed incident=%s error=%s", case.incident, failure)
        return self._tell(case, make_given_up_end(error))

    def resume(self, case: RequestCase, resumption: Resume, version: int) -> list[Event] | Defer | None:
        """Renew the lease, then finish the attempt. The attempt ends without the action where it became
        unnecessary, or where an objection applies to what is not done yet. Returns None where the ledger was
        changed meanwhile."""
        attempt, objection = resumption.attempt, resumption.objection
        if case.found is None and not case.request.alert.container.is_host:
            objection = Refuse(Reason.GONE)
        if case.found is not None:
            is_late = find_stale_restart_reason(case.request.alert, case.found, attempt)
            undone = case.found.started_at == attempt.started_at
            objection = Refuse(is_late) if is_late is not None else objection if undone else None
            if undone and attempt.tries >= MAX_TRIES and attempt.action in RESTART_ACTIONS:
                detail = f"the engine did not run it after {attempt.tries} requests"
                objection = objection or Refuse(Reason.ENGINE_ERROR, detail)
        tries = attempt.tries + 1
        now = self._clock.now()
        renewed = msgspec.structs.replace(
            attempt, by=self._source, renewed=now, lease=resumption.lease, tries=tries
        )
        if not self._ledger.reserve(self._host, renewed, version):
            return None
        return self._carry_out(case, renewed, objection, again=True)

    def _carry_out(
        self, case: RequestCase, attempt: Attempt, objection: Refuse | None, *, again: bool = False
    ) -> list[Event] | Defer:
        """Act and verify, unless there is an objection."""
        try:
            end = (
                self._perform(case, attempt, again=again)
                if objection is None
                else make_decision_end(objection)
            )
        except Interrupted:
            self._release(attempt)
            raise
        if end.outcome is Outcome.WAITING:
            return Defer(self._clock.now() + VERIFY_RETRY, end.detail)
        self._finish(attempt, end)
        return self._tell(case, end)

    def _release(self, attempt: Attempt) -> None:
        """Let any responder resume the attempt at once, because this process stops. The attempt stays under
        way for other decisions until its lease ends."""
        released = msgspec.structs.replace(attempt, by=RELEASED)
        try:
            while attempt in (book := self._ledger.read(self._host, attempt.container)).running_attempts:
                if self._ledger.reserve(self._host, released, book.version):
                    break
        except HemoStatError as error:
            logger.warning("attempt.not_released container=%s error=%s", attempt.container, error)

    def _finish(self, attempt: Attempt, end: ActionEnd) -> None:
        result = msgspec.structs.replace(
            attempt,
            outcome=end.outcome,
            reason=end.reason,
            finished=self._clock.now(),
            acted=end.acted,
            host_fault=end.reason is Reason.ENGINE_ERROR and is_host_fault(end.detail),
        )
        # The raised limit is stored first: a finished attempt is not resumed.
        if attempt.scaled is not None and self._is_raised(attempt.scaled):
            self._ledger.save_raised_limit(self._host, attempt.scaled)
        self._ledger.finish(self._host, result)

    def _perform(self, case: RequestCase, attempt: Attempt, *, again: bool) -> ActionEnd:
        """Carry out the action and verify it. A transient failure leaves the attempt open, to be resumed by
        the next try."""
        started = self._clock.now()
        try:
            result = self._executor.perform(
                case.request, case.found, since=attempt.started_at, scaled=attempt.scaled, again=again
            )
            acted = self._clock.now()
            end = self._end_if_stopped(case, attempt) or self._verify(case, attempt, result)
        except NoSuchContainerError as error:
            end = self._end_not_found(case, error)
        except (NotApplicableError, EngineForbiddenError) as error:
            end = make_decision_end(Refuse(Reason.UNSUPPORTED, str(error)))
        except EngineError as error:
            if error.transient:
                raise
            end = self._end_failed(case, error)
        else:
            detail = "; ".join(filter(None, (result.detail, end.detail)))
            end = msgspec.structs.replace(end, detail=detail)
            end = add_durations(case, end, started=started, acted=acted, now=self._clock.now())
        return end

    def _end_if_stopped(self, case: RequestCase, attempt: Attempt) -> ActionEnd | None:
        """Stop the container again if a person stopped it during a restart. That stop is the later intention,
        and the restart has overridden it: the engine starts the container whatever happened in between. The
        new process gets the rest of the action's slot to stop, START_SECONDS at least, because it occupies a
        thread."""
        is_single_restart = attempt.tries == 1 and attempt.action in RESTART_ACTIONS
        if not (is_single_restart and self._is_stop_noted(attempt)):
            return None
        # An engine that shuts down stops its containers too: the monitor withdraws the note when the engine
        # is gone.
        self._clock.sleep(SHUTDOWN_SECONDS)
        if not self._is_stop_noted(attempt):
            return None
        left = max(compute_slot_end(attempt) - self._clock.now(), START_SECONDS)
        container = case.request.alert.container
        longest = min(left, self._stop_timeout_max)
        self._engine.stop(container.id, compute_stop_seconds(container, case.found, longest))
        detail = f"an operator stopped it during the {attempt.action}: stopped again"
        return ActionEnd(outcome=Outcome.NOT_APPLICABLE, reason=Reason.STOPPED, detail=detail, acted=True)

    def _is_stop_noted(self, attempt: Attempt) -> bool:
        stop = self._ledger.read(self._host, attempt.container).manual_stop
        return stop is not None and stop.time >= attempt.time

    def _end_not_found(self, case: RequestCase, error: NoSuchContainerError) -> ActionEnd:
        """Return the end for a missing container: this one, or another that its start needs."""
        if inspect_if_present(self._engine, case.request.alert.container) is not None:
            return self._end_failed(case, error)
        return ActionEnd(outcome=Outcome.NOT_APPLICABLE, reason=Reason.GONE)

    def _end_failed(self, case: RequestCase, error: EngineError) -> ActionEnd:
        """Return the end with the engine's own reason and the container's current state, as HemoStat may have
        stopped it."""
        now = inspect_if_present(self._engine, case.request.alert.container)
        after = None if now is None else now.state
        return ActionEnd(
            outcome=Outcome.FAILED, reason=Reason.ENGINE_ERROR, detail=error.message, after=after
        )

    def _verify(self, case: RequestCase, attempt: Attempt, result: ActionResult) -> ActionEnd:
        alert, stopped = case.request.alert, case.request.action is Action.STOP
        try:
            if stopped:
                return self._verifier.verify_stopped(alert.container.id)
            if attempt.action not in RESTART_ACTIONS:
                return self._verifier.verify(alert, result.freed, restarted=False)
            seconds_left, info = compute_slot_end(attempt) - self._clock.now(), case.found
            if info is None or info.started_at == attempt.started_at:
                return self._verifier.verify(alert, within=max(seconds_left, VERIFY_SECONDS))
            since = max(attempt.time + attempt.stop_seconds, info.started_at)
            return self._verifier.verify(alert, since=since, within=max(seconds_left, 0.0))
        except NoSuchContainerError:  # the action ran nevertheless
            why = "it was removed afterwards"
            return (
                make_verified_end("")
                if stopped
                else ActionEnd(outcome=Outcome.FAILED, reason=Reason.GONE, detail=why)
            )

    def _is_raised(self, scaled: RaisedLimit) -> bool:
        """Return whether the limit is raised, whatever the outcome of the action."""
        try:
            return scaling.is_still_raised(scaled, self._executor.read_current(scaled))
        except EngineError as error:
            if error.transient:
                raise
            return False

    def save_evidence(self, case: RequestCase) -> None:
        """Save the evidence before the action. A failure to save does not prevent the action: the container
        must not stay down for it."""
        now = self._clock.now()
        is_stored = collect_snapshot(
            self._engine,
            case.request,
            case.found,
            now,
            patience=EVIDENCE_SECONDS,
            read_metrics=self._read_metrics,
            clock=self._clock,
        )
        try:
            self._evidence_store.put(case.incident, is_stored)
        except BusError as error:
            logger.warning("evidence.save_failed incident=%s error=%s", case.incident, error)


def inspect_if_present(engine: Engine, container: Container) -> ContainerInfo | None:
    """Return None where the container was removed, and for the host."""
    try:
        return None if container.is_host else engine.inspect(container.id)
    except NoSuchContainerError:
        return None
