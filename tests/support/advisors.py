"""A model with scripted replies."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hemostat.adapters.llm.conclusion import read_conclusion
from hemostat.agents.analyzer import AdvisorTerms
from hemostat.core.diagnosis.case import EvalCase, EvidenceCase
from hemostat.core.evidence.snapshot import ContainerDetails, EvidenceSnapshot, MetricPoint
from hemostat.core.llm.cost_budget import Prices
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, HealthAlert, State
from hemostat.ports import ModelTurn, Tool, ToolCallRequest, Turn, Usage
from tests.support.samples import NOW

Reply = ModelTurn | Exception | Callable[[Sequence[Turn]], ModelTurn]

CONCLUSION: Mapping[str, Any] = {
    "cause": "runaway",
    "summary": "It spins in a retry loop.",
    "confidence": 0.9,
    "roots": ["web"],
    "evidence": [{"source": "log", "quote": "retrying at once"}],
    "action": "restart",
    "expected_effect": "CPU falls below 10 %",
    "alternative": "a burst of requests",
}


def calling(name: str, arguments: Mapping[str, Any] = {}, **more: Any) -> ModelTurn:
    call = ToolCallRequest(id=f"call-{name}", name=name, arguments={**arguments, **more})
    return ModelTurn(calls=(call,), usage=Usage(sent=1000, received=100))


def concluding(**changes: Any) -> ModelTurn:
    return calling("conclude", CONCLUSION, **changes)


class ScriptedAdvisor:
    """Gives its replies in order, the last one repeatedly. Records the requests."""

    name = "test:model"

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[list[Turn]] = []
        self.tools: list[Sequence[Tool]] = []
        self.must_call: list[str | None] = []

    def request_turn(
        self,
        system: str,
        conversation: Sequence[Turn],
        tools: Sequence[Tool],
        *,
        must_call: str | None,
        max_tokens: int,
        timeout: float,
    ) -> ModelTurn:
        self.asked.append(list(conversation))
        self.tools.append(tools)
        self.must_call.append(must_call)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply(conversation) if callable(reply) else reply

    def probe(self, timeout: float) -> None:
        pass

    def close(self) -> None:
        pass

    def seen(self) -> str:
        """All text that was sent to it."""
        return "\n".join(str(turn) for conversation in self.asked for turn in conversation)


def terms(
    limits: ResponderSettings | None = None, prices: Prices | None = None, **analysis: Any
) -> AdvisorTerms:
    return AdvisorTerms(
        AnalyzerSettings(**analysis), limits or ResponderSettings(), prices or Prices(), read_conclusion
    )


def dossier(told: HealthAlert, **changes: Any) -> EvidenceSnapshot:
    plain: dict[str, Any] = {
        "state": State(status="running", started_at=NOW - 600),
        "log": "started\nconnection refused, retrying at once\nconnection refused, retrying at once",
        "processes": ("web --serve",),
        "details": ContainerDetails(command=("web", "--serve"), environment={"MODE": "live"}),
        "samples": (MetricPoint(NOW - 60, 99.0, 1 << 20), MetricPoint(NOW, 98.0, 1 << 20)),
    }
    about = {"time": NOW, "container": told.container, "kind": told.kind, "action": Action.NONE}
    return EvidenceSnapshot(**{**about, **plain, **changes})


def recording(told: HealthAlert, **changes: Any) -> EvalCase:
    kept = dossier(told, **changes)
    case = EvidenceCase(host="h", incident="i1", time=NOW, alert=told, dossier=kept)
    return EvalCase(case=case)
