"""The responder: the only role that acts. Whether it may is core.policy's to say.

1. Read the container, the ledger and what people have said, and decide. What was finished is told again; what
   was begun is taken up. Refused, or no longer needed: say so and why. Not now, or not before a person has
   approved it: ask to be given the request again later.
2. Reserve the attempt by compare-and-set: if anybody wrote to the ledger meanwhile, decide anew.
3. Act, unless the container's own start time shows that a crash came after the action.
4. Verify: running, healthy and the alert's condition gone, for long enough.
5. Write the outcome to the ledger, then tell it.
"""

import logging
from typing import Final

import msgspec

from hemostat.agents.responder.evidence import collect
from hemostat.core import cleanup, policy
from hemostat.core.control import Approval
from hemostat.core.model import Attempt, ContainerInfo, Sample
from hemostat.core.policy import (
    Act,
    Ask,
    Decision,
    Limits,
    Peers,
    Refuse,
    Repeat,
    Resume,
    Situation,
    Wait,
)
from hemostat.core.redact import redact
from hemostat.core.units import duration, show_size
from hemostat.core.verify import SAMPLED, Health, needless, state_of, still_high
from hemostat.errors import BusError, EngineError, NoSuchContainerError
from hemostat.events import (
    Action,
    Container,
    Event,
    HealthAlert,
    Kind,
    Outcome,
    Reason,
    RemediationComplete,
    RemediationNeeded,
    State,
    digest,
)
from hemostat.ports import Clock, Desk, Dossiers, Engine, Later, Ledger, Sampler

POLL: Final = 0.25
"""Seconds between two looks at a container that is being verified."""
ACTING: Final = 60.0
"""Seconds allowed for the action itself, in the lease: a stop timeout and a start."""

EVIDENCE: Final = 0.25
"""Seconds that gathering evidence may keep an action waiting."""

logger = logging.getLogger(__name__)


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    outcome: Outcome
    reason: Reason
    detail: str = ""
    after: State | None = None
    durations: dict[str, float] = {}


class Case(msgspec.Struct, frozen=True):
    """One request as it was delivered, and the container as it was found."""

    event: Event
    request: RemediationNeeded
    incident: str
    found: ContainerInfo | None


class Responder:
    def __init__(
        self,
        engine: Engine,
        sampler: Sampler,
        ledger: Ledger,
        desk: Desk,
        dossiers: Dossiers,
        clock: Clock,
        limits: Limits,
        *,
        host: str,
        source: str,
        host_memory: int,
    ) -> None:
        self._engine = engine
        self._sampler = sampler
        self._ledger = ledger
        self._desk = desk
        self._dossiers = dossiers
        self._announced: set[tuple[str, Reason]] = set()
        """Waits that people have been told of: once each, as far as this process knows."""
        self._clock = clock
        self._limits = limits
        self._host = host
        self._source = source
        self._host_memory = host_memory

    def step(self, event: Event, now: float) -> list[Event] | Later:
        request = event.data
        if not isinstance(request, RemediationNeeded) or event.host != self._host or event.incident is None:
            return []
        case = Case(event, request, event.incident, self._inspect(request.alert.container))
        if request.action is Action.NONE:
            return self._told(case, _unasked(request.alert))
        while (result := self._try(case, now)) is None:
            logger.info("decision.repeated incident=%s", event.incident)
        return result

    def _try(self, case: Case, now: float) -> list[Event] | Later | None:
        """Decide, and do as decided; None where the ledger was written to meanwhile."""
        decision, version = self._decide(case, now)
        result: list[Event] | Later | None = None
        match decision:
            case Wait(until=until, why=why, reason=reason):
                result = Later(until, why, self._announce(case, reason, why))
            case Ask(until=until):
                result = self._asked(case, until, now)
            case Refuse() | Repeat():
                result = self._told(case, _unacted(decision))
            case Resume(attempt=attempt):
                result = self._carry_out(case, attempt)
            case Act(attempt=attempt):
                intent = msgspec.structs.replace(attempt, started_at=_start(case.found))
                if self._ledger.reserve(self._host, intent, version):
                    result = self._carry_out(case, intent)
        return result

    def notice(self, now: float) -> str:
        """What people should know of: that nothing is done, and who wanted that."""
        return self._desk.controls().notice(now)

    def _inspect(self, container: Container) -> ContainerInfo | None:
        """None where it is gone, and for the host itself, to which nothing is ever done."""
        try:
            return None if container.is_host else self._engine.inspect(container.id)
        except NoSuchContainerError:
            return None

    def _decide(self, case: Case, now: float) -> tuple[Decision, int]:
        alert = case.request.alert
        book = self._ledger.read(self._host, alert.container.name)
        lease = ACTING + self._limits.verify_timeout
        situation = Situation(
            book=book,
            controls=self._desk.controls(),
            approval=self._approval(case),
            peers=self._peers(case),
        )
        decision = policy.decide(
            case.request, case.incident, situation, self._limits, by=self._source, lease=lease, now=now
        )
        begun = any(attempt.key == policy.key(case.request, case.incident) for attempt in book.attempts)
        if not begun:
            late = Reason.GONE if case.found is None else needless(alert, case.found)
            decision = decision if late is None else Refuse(late)
        return decision, book.version

    def _approval(self, case: Case) -> Approval | None:
        mode = policy.mode_of(case.request.alert.container, case.request.action, self._limits)
        if mode != "approve":
            return None
        name = policy.key(case.request, case.incident)
        return next((each for each in self._desk.approvals() if each.key == name), None)

    def _asked(self, case: Case, until: float, now: float) -> Later:
        """Put the request on people's desk, and tell them once."""
        request, name = case.request, policy.key(case.request, case.incident)
        asked = Approval(
            id=digest(name.encode(), 3),
            key=name,
            incident=case.incident,
            host=self._host,
            container=request.alert.container.name,
            action=request.action,
            cause=request.diagnosis.cause,
            asked=now,
            until=until,
        )
        approval = self._desk.ask(asked)
        how = f"hemostat approve {approval.id}"
        ended = Ended(outcome=Outcome.AWAITING_APPROVAL, reason=Reason.APPROVAL, detail=how)
        told = self._told(case, ended) if approval == asked else []
        return Later(now + policy.PEOPLE_RETRY, "it waits for approval", tuple(told))

    def _announce(self, case: Case, reason: Reason | None, why: str) -> tuple[Event, ...]:
        mark = (policy.key(case.request, case.incident), reason)
        if reason is None or mark in self._announced:
            return ()
        self._announced.add((mark[0], reason))
        return tuple(self._told(case, Ended(outcome=Outcome.WAITING, reason=reason, detail=why)))

    def _peers(self, case: Case) -> Peers:
        """The other replicas of its compose service; asked of the engine only where it would be missed."""
        container = case.request.alert.container
        group = policy.service(container)
        if group is None or case.found is None or state_of(case.found)[0] is not Health.WELL:
            return Peers()
        others = [
            info
            for info in self._engine.containers()
            if policy.service(info.ref) == group and info.ref.id != container.id
        ]
        healthy = sum(state_of(info)[0] is Health.WELL for info in others)
        return Peers(len(others), healthy, itself=True)

    # --- acting -------------------------------------------------------------------------------------

    def _carry_out(self, case: Case, attempt: Attempt) -> list[Event]:
        """Act and verify. A failure that passes leaves the attempt open, to be resumed by the next try."""
        began = self._clock.now()
        try:
            if _start(case.found) <= attempt.started_at:
                self._keep_evidence(case)
                self._act(case.request, case.found)
            acted = self._clock.now()
            ended = self._verify(case.request.alert)
        except NoSuchContainerError:
            ended = Ended(outcome=Outcome.NOT_APPLICABLE, reason=Reason.GONE)
        except EngineError as error:
            if error.transient:
                raise
            ended = Ended(outcome=Outcome.FAILED, reason=Reason.ENGINE_ERROR, detail=error.message)
        else:
            ended = self._timed(case, ended, began=began, acted=acted)
        finished = msgspec.structs.replace(
            attempt, outcome=ended.outcome, reason=ended.reason, finished=self._clock.now()
        )
        self._ledger.finish(self._host, finished)
        return self._told(case, ended)

    def _keep_evidence(self, case: Case) -> None:
        """What is known before the action. That it cannot be kept is no reason to leave a container down."""
        kept = collect(self._engine, case.request, case.found, self._clock.now(), patience=EVIDENCE)
        try:
            self._dossiers.put(case.incident, kept)
        except BusError as error:
            logger.warning("evidence.lost incident=%s error=%s", case.incident, error)

    def _act(self, request: RemediationNeeded, found: ContainerInfo | None) -> None:
        container, action = request.alert.container, request.action
        logger.info("action.begun action=%s container=%s", action, container.name)
        match action:
            case Action.RESTART if found is not None and found.running:
                self._engine.restart(container.id, _stop_timeout(container.labels))
            case Action.RESTART | Action.START:
                self._engine.start(container.id)
            case Action.CLEANUP:
                self._clean(container.id, container.labels)
            case _:
                raise EngineError(f"{action} is not supported")

    def _clean(self, container_id: str, labels: dict[str, str]) -> None:
        command = cleanup.command(labels)
        if command is None:
            raise EngineError(f"the label {cleanup.LABEL} names nothing that may be deleted")
        code, output = self._engine.exec(container_id, command)
        if code:
            raise EngineError(f"cleanup failed with code {code}: {output.strip()[:200]}")

    # --- verifying ----------------------------------------------------------------------------------

    def _verify(self, alert: HealthAlert) -> Ended:
        """Look until the container has been well for `verify_for`, is ill, or `verify_timeout` is over."""
        deadline = self._clock.now() + self._limits.verify_timeout
        well_since: float | None = None
        base: Sample | None = None
        while True:
            info = self._engine.inspect(alert.container.id)
            now = self._clock.now()
            health, why = state_of(info)
            if health is Health.ILL:
                return _ended(info, why)
            if health is Health.NOT_YET:
                well_since = None
            elif well_since is None or info.started_at > well_since:
                well_since, base = now, self._sample(info, now)
            elif now - well_since >= self._limits.verify_for:
                return _ended(info, self._symptom(alert, info, base, now))
            if now >= deadline:
                return _ended(info, why or "it did not stay up")
            self._clock.sleep(POLL)

    def _sample(self, info: ContainerInfo, now: float) -> Sample | None:
        return next(iter(self._sampler.sample([info], now)), None)

    def _symptom(self, alert: HealthAlert, info: ContainerInfo, base: Sample | None, now: float) -> str:
        """What is left of the alert's condition; empty if nothing is."""
        if alert.kind is Kind.DISK_HIGH:
            size, threshold = self._engine.writable_size(info.ref.id), alert.number("threshold")
            return f"it still holds {show_size(size)}" if size >= threshold else ""
        if alert.kind not in SAMPLED:
            return ""
        after = self._sample(info, now)
        if base is None or after is None:
            return "its CPU and memory cannot be measured"
        return still_high(alert, info, base, after, self._host_memory)

    # --- telling ------------------------------------------------------------------------------------

    def _timed(self, case: Case, ended: Ended, *, began: float, acted: float) -> Ended:
        now = self._clock.now()
        durations = {"act": acted - began, "verify": now - acted, "total": now - case.event.time}
        if case.request.alert.kind in {Kind.EXITED, Kind.OOM} and ended.after is not None:
            durations["down"] = max(0.0, ended.after.started_at - case.request.alert.since)
        rounded = {name: round(seconds, 3) for name, seconds in durations.items()}
        return msgspec.structs.replace(ended, durations=rounded)

    def _told(self, case: Case, ended: Ended) -> list[Event]:
        alert = case.request.alert
        data = RemediationComplete(
            container=alert.container,
            kind=alert.kind,
            action=case.request.action,
            outcome=ended.outcome,
            reason=ended.reason,
            diagnosis=case.request.diagnosis,
            detail=redact(ended.detail),
            rung=case.request.rung,
            occurrence=alert.occurrence,
            before=None if case.found is None else case.found.state,
            after=ended.after,
            durations=ended.durations,
            alert=alert if ended.reason in CLIMBED else None,
        )
        return [
            Event.make(
                data,
                time=self._clock.now(),
                host=self._host,
                source=self._source,
                incident=case.incident,
                cause=case.event.id,
            )
        ]


def _start(info: ContainerInfo | None) -> float:
    return 0.0 if info is None else info.started_at


def _stop_timeout(labels: dict[str, str]) -> float | None:
    text = labels.get("hemostat.stop_timeout", labels.get("autoheal.stop.timeout"))
    try:
        return None if text is None else duration(text)
    except ValueError:
        return None


def _ended(info: ContainerInfo, symptom: str) -> Ended:
    if symptom:
        return Ended(outcome=Outcome.FAILED, reason=Reason.NOT_VERIFIED, detail=symptom, after=info.state)
    return Ended(outcome=Outcome.HEALED, reason=Reason.VERIFIED, after=info.state)


def _unasked(alert: HealthAlert) -> Ended:
    """No action is asked for: what is ill because of another waits for that one, the rest for a person."""
    if alert.root:
        return Ended(outcome=Outcome.WAITING, reason=Reason.ROOT_ELSEWHERE, detail=f"for {alert.root}")
    return Ended(outcome=Outcome.ESCALATED, reason=Reason.NEEDS_PERSON)


CLIMBED: Final = frozenset({Reason.NOT_VERIFIED, Reason.ENGINE_ERROR, Reason.UNSUPPORTED})
"""Reasons after which the next rung of the ladder follows."""

_UNACTED: Final = {
    Reason.DRY_RUN: Outcome.DRY_RUN,
    Reason.EXPIRED: Outcome.EXPIRED,
    Reason.NO_ANSWER: Outcome.EXPIRED,
    Reason.GONE: Outcome.NOT_APPLICABLE,
    Reason.RECOVERED: Outcome.NOT_APPLICABLE,
    Reason.STOPPED: Outcome.NOT_APPLICABLE,
}


def _unacted(decision: Refuse | Repeat) -> Ended:
    if isinstance(decision, Refuse):
        outcome = _UNACTED.get(decision.reason, Outcome.REFUSED)
        return Ended(outcome=outcome, reason=decision.reason, detail=decision.detail)
    return Ended(
        outcome=decision.attempt.outcome or Outcome.FAILED,
        reason=decision.attempt.reason or Reason.NOT_VERIFIED,
        detail="told again after an interruption",
    )
