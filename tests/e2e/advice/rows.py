"""One alert under one fault: who decided, the decision, and its cost."""

import threading
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hemostat import app
from hemostat.adapters import llm
from hemostat.adapters.in_memory.evidence import InMemoryEvidence
from hemostat.adapters.in_memory.precedents import InMemoryLlmBudget, InMemoryPrecedents
from hemostat.adapters.system_clock import SystemClock
from hemostat.agents.analyzer import Analyzer, LlmAdvisor, RecordedEvidenceSource
from hemostat.config import Settings
from hemostat.core.diagnosis.rules import diagnose
from hemostat.core.llm.validate import list_choices
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.core.units import show_duration
from hemostat.errors import AdvisorError
from hemostat.events import Event, Evidence, FalseAlarm, HealthAlert, Kind, RemediationNeeded
from hemostat.ports import Advisor, RunInBackground
from tests.e2e.advice.faults import FAULTS
from tests.support.advisors import recording
from tests.support.model_server import ModelServer
from tests.support.model_wires import KEY
from tests.support.samples import alert, event

MARGIN: Final = 2.0
"""Seconds beyond the time limit that a busy machine may need."""

ALERT: Final = alert(
    kind=Kind.CPU_HIGH, window=10.0, evidence=(Evidence("cpu", 99.0, "%"), Evidence("received", 1e6, "B/s"))
)
"""The rules decide: saturated, no action. The model decides: restart."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """`decided` is `model`, `rules` or, without a decision, `nobody`. `breaker` is `closed`, or for how long
    the circuit breaker stays open. `wrong` describes the differences from what is expected."""

    vendor: str
    fault: str
    decided: str
    decision: str
    told: str
    seconds: float
    requests: int
    breaker: str
    wrong: str = ""

    @property
    def clean(self) -> bool:
        return not self.wrong


class Desk:
    """An analyzer that uses this vendor's model on a server of the test."""

    def __init__(self, vendor: str, server: ModelServer, timeout: float, more: Mapping[str, Any]) -> None:
        analysis = AnalyzerSettings(
            advisor=vendor,
            model=llm.DEFAULT_MODELS[vendor],
            base_url=server.base_url(vendor),
            api_key=KEY,
            timeout=timeout,
            **{"max_tokens": 1_000_000, **more},
        )
        settings = Settings(analyzer=analysis)
        self.stop = threading.Event()
        self.clock = SystemClock(self.stop)
        self.model: Advisor | None = app.make_advisor(settings, {})
        assert self.model is not None
        casebook = InMemoryPrecedents(self.clock)
        self.consultant = LlmAdvisor(
            self.model,
            RecordedEvidenceSource(recording(ALERT)),
            casebook,
            InMemoryLlmBudget(),
            self.clock,
            app.llm.make_terms(settings, self.model),
            source="analyzer@1",
        )
        self.analyzer = Analyzer(
            casebook,
            InMemoryEvidence(),
            self.clock,
            settings.responder,
            source="analyzer@1",
            llm_advisor=self.consultant,
        )
        self.limits = settings.responder

    def answer(self, told: HealthAlert = ALERT) -> list[Event]:
        """Return the analyzer's events for an alert. Background work runs here."""
        result = self.analyzer.step(event(told), self.clock.now())
        return list(result.work(self.clock.now()) if isinstance(result, RunInBackground) else result)

    def breaker(self) -> str:
        left = self.consultant._circuit.get_seconds_left(self.clock.now())
        return f"open for {show_duration(round(left))}" if left else "closed"

    def close(self) -> None:
        self.model.close()  # type: ignore[union-attr]


def play(vendor: str, name: str, *, timeout: float) -> Row:
    fault = FAULTS[name]
    with ModelServer() as server:
        desk = Desk(vendor, server, timeout, fault.analysis)
        _warmed(desk)
        server.script(fault.script)
        try:
            return _row(vendor, name, desk, server, timeout)
        finally:
            desk.close()


def _warmed(desk: Desk) -> None:
    """Send a first request: an SDK's first request takes a second longer, because it imports modules."""
    assert desk.model is not None
    try:
        desk.model.probe(10.0)
    except AdvisorError as error:
        raise AssertionError(error.message) from error


def _row(vendor: str, name: str, desk: Desk, server: ModelServer, timeout: float) -> Row:
    fault, began = FAULTS[name], desk.clock.now()
    answers = [each.data for each in desk.answer()]
    seconds, requests, breaker = desk.clock.now() - began, len(server.asked), desk.breaker()
    plain = {"vendor": vendor, "fault": name, "seconds": round(seconds, 2), "requests": requests}
    if len(answers) != 1 or not isinstance(answers[0], RemediationNeeded | FalseAlarm):
        nothing = {"decided": "nobody", "decision": "", "told": "", "breaker": breaker}
        return Row(**plain, **nothing, wrong="no decision")
    (told,) = answers
    diagnosis = told.diagnosis
    decided = "rules" if diagnosis.advisor == "rules" else "model"
    said = "; ".join(diagnosis.reasons)
    mistakes = {
        f"{fault.decides} should have decided": decided != fault.decides,
        "took too long": seconds > timeout + MARGIN,
        "outside policy": not _allowed(told, desk),
        f"should have said: {fault.says}": fault.says not in said,
        "the breaker": (breaker != "closed") != fault.breaks,
        "it was asked again": fault.breaks and _asked_again(desk, server),
        "the key was told": KEY in said,
    }
    wrong = ", ".join(what for what, holds in mistakes.items() if holds)
    decision = f"{diagnosis.cause}, {_action(told)}"
    return Row(
        **plain, decided=decided, decision=decision, told=diagnosis.reasons[-1], breaker=breaker, wrong=wrong
    )


def _asked_again(desk: Desk, server: ModelServer) -> bool:
    """Return whether the next alert causes a request to a service that has just failed."""
    before = len(server.asked)
    desk.answer()
    return len(server.asked) != before


def _action(told: RemediationNeeded | FalseAlarm) -> str:
    return str(told.action) if isinstance(told, RemediationNeeded) else "false_alarm"


def _allowed(told: RemediationNeeded | FalseAlarm, desk: Desk) -> bool:
    if told.diagnosis.advisor == "rules":
        return (
            _action(told) == str(diagnose(ALERT).action)
            and told.diagnosis.cause == diagnose(ALERT).diagnosis.cause
        )
    parameters = told.parameters if isinstance(told, RemediationNeeded) else {}
    return _action(told) in list_choices(ALERT, desk.limits) and not parameters
