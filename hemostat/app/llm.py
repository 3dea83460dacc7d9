"""The model that is asked, and the terms on which it is."""

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
    from hemostat.agents.analyzer import Terms
    from hemostat.agents.analyzer.evaluation import Bench, Trial
    from hemostat.core.diagnosis.case import Recording
    from hemostat.core.settings.analyzer import Analysis


def advisor(settings: Settings, environ: Mapping[str, str]) -> Advisor | None:
    """The model that is asked; None: the rules decide alone. Raises ConfigError where one is asked for and
    its key or name is missing."""
    from hemostat.adapters.llm import choose, make

    vendor = choose(settings.analyzer, environ, settings.api_key)
    return make(vendor, settings.analyzer, environ, settings.api_key) if vendor else None


def terms_of(settings: Settings, model: Advisor) -> "Terms":
    from hemostat.adapters.llm import prices
    from hemostat.adapters.llm.conclusion import read
    from hemostat.agents.analyzer import Terms

    return Terms(
        settings.analyzer, settings.responder, prices(settings.analyzer, model), read, settings.trust
    )


@contextmanager
def open_trial(settings: Settings, *, always: bool) -> Iterator["Trial"]:
    """Analyses recordings with the advisor of the settings, in memory. `always`: it is asked of every one.
    Raises ConfigError where its key or name is missing."""
    from hemostat.agents.analyzer.evaluation import Trial

    clock = SystemClock(threading.Event())
    model = advisor(settings, os.environ)
    if model is None:
        yield Trial(clock, settings.analyzer, settings.responder)
        return
    try:
        bench = _bench(model, terms_of(settings, model))
        yield Trial(clock, settings.analyzer, settings.responder, bench, name=model.name, always=always)
    finally:
        model.close()


def _bench(model: Advisor, terms: "Terms") -> "Callable[[Recording, Clock, Analysis], Bench]":
    from hemostat.adapters.in_memory.precedents import MemoryCasebook, MemoryPurse
    from hemostat.agents.analyzer import Consultant, RecordedWitness
    from hemostat.agents.analyzer.evaluation import Bench

    def bench(recording: "Recording", clock: Clock, analysis: "Analysis") -> "Bench":
        witness, casebook, purse = RecordedWitness(recording), MemoryCasebook(clock), MemoryPurse()
        own = terms._replace(analysis=analysis)
        consultant = Consultant(model, witness, casebook, purse, clock, own, source="trial")
        return Bench(consultant, purse)

    return bench
