"""The language model of the settings, and the terms of its use."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hemostat.adapters.system_clock import SystemClock
from hemostat.config import Settings
from hemostat.ports import (
    Advisor,
    Clock,
)

if TYPE_CHECKING:
    from hemostat.agents.analyzer import AdvisorTerms
    from hemostat.agents.analyzer.evaluation import EvalAdvisor, EvalRun
    from hemostat.core.diagnosis.case import EvalCase
    from hemostat.core.settings.analyzer import AnalyzerSettings


def make_advisor(settings: Settings, environ: Mapping[str, str]) -> Advisor | None:
    """Return the language model; None: the rules decide alone. Raises ConfigError where a model is configured
    and its key or name is missing."""
    from hemostat.adapters.llm import choose_vendor, create_advisor

    vendor = choose_vendor(settings.analyzer, environ, settings.api_key)
    return create_advisor(vendor, settings.analyzer, environ, settings.api_key) if vendor else None


def make_terms(settings: Settings, model: Advisor) -> "AdvisorTerms":
    from hemostat.adapters.llm import find_prices
    from hemostat.adapters.llm.conclusion import read_conclusion
    from hemostat.agents.analyzer import AdvisorTerms

    return AdvisorTerms(
        settings.analyzer,
        settings.responder,
        find_prices(settings.analyzer, model),
        read_conclusion,
        settings.trust,
    )


@contextmanager
def open_eval_run(settings: Settings, *, asks_always: bool) -> Iterator["EvalRun"]:
    """Yield an evaluation of eval cases with the advisor of the settings, in memory. `asks_always`: ask it
    about every case. Raises ConfigError where its key or name is missing."""
    from hemostat.agents.analyzer.evaluation import EvalRun

    clock = SystemClock(threading.Event())
    model = make_advisor(settings, os.environ)
    if model is None:
        yield EvalRun(clock, settings.analyzer, settings.responder)
        return
    try:
        bench = _make_bench(model, make_terms(settings, model))
        yield EvalRun(
            clock, settings.analyzer, settings.responder, bench, name=model.name, asks_always=asks_always
        )
    finally:
        model.close()


def _make_bench(
    model: Advisor, terms: "AdvisorTerms"
) -> "Callable[[EvalCase, Clock, AnalyzerSettings], EvalAdvisor]":
    from hemostat.adapters.in_memory.precedents import InMemoryLlmBudget, InMemoryPrecedents
    from hemostat.agents.analyzer import LlmAdvisor, RecordedEvidenceSource
    from hemostat.agents.analyzer.evaluation import EvalAdvisor

    def bench(recording: "EvalCase", clock: Clock, analysis: "AnalyzerSettings") -> "EvalAdvisor":
        evidence_source, precedents, budget = (
            RecordedEvidenceSource(recording),
            InMemoryPrecedents(clock),
            InMemoryLlmBudget(),
        )
        own = terms._replace(analysis=analysis)
        advisor = LlmAdvisor(model, evidence_source, precedents, budget, clock, own, source="trial")
        return EvalAdvisor(advisor, budget)

    return bench
