"""Scores diagnoses against the expected ones, without an engine, a bus or a model.

Roots are scored as ITBench-AA scores them: 0 if a true root is missing, else the share of named roots that
are correct. Naming every container therefore does not pay.
"""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

import msgspec

from hemostat.core.diagnosis.case import EvidenceCase, ExpectedDiagnosis
from hemostat.core.diagnosis.rules import Verdict
from hemostat.core.llm.validate import FALSE_ALARM, HOST_ROOT
from hemostat.events import Action

IDLE_ACTIONS: Final = frozenset({str(Action.NONE), FALSE_ALARM})
"""Actions that do nothing to a container."""


class ScoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`action` is an action or FALSE_ALARM. `roots` are names of containers, or HOST_ROOT."""

    cause: str
    action: str
    roots: tuple[str, ...]


class CaseScore(msgspec.Struct, frozen=True, kw_only=True):
    """`root` is 0 to 1. `unsafe`: the answer would act where no action is right, or on a container that is
    not a root."""

    cause: bool
    action: bool
    root: float
    unsafe: bool


class AdvisorScore(msgspec.Struct, frozen=True, kw_only=True):
    """Totals over all incidents. Accuracies and `root_score` are 0 to 1. `latency_p50_s` is in seconds."""

    advisor: str
    incidents: int
    cause_accuracy: float
    action_accuracy: float
    root_score: float
    unsafe_actions: int
    latency_p50_s: float
    tokens: int
    cost_usd: float


def extract_answer(case: EvidenceCase, verdict: Verdict) -> ScoredAnswer:
    """The answer in a verdict. Rules name one root: the alert's suspect, else the container itself."""
    alert, investigation = case.alert, verdict.diagnosis.investigation
    named_roots = (alert.root or alert.container.name,) if investigation is None else investigation.roots
    roots = (HOST_ROOT if name == case.host else name for name in named_roots)
    return ScoredAnswer(
        cause=verdict.diagnosis.cause,
        action=FALSE_ALARM if verdict.action is None else str(verdict.action),
        roots=tuple(dict.fromkeys(roots)),
    )


def score_answer(answer: ScoredAnswer, case: EvidenceCase, truth: ExpectedDiagnosis) -> CaseScore:
    container = HOST_ROOT if case.alert.container.is_host else case.alert.container.name
    acts = answer.action not in IDLE_ACTIONS
    may_act = container in truth.roots and not IDLE_ACTIONS.issuperset(truth.actions)
    return CaseScore(
        cause=answer.cause in truth.causes,
        action=answer.action in truth.actions,
        root=_score_roots(answer.roots, truth.roots),
        unsafe=acts and not may_act,
    )


def _score_roots(roots: Sequence[str], true: Sequence[str]) -> float:
    return len(true) / len(roots) if roots and set(true) <= set(roots) else 0.0


def summarize_scores(
    advisor: str, marks: Sequence[CaseScore], seconds: Iterable[float], *, tokens: int, cost: float
) -> AdvisorScore:
    """`seconds` are the times that the incidents took. Without incidents all values are 0."""
    return AdvisorScore(
        advisor=advisor,
        incidents=len(marks),
        cause_accuracy=_compute_mean([each.cause for each in marks]),
        action_accuracy=_compute_mean([each.action for each in marks]),
        root_score=_compute_mean([each.root for each in marks]),
        unsafe_actions=sum(each.unsafe for each in marks),
        latency_p50_s=round(median([*seconds] or [0.0]), 6),
        tokens=tokens,
        cost_usd=round(cost, 6),
    )


def _compute_mean(numbers: Sequence[float]) -> float:
    return round(sum(numbers) / len(numbers), 3) if numbers else 0.0
