"""Diagnoses alerts: publishes a request for remediation, a false alarm, or the next rung after a failed
action.

The rules answer at once. A model, where it is worth asking, runs in the background, so that other events do
not wait. If the model fails, the verdict of the rules stands.
"""

import logging
from collections.abc import Sequence
from functools import partial

import msgspec

from hemostat.agents.analyzer.llm_advisor import LlmAdvisor
from hemostat.core.diagnosis.case import build_precedent, compute_signature
from hemostat.core.diagnosis.precedents import (
    apply_precedents,
    replace_tried_action,
    should_ask_llm,
    should_load_precedents,
)
from hemostat.core.diagnosis.rules import Verdict, diagnose
from hemostat.core.llm.validate import fall_back_to_rules
from hemostat.core.redact import redact
from hemostat.core.remediation.ladder import find_following_action
from hemostat.core.settings.responder import ResponderSettings
from hemostat.errors import HemoStatError
from hemostat.events import (
    Action,
    Diagnosis,
    Event,
    FalseAlarm,
    HealthAlert,
    Outcome,
    Phase,
    RemediationComplete,
    RemediationNeeded,
)
from hemostat.ports import Clock, EvidenceStore, PrecedentStore, RunInBackground

logger = logging.getLogger(__name__)


class Analyzer:
    def __init__(
        self,
        casebook: PrecedentStore,
        dossiers: EvidenceStore,
        clock: Clock,
        limits: ResponderSettings,
        *,
        source: str,
        consultant: LlmAdvisor | None = None,
    ) -> None:
        """`limits` are the settings of the responders. Without a `consultant` the rules decide alone."""
        self._precedent_store = casebook
        self._evidence_store = dossiers
        self._clock = clock
        self._limits = limits
        self._source = source
        self._llm_advisor = consultant

    def step(self, event: Event, now: float, *_: object) -> Sequence[Event] | RunInBackground:
        match event.data:
            case HealthAlert(phase=Phase.RAISED) as alert:
                return self._judge(event, alert, now)
            case RemediationComplete(alert=HealthAlert() as alert) as done:
                self._record_precedent(event, done, alert)
                action = find_following_action(done)
                return (
                    []
                    if action is None
                    else [self._make_event(event, _build_next_request(done, alert, action), now)]
                )
        return []

    def notice(self, now: float) -> str:
        """Return a warning while a configured model is not asked, else an empty text."""
        return "" if self._llm_advisor is None else self._llm_advisor.notice(now)

    def buried(self, event: Event, error: str, now: float) -> list[Event]:
        """Return a request without an action for an event that could not be diagnosed, so that a person looks
        at it."""
        unclear = Diagnosis(cause="not diagnosed", confidence=0.0, reasons=(redact(error),))
        match event.data:
            case HealthAlert(phase=Phase.RAISED) as alert:
                told = RemediationNeeded(alert=alert, action=Action.NONE, diagnosis=unclear)
            case RemediationComplete(alert=HealthAlert() as alert, rung=rung):
                told = RemediationNeeded(alert=alert, action=Action.NONE, diagnosis=unclear, rung=rung + 1)
            case _:
                return []
        return [self._make_event(event, told, now)]

    def _judge(self, event: Event, alert: HealthAlert, now: float) -> Sequence[Event] | RunInBackground:
        verdict = diagnose(alert)
        if should_load_precedents(alert, verdict):
            known = self._precedent_store.past(compute_signature(alert))
            verdict = apply_precedents(alert, verdict, known, self._limits, host=event.host)
            verdict = replace_tried_action(alert, verdict, known, event.incident or "")
        consultant = self._llm_advisor
        if consultant is not None:
            consultant.note(alert.container, now)
        if consultant is None or not should_ask_llm(alert, verdict, consultant.analysis):
            return [self._answer_verdict(event, alert, verdict, now)]
        if why := consultant.shut(now):
            return [self._answer_verdict(event, alert, fall_back_to_rules(verdict, why), now)]
        return RunInBackground(
            work=partial(self._ask_llm, consultant, event, alert, verdict, now),
            otherwise=lambda then: [
                self._answer_verdict(
                    event, alert, fall_back_to_rules(verdict, "too many investigations at once"), then
                )
            ],
        )

    def _ask_llm(
        self, consultant: LlmAdvisor, event: Event, alert: HealthAlert, rules: Verdict, asked: float, _: float
    ) -> list[Event]:
        """Return the request or false alarm for an alert that has waited since `asked` (epoch seconds). Any
        failure here falls back to the rules, so that the alert is always answered."""
        try:
            verdict = consultant.consult(event, rules, asked)
        except HemoStatError as error:
            logger.warning("llm.fallback incident=%s error=%s", event.incident, error)
            verdict = fall_back_to_rules(rules, str(error))
        except Exception as error:
            logger.exception("llm.failed incident=%s", event.incident)
            verdict = fall_back_to_rules(rules, type(error).__name__)
        return [self._answer_verdict(event, alert, verdict, self._clock.now())]

    def _record_precedent(self, event: Event, done: RemediationComplete, alert: HealthAlert) -> None:
        tried = done.action is not Action.NONE and done.outcome in {Outcome.HEALED, Outcome.FAILED}
        if not tried or event.incident is None:
            return
        kept = self._evidence_store.get(event.incident)
        log = kept[-1].log if kept else ""
        key = f"{event.incident}:{done.occurrence}:{done.rung}"
        told = build_precedent(done, host=event.host, now=event.time, log=log, incident=event.incident)
        self._precedent_store.remember(compute_signature(alert), key, told)

    def _answer_verdict(self, event: Event, alert: HealthAlert, verdict: Verdict, now: float) -> Event:
        return self._make_event(event, _build_answer(alert, verdict), now)

    def _make_event(self, event: Event, data: FalseAlarm | RemediationNeeded, now: float) -> Event:
        return Event.make(
            data, time=now, host=event.host, source=self._source, incident=event.incident, cause=event.id
        )


def _build_answer(alert: HealthAlert, verdict: Verdict) -> FalseAlarm | RemediationNeeded:
    if verdict.action is None:
        return FalseAlarm(alert=alert, diagnosis=verdict.diagnosis)
    return RemediationNeeded(
        alert=alert, action=verdict.action, diagnosis=verdict.diagnosis, parameters=verdict.parameters
    )


def _build_next_request(done: RemediationComplete, alert: HealthAlert, action: Action) -> RemediationNeeded:
    diagnosis = done.diagnosis
    if done.detail:
        reasons = (*diagnosis.reasons, f"{done.action} {done.outcome}: {done.detail}")
        diagnosis = msgspec.structs.replace(diagnosis, reasons=reasons)
    return RemediationNeeded(alert=alert, action=action, diagnosis=diagnosis, rung=done.rung + 1)
