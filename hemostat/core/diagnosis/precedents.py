"""What an incident's past says about what to do now, and whether a model is to be asked at all."""

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
"""Kinds whose remedy has no other to give way to."""

PROVEN_CAUSES: Final = frozenset({Cause.CHECK_CANNOT_RUN, Cause.UNREACHABLE})
"""Causes that the evidence proves."""


def should_load_precedents(alert: HealthAlert, verdict: Verdict) -> bool:
    """Whether the past is worth looking up."""
    if verdict.action is None or verdict.action is Action.NONE or alert.kind in SINGLE_REMEDY_KINDS:
        return False
    return alert.occurrence > 1 or find_next_rung(verdict.action, alert.kind) is not Action.NONE


def apply_precedents(
    alert: HealthAlert, verdict: Verdict, past: Sequence[Precedent], limits: ResponderSettings, *, host: str
) -> Verdict:
    """The verdict, or the next rung of its ladder where that is what helped this container before: the first
    rung failed the last time it was tried, and the next one healed since; or it failed twice. Others of its
    image, or of its name on another host, may be quite another thing, and are for a model to judge."""
    if verdict.action is None or verdict.action is Action.NONE:
        return verdict
    other = find_next_rung(verdict.action, alert.kind)
    if other is None or other is Action.NONE or refuse_forbidden(alert.container, other, limits) is not None:
        return verdict
    own = [each for each in past if (each.host, each.container) == (host, alert.container.name)]
    tried = [each for each in own if each.action is verdict.action]
    if not tried or tried[-1].outcome is not Outcome.FAILED:
        return verdict
    healed = any(
        each.action is other and each.outcome is Outcome.HEALED and each.time >= tried[-1].time
        for each in own
    )
    twice = len(tried) > 1 and tried[-2].outcome is Outcome.FAILED
    if not healed and not twice:
        return verdict
    why = f"{other} healed it" if healed else "and the time before"
    reasons = (*verdict.diagnosis.reasons, f"{verdict.action} did not help the last time, {why}")
    return Verdict(other, msgspec.structs.replace(verdict.diagnosis, reasons=reasons))


def replace_tried_action(
    alert: HealthAlert, verdict: Verdict, past: Sequence[Precedent], incident: str
) -> Verdict:
    """The verdict, or the next rung of its ladder where its action was tried against this very incident:
    whatever it did, the failure has come back."""
    if verdict.action is None:
        return verdict
    tried = [(each.action, each.outcome) for each in past if each.incident == incident]
    action = find_next_untried(verdict.action, alert.kind, tried)
    if action is verdict.action:
        return verdict
    reasons = (*verdict.diagnosis.reasons, f"{verdict.action} was tried, and it has come back")
    return Verdict(action, msgspec.structs.replace(verdict.diagnosis, reasons=reasons))


def should_ask_llm(alert: HealthAlert, verdict: Verdict, analysis: AnalyzerSettings) -> bool:
    """Whether a model is worth asking: not where the failure is known to come from elsewhere."""
    if alert.root or verdict.diagnosis.cause in PROVEN_CAUSES:
        return False
    return alert.kind in analysis.ask or verdict.diagnosis.confidence < analysis.ask_below
