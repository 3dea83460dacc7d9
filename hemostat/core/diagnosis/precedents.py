"""Precedents: how earlier remediations change the present action, and whether to ask a model."""

from collections.abc import Sequence
from typing import Final

import msgspec

from hemostat.core.diagnosis.case import Precedent
from hemostat.core.diagnosis.causes import Cause
from hemostat.core.diagnosis.rules import Verdict
from hemostat.core.remediation.ladder import find_next_rung, find_next_untried
from hemostat.core.remediation.policy import refuse_forbidden
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, HealthAlert, Kind, Outcome

SINGLE_REMEDY_KINDS: Final = frozenset({Kind.EXITED, Kind.CRASH_LOOP, Kind.STORM})
"""Kinds with one remedy, to which no precedent offers an alternative."""

PROVEN_CAUSES: Final = frozenset({Cause.CHECK_CANNOT_RUN, Cause.UNREACHABLE})
"""Causes that the evidence proves."""


def should_load_precedents(alert: HealthAlert, verdict: Verdict) -> bool:
    """Whether earlier remediations could change the action."""
    if verdict.action is None or verdict.action is Action.NONE or alert.kind in SINGLE_REMEDY_KINDS:
        return False
    return alert.occurrence > 1 or find_next_rung(verdict.action, alert.kind) is not Action.NONE


def apply_precedents(
    alert: HealthAlert,
    verdict: Verdict,
    precedents: Sequence[Precedent],
    limits: ResponderSettings,
    *,
    host: str,
) -> Verdict:
    """The verdict, or the next rung of its ladder if precedents of this container favour that rung: the first
    rung failed the last time, and the next one has healed since, or the first rung failed twice. Containers
    of the same image, or of the same name on another host, may differ, so only a model considers their
    precedents."""
    if verdict.action is None or verdict.action is Action.NONE:
        return verdict
    next_action = find_next_rung(verdict.action, alert.kind)
    if (
        next_action is None
        or next_action is Action.NONE
        or refuse_forbidden(alert.container, next_action, limits, kind=alert.kind) is not None
    ):
        return verdict
    own = [each for each in precedents if (each.host, each.container) == (host, alert.container.name)]
    attempts = [each for each in own if each.action is verdict.action]
    if not attempts or attempts[-1].outcome is not Outcome.FAILED:
        return verdict
    healed = any(
        each.action is next_action and each.outcome is Outcome.HEALED and each.time >= attempts[-1].time
        for each in own
    )
    twice = len(attempts) > 1 and attempts[-2].outcome is Outcome.FAILED
    if not healed and not twice:
        return verdict
    why = f"{next_action} healed it" if healed else "and the time before that"
    reasons = (*verdict.diagnosis.reasons, f"{verdict.action} did not help the last time, {why}")
    return Verdict(next_action, msgspec.structs.replace(verdict.diagnosis, reasons=reasons))


def replace_tried_action(
    alert: HealthAlert, verdict: Verdict, precedents: Sequence[Precedent], incident: str
) -> Verdict:
    """The verdict, or the next rung of its ladder if its action was tried against this incident: whatever
    that action did, the failure has returned."""
    if verdict.action is None:
        return verdict
    attempts = [(each.action, each.outcome) for each in precedents if each.incident == incident]
    action = find_next_untried(verdict.action, alert.kind, attempts)
    if action is verdict.action:
        return verdict
    reasons = (*verdict.diagnosis.reasons, f"the failure returned after {verdict.action}")
    return Verdict(action, msgspec.structs.replace(verdict.diagnosis, reasons=reasons))


def should_ask_llm(alert: HealthAlert, verdict: Verdict, analysis: AnalyzerSettings) -> bool:
    """Whether to ask a model. A failure with a known external cause needs none."""
    if alert.root or verdict.diagnosis.cause in PROVEN_CAUSES:
        return False
    return alert.kind in analysis.ask or verdict.diagnosis.confidence < analysis.ask_below
