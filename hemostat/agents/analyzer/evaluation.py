"""Analyses an eval case as the analyzer would analyse it now, without notifications or actions."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from hemostat.agents.analyzer.llm_advisor import LlmAdvisor
from hemostat.core.diagnosis.case import EvalCase, EvidenceCase
from hemostat.core.diagnosis.precedents import (
    apply_precedents,
    replace_tried_action,
    should_ask_llm,
    should_load_precedents,
)
from hemostat.core.diagnosis.rules import Verdict, diagnose
from hemostat.core.llm import prompt
from hemostat.core.llm.validate import fall_back_to_rules, list_choices
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.core.settings.responder import ResponderSettings
from hemostat.errors import AdviceError, HemoStatError
from hemostat.events import Event
from hemostat.ports import Clock, LlmBudget


class EvalAdvisor(NamedTuple):
    """The advisor for one eval case, and its budget."""

    advisor: LlmAdvisor
    budget: LlmBudget


class EvalResult(NamedTuple):
    """`seconds` is the duration, `cost` is in US dollars. `error` is why the answer of a model could not be
    used."""

    rules: Verdict
    verdict: Verdict
    is_model_asked: bool
    seconds: float
    cost: float = 0.0
    error: HemoStatError | None = None
    is_over_budget: bool = False
    """Whether the advice failed because the budget was spent."""


class RecordedClock:
    """A clock that starts at the time of an eval case."""

    def __init__(self, clock: Clock, start: float) -> None:
        self._clock = clock
        self._offset_seconds = clock.now() - start

    def now(self) -> float:
        return self._clock.now() - self._offset_seconds

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


class EvalRun:
    def __init__(
        self,
        clock: Clock,
        analysis: AnalyzerSettings,
        limits: ResponderSettings,
        bench: Callable[[EvalCase, Clock, AnalyzerSettings], EvalAdvisor] | None = None,
        *,
        name: str = "rules",
        asks_always: bool = False,
    ) -> None:
        """`name` is the name of the advisor. Without a `bench` the rules decide alone. `asks_always`: ask a
        model even where the rules are certain."""
        self.name = name
        self._clock = clock
        self._analysis = analysis
        self._limits = limits
        self._make_advisor = bench
        self._asks_always = asks_always

    def run(self, recording: EvalCase, dollars: float | None = None) -> EvalResult:
        """Evaluate one case. `dollars` is the maximum cost, instead of the one in the settings."""
        case, started_at = recording.case, self._clock.now()
        rules = self._apply_rules(case)
        if self._make_advisor is None or not (
            self._asks_always or should_ask_llm(case.alert, rules, self._analysis)
        ):
            return EvalResult(rules, rules, is_model_asked=False, seconds=self._clock.now() - started_at)
        clock = RecordedClock(self._clock, case.time)
        llm_advisor, budget = self._make_advisor(recording, clock, _without_reuse(self._analysis, dollars))
        error: HemoStatError | None = None
        try:
            verdict = llm_advisor.consult(_make_event(case), rules, clock.now())
        except HemoStatError as failed:
            verdict, error = fall_back_to_rules(rules, failed.message), failed
        return EvalResult(
            rules,
            verdict,
            is_model_asked=True,
            seconds=self._clock.now() - started_at,
            cost=sum(each.cost for each in budget.read()[1]),
            error=error,
            is_over_budget=isinstance(error, AdviceError) and bool(llm_advisor.notice(clock.now())),
        )

    def build_prompt(self, recording: EvalCase) -> str:
        """Return the first message that a model would receive."""
        case, analysis = recording.case, self._analysis
        evidence = prompt.build_sections(case, logs=analysis.send_logs, emails=analysis.redact_emails)
        turn = prompt.build_first_message(
            case, self._apply_rules(case), list_choices(case.alert, self._limits), evidence
        )
        return f"{prompt.SYSTEM_PROMPT}\n{turn}"

    def _apply_rules(self, case: EvidenceCase) -> Verdict:
        verdict = diagnose(case.alert)
        if not should_load_precedents(case.alert, verdict):
            return verdict
        verdict = apply_precedents(case.alert, verdict, case.past, self._limits, host=case.host)
        return replace_tried_action(case.alert, verdict, case.past, case.incident)


def _without_reuse(analysis: AnalyzerSettings, dollars: float | None) -> AnalyzerSettings:
    """Return settings under which no eval case reuses earlier advice."""
    cost = analysis.cost_per_hour if dollars is None else dollars
    return msgspec.structs.replace(analysis, reuse=0.0, cost_per_hour=cost)


def _make_event(case: EvidenceCase) -> Event:
    return Event.make(case.alert, time=case.time, host=case.host, source="recording", incident=case.incident)
