"""An analyzer with a scripted model, on one recorded incident."""

from collections.abc import Sequence

from hemostat.adapters.in_memory.evidence import InMemoryEvidence
from hemostat.adapters.in_memory.precedents import InMemoryLlmBudget, InMemoryPrecedents
from hemostat.agents.analyzer import AdvisorTerms, Analyzer, LlmAdvisor, RecordedEvidenceSource
from hemostat.core.diagnosis.case import EvalCase
from hemostat.events import (
    Event,
    Evidence,
    HealthAlert,
    Kind,
)
from hemostat.ports import RunInBackground
from tests.support.advisors import Reply, ScriptedAdvisor, recording, terms
from tests.support.clock import FakeClock
from tests.support.counted import Counted
from tests.support.samples import NOW, alert, event

BUSY = alert(
    kind=Kind.CPU_HIGH, window=10.0, evidence=(Evidence("cpu", 99.0, "%"), Evidence("received", 0.0, "B/s"))
)
PLAIN = terms()


class AnalyzerHarness:
    """An analyzer with a model, on one recorded incident."""

    def __init__(
        self, *replies: Reply, told: HealthAlert = BUSY, on: AdvisorTerms = PLAIN, **dossier
    ) -> None:
        self.clock = FakeClock(NOW)
        self.advisor = ScriptedAdvisor(*replies)
        self.purse = InMemoryLlmBudget()
        self.told = event(told)
        self.recording: EvalCase = recording(told, **dossier)
        self.counted = Counted()
        casebook = InMemoryPrecedents(self.clock)
        self.consultant = LlmAdvisor(
            self.advisor,
            RecordedEvidenceSource(self.recording),
            casebook,
            self.purse,
            self.clock,
            on,
            source="analyzer@1",
            count=self.counted,
        )
        self.analyzer = Analyzer(
            casebook,
            InMemoryEvidence(),
            self.clock,
            on.limits,
            source="analyzer@1",
            llm_advisor=self.consultant,
        )

    def step(self) -> Sequence[Event] | RunInBackground:
        return self.analyzer.step(self.told, self.clock.now())

    def answer(self):
        """Return the analyzer's conclusion. Background work runs here."""
        result = self.step()
        (told,) = result.work(self.clock.now()) if isinstance(result, RunInBackground) else result
        return told.data

    def why(self) -> str:
        return self.answer().diagnosis.reasons[-1]
