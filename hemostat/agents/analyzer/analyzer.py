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
        precedents: PrecedentStore,
        evidence_store: EvidenceStore,
        clock: Clock,
        limits: ResponderSettings,
        *,
        source: str,
        llm_advisor: LlmAdvisor | None = None,
    ) -> None:
        """`limits` are the settings of the responders. Without a `llm_advisor` the rules decide alone."""
        self._precedent_store = precedents
        self._evidence_store = evidence_store
        self._clock = clock
        self._limits = limits
        self._source = source
        self._llm_advisor = llm_advisor

    def step(self, event: Event, now: float, *_: object) -> Sequence[Event] | RunInBackground:
        match event.data:
            case HealthAlert(phase=Phase.RAISED) as alert:
                return self._judge(event, alert, now)
            case RemediationComplete(alert=HealthAlert() as alert) as completion:
                self._record_precedent(event, completion, alert)
                action = find_following_action(completion)
                return (
                    []
                    if action is None
                    else [self._make_event(event, _build_next_request(completion, alert, action), now)]
                )
        return []

    def notice(self, now: float) -> str:
        """Return a warning while a configured model is not asked, else an empty text."""
        return "" if self._llm_advisor is None else self._llm_advisor.notice(now)

    def answer_dead_letter(self, event: Event, error: str, now: float) -> list[Event]:
        """Return a request without an action for an event that could not be diagnosed, so that a person looks
        at it."""
        unclear = Diagnosis(cause="not diagnosed", confidence=0.0, reasons=(redact(error),))
        match event.data:
            case HealthAlert(phase=Phase.RAISED) as alert:
                events = RemediationNeeded(alert=alert, action=Action.NONE, diagnosis=unclear)
            case RemediationComplete(alert=HealthAlert() as alert, rung=rung):
                events = RemediationNeeded(alert=alert, action=Action.NONE, diagnosis=unclear, rung=rung + 1)
            case _:
                return []
        return [self._make_event(event, events, now)]

    def _judge(self, event: Event, alert: HealthAlert, now: float) -> Sequence[Event] | RunInBackground:
        verdict = diagnose(alert)
        if should_load_precedents(alert, verdict):
            precedents = self._precedent_store.list_precedents(compute_signature(alert))
            verdict = apply_precedents(alert, verdict, precedents, self._limits, host=event.host)
            verdict = replace_tried_action(alert, verdict, precedents, event.incident or "")
        llm_advisor = self._llm_advisor
        if llm_advisor is not None:
            llm_advisor.note_alert(alert.container, now)
        if llm_advisor is None or not should_ask_llm(alert, verdict, llm_advisor.analysis):
            return [self._answer_verdict(event, alert, verdict, now)]
        if why := llm_advisor.find_shut_reason(now):
            return [self._answer_verdict(event, alert, fall_back_to_rules(verdict, why), now)]
        return RunInBackground(
            work=partial(self._ask_llm, llm_advisor, event, alert, verdict, now),
            otherwise=lambda then: [
                self._answer_verdict(
                    event, alert, fall_back_to_rules(verdict, "too many investigations at once"), then
                )
            ],
        )

    def _ask_llm(
        self,
        llm_advisor: LlmAdvisor,
        event: Event,
        alert: HealthAlert,
        rules: Verdict,
        requested_at: float,
        _: float,
    ) -> list[Event]:
        """Return the request or false alarm for an alert that has waited since `requested_at` (epoch
        seconds). Any failure here falls back to the rules, so that the alert is always answered."""
        try:
            verdict = llm_advisor.consult(event, rules, requested_at)
        except HemoStatError as error:
            logger.warning("llm.fallback incident=%s error=%s", event.incident, error)
            verdict = fall_back_to_rules(rules, str(error))
        except Exception as error:
            logger.exception("llm.failed incident=%s", event.incident)
            verdict = fall_back_to_rules(rules, type(error).__name__)
        return [self._answer_verdict(event, alert, verdict, self._clock.now())]

    def _record_precedent(self, event: Event, completion: RemediationComplete, alert: HealthAlert) -> None:
        has_acted = completion.action is not Action.NONE and completion.outcome in {
            Outcome.HEALED,
            Outcome.FAILED,
        }
        if not has_acted or event.incident is None:
            return
        snapshots = self._evidence_store.get(event.incident)
        log = snapshots[-1].log if snapshots else ""
        key = f"{event.incident}:{completion.occurrence}:{completion.rung}"
        precedent = build_precedent(
            completion, host=event.host, now=event.time, log=log, incident=event.incident
        )
        self._precedent_store.add_precedent(compute_signature(alert), key, precedent)

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


def _build_next_request(
    completion: RemediationComplete, alert: HealthAlert, action: Action
) -> RemediationNeeded:
    diagnosis = completion.diagnosis
    if completion.detail:
        reasons = (*diagnosis.reasons, f"{completion.action} {completion.outcome}: {completion.detail}")
        diagnosis = msgspec.structs.replace(diagnosis, reasons=reasons)
    return RemediationNeeded(alert=alert, action=action, diagnosis=diagnosis, rung=completion.rung + 1)
