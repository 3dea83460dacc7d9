"""From a decision to act to its outcome: reserve, keep what is known, act, verify, write down, tell."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from hemostat.agents.responder.evidence import collect
from hemostat.agents.responder.report import Case, Ended, Teller, timed, unacted
from hemostat.agents.responder.surgeon import Done, Surgeon
from hemostat.agents.responder.verifier import Verifier
from hemostat.core.decision import Refuse, Resume
from hemostat.core.dossier import Point
from hemostat.core.model import Attempt
from hemostat.core.verify import overtaken
from hemostat.errors import BusError, EngineError, NoSuchContainerError, NotApplicableError
from hemostat.events import Action, Container, Event, Outcome, Reason
from hemostat.ports import Clock, Dossiers, Engine, Ledger

FRESH: Final = 30.0
"""Seconds for which what was measured is believed; after that it is measured again before it is acted on."""
EVIDENCE: Final = 0.25
"""Seconds that gathering evidence may keep an action waiting."""

logger = logging.getLogger(__name__)


class Operation:
    """Safe to use from several threads at once."""

    def __init__(
        self,
        engine: Engine,
        surgeon: Surgeon,
        verifier: Verifier,
        ledger: Ledger,
        dossiers: Dossiers,
        clock: Clock,
        tell: Teller,
        *,
        recent: Callable[[Container], Sequence[Point]] | None,
    ) -> None:
        self._engine = engine
        self._surgeon = surgeon
        self._verifier = verifier
        self._ledger = ledger
        self._dossiers = dossiers
        self._clock = clock
        self._tell = tell
        self._host = tell.host
        self._source = tell.source
        self._recent = recent

    def begin(self, case: Case, attempt: Attempt, version: int) -> list[Event] | None:
        """Reserve, then act. What cannot be done, or has passed while the request waited, is told before it
        costs anything."""
        waited = self._clock.now() - case.event.time > FRESH
        if waited and case.found is not None and self._verifier.is_over(case.request.alert, case.found):
            return self._tell(case, unacted(Refuse(Reason.RECOVERED)))
        try:
            plan = self._surgeon.plan(case.request, case.found)
        except NotApplicableError as error:
            return self._tell(case, unacted(Refuse(Reason.UNSUPPORTED, error.message)))
        started_at = 0.0 if case.found is None else case.found.started_at
        intent = msgspec.structs.replace(attempt, started_at=started_at, scaled=plan.scaled)
        if not self._ledger.reserve(self._host, intent, version):
            return None
        self.keep_evidence(case)
        return self._carry_out(case, intent)

    def take_up(self, case: Case, begun: Resume, version: int) -> list[Event] | None:
        """Renew the lease, then finish what was begun; not where it has come to nothing meanwhile, nor where
        there is an objection to what is not done yet."""
        attempt, objection = begun.attempt, begun.objection
        if case.found is not None:
            late = overtaken(case.request.alert, case.found, attempt)
            undone = case.found.started_at == attempt.started_at
            objection = Refuse(late) if late is not None else objection if undone else None
        renewed = msgspec.structs.replace(attempt, by=self._source, lease=begun.lease)
        if not self._ledger.reserve(self._host, renewed, version):
            return None
        return self._carry_out(case, renewed, objection)

    def _carry_out(self, case: Case, attempt: Attempt, objection: Refuse | None = None) -> list[Event]:
        """Act and verify, unless there is an objection."""
        ended = self._operated(case, attempt) if objection is None else unacted(objection)
        finished = msgspec.structs.replace(
            attempt, outcome=ended.outcome, reason=ended.reason, finished=self._clock.now()
        )
        # First what is to come back down: what is finished is not taken up again.
        if attempt.scaled is not None and ended.outcome in {Outcome.HEALED, Outcome.FAILED}:
            self._ledger.keep_scaled(self._host, attempt.scaled)
        self._ledger.finish(self._host, finished)
        return self._tell(case, ended)

    def _operated(self, case: Case, attempt: Attempt) -> Ended:
        """A failure that passes leaves the attempt open, to be resumed by the next try."""
        began = self._clock.now()
        try:
            done = self._surgeon.operate(
                case.request, case.found, since=attempt.started_at, scaled=attempt.scaled
            )
            acted = self._clock.now()
            ended = self._verified(case, done)
        except NoSuchContainerError:
            ended = Ended(outcome=Outcome.NOT_APPLICABLE, reason=Reason.GONE)
        except NotApplicableError as error:
            ended = unacted(Refuse(Reason.UNSUPPORTED, error.message))
        except EngineError as error:
            if error.transient:
                raise
            ended = Ended(outcome=Outcome.FAILED, reason=Reason.ENGINE_ERROR, detail=error.message)
        else:
            detail = "; ".join(filter(None, (done.detail, ended.detail)))
            ended = msgspec.structs.replace(ended, detail=detail)
            ended = timed(case, ended, began=began, acted=acted, now=self._clock.now())
        return ended

    def _verified(self, case: Case, done: Done) -> Ended:
        if case.request.action is Action.STOP:
            return self._verifier.stopped(case.request.alert.container.id)
        return self._verifier.verify(case.request.alert, done.freed)

    def keep_evidence(self, case: Case) -> None:
        """What is known before the action. That it cannot be kept is no reason to leave a container down."""
        kept = collect(
            self._engine,
            case.request,
            case.found,
            self._clock.now(),
            patience=EVIDENCE,
            recent=self._recent,
        )
        try:
            self._dossiers.put(case.incident, kept)
        except BusError as error:
            logger.warning("evidence.lost incident=%s error=%s", case.incident, error)
