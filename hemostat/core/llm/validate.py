"""Validates a model's advice: whether it is allowed, and whether its quotes occur in the evidence.

Advice never widens what may be done. The model chooses among the remedies of the alert's kind that the
responder's policy would allow. Its statements about other containers are reported and not acted on.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from hemostat.core.diagnosis.rules import Verdict
from hemostat.core.labels.definitions import CPU_MAX, EXEC, MEMORY_MAX
from hemostat.core.redact import redact
from hemostat.core.remediation import policy
from hemostat.core.settings.monitor import is_job
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.text import escape_controls
from hemostat.events import Action, Diagnosis, HealthAlert, Investigation, Kind, Quote

FALSE_ALARM: Final = "false_alarm"
DISMISSIBLE_KINDS: Final = frozenset({Kind.CPU_HIGH, Kind.CPU_THROTTLED, Kind.MEMORY_HIGH})
"""Kinds that may be no failure at all. A model cannot dismiss alerts of other kinds, such as a dead
container."""
REMEDIES: Final[Mapping[Kind, tuple[Action, ...]]] = {
    Kind.EXITED: (Action.RESTART,),
    Kind.OOM: (Action.RESTART, Action.SCALE),
    Kind.UNHEALTHY: (Action.RESTART, Action.EXEC),
    Kind.HUNG: (Action.RESTART, Action.EXEC),
    Kind.CPU_HIGH: (Action.RESTART, Action.SCALE),
    Kind.CPU_THROTTLED: (Action.SCALE,),
    Kind.MEMORY_HIGH: (Action.RESTART, Action.SCALE),
    Kind.MEMORY_LEAK: (Action.RESTART, Action.SCALE),
    Kind.DISK_HIGH: (Action.CLEANUP,),
    Kind.PIDS_HIGH: (Action.RESTART,),
    Kind.FD_HIGH: (Action.RESTART,),
}
"""The actions that can help against each kind. Other kinds are left to people."""
CPU_KINDS: Final = frozenset({Kind.CPU_HIGH, Kind.CPU_THROTTLED})
HOST_ROOT: Final = "host"
"""The root that stands for the host instead of a container."""
MAX_SENTENCE_CHARACTERS: Final = 300
"""Characters kept of a sentence from the model."""
MIN_QUOTE_CHARACTERS: Final = 3
"""Minimum characters of a quote. Shorter text occurs anywhere."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """`choice` is an action or FALSE_ALARM. The other fields are as in events.Diagnosis and Investigation."""

    cause: str
    summary: str
    confidence: float
    choice: str
    roots: tuple[str, ...] = ()
    quotes: tuple[Quote, ...] = ()
    expect: str = ""
    alternative: str = ""


def list_choices(alert: HealthAlert, limits: ResponderSettings) -> tuple[str, ...]:
    """The choices for this alert, as text: actions, always `none`, and for some kinds `false_alarm`."""
    dismiss = (FALSE_ALARM,) if alert.kind in DISMISSIBLE_KINDS and not alert.root else ()
    if alert.root or is_job(alert.container):
        return (str(Action.NONE), *dismiss)
    may = [action for action in REMEDIES.get(alert.kind, ()) if _may_choose(action, alert, limits)]
    return (*map(str, may), str(Action.NONE), *dismiss)


def _may_choose(action: Action, alert: HealthAlert, limits: ResponderSettings) -> bool:
    if policy.refuse_forbidden(alert.container, action, limits, kind=alert.kind) is not None:
        return False
    if action is Action.EXEC:
        return EXEC.name in alert.container.labels
    if action is Action.SCALE:
        cpu = alert.kind in CPU_KINDS
        ceiling = limits.scale_cpu_max if cpu else limits.scale_memory_max
        return bool(ceiling) or (CPU_MAX if cpu else MEMORY_MAX).name in alert.container.labels
    return True


def find_objections(
    advice: Advice,
    alert: HealthAlert,
    limits: ResponderSettings,
    evidence: Mapping[str, Sequence[str]],
    names: Sequence[str],
) -> list[str]:
    """The objections to the advice, in HemoStat's own words. The text of the advice is not repeated: an
    untrusted source may have written it, and the model would read it as HemoStat's. `evidence` is the
    evidence that the model saw, by source; `names` are the containers of the incident."""
    allowed = list_choices(alert, limits)
    objections = [] if advice.choice in allowed else [f"action must be one of: {', '.join(allowed)}"]
    objections += [
        f"evidence, number {number}: this is nowhere in what you were shown, word for word"
        for number, quote in enumerate(advice.quotes, 1)
        if _find_source(quote, evidence) is None
    ]
    known_names = {*names, *alert.downstream, alert.container.name, HOST_ROOT}
    if not known_names.issuperset(advice.roots):
        objections.append(f"roots must be among: {', '.join(sorted({*names, HOST_ROOT}))}")
    if not advice.quotes:
        objections.append("quote at least one piece of the evidence")
    return objections


def correct_quote_sources(advice: Advice, evidence: Mapping[str, Sequence[str]]) -> Advice:
    """The advice with the true source of each quote, because models confuse sources."""
    quotes = tuple(Quote(_find_source(each, evidence) or each.source, each.text) for each in advice.quotes)
    return msgspec.structs.replace(advice, quotes=quotes)


def _find_source(quote: Quote, evidence: Mapping[str, Sequence[str]]) -> str | None:
    """The source that contains the quote: the stated one if possible, else another; None without a match."""
    quoted_text = _normalize(quote.text)
    if len(quoted_text) < MIN_QUOTE_CHARACTERS:
        return None
    sources = [quote.source, *evidence] if quote.source in evidence else list(evidence)
    return next(
        (each for each in sources if any(quoted_text in _normalize(text) for text in evidence[each])), None
    )


def _normalize(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold()


def judge_advice(
    advice: Advice, alert: HealthAlert, rules: Verdict, investigation: Investigation, *, min_confidence: float
) -> Verdict:
    """The verdict from advice without objections."""
    foreign = advice.choice != Action.NONE and not any(
        is_own_evidence(each.source, alert) for each in advice.quotes
    )
    unsure = advice.confidence < min_confidence and advice.choice != Action.NONE
    own = {alert.container.name, *([HOST_ROOT] if alert.container.is_host else [])}
    elsewhere = advice.choice != FALSE_ALARM and bool(advice.roots) and own.isdisjoint(advice.roots)
    reasons = [sanitize_text(advice.summary)]
    action = None if advice.choice == FALSE_ALARM else Action(advice.choice)
    if unsure:
        reasons.append(f"{advice.choice} was advised, but the confidence {advice.confidence:.2f} is too low")
        action = Action.NONE
    elif foreign:
        reasons.append(f"{advice.choice} was advised only on evidence from another container")
        action = Action.NONE
    elif elsewhere and action not in {None, Action.NONE}:
        reasons.append(f"the root cause is {', '.join(map(sanitize_text, advice.roots))}: no action here")
        action = Action.NONE
    if action != rules.action:
        reasons.append(f"result of the rules: {rules.diagnosis.cause}, {_format_action(rules.action)}")
    diagnosis = Diagnosis(
        cause=advice.cause,
        confidence=advice.confidence,
        reasons=tuple(reasons),
        advisor=investigation.model,
        investigation=_fill_investigation(advice, investigation),
    )
    resource = "cpu" if alert.kind in CPU_KINDS else "memory"
    parameters: dict[str, float | str | bool] = {"resource": resource} if action is Action.SCALE else {}
    return Verdict(action, diagnosis, parameters)


def is_own_evidence(source: str, alert: HealthAlert) -> bool:
    """Whether the source is evidence about the alert's container. Evidence about another container justifies
    no action. `log` and `alert` come from the first message, `log web` from a tool."""
    _, _, container = source.partition(" ")
    return container in {"", alert.container.name}


def _fill_investigation(advice: Advice, investigation: Investigation) -> Investigation:
    return msgspec.structs.replace(
        investigation,
        roots=tuple(map(sanitize_text, advice.roots[:10])),
        quotes=tuple(
            Quote(sanitize_text(each.source), sanitize_text(each.text)) for each in advice.quotes[:8]
        ),
        expect=sanitize_text(advice.expect),
        alternative=sanitize_text(advice.alternative),
    )


def fall_back_to_rules(rules: Verdict, why: str) -> Verdict:
    """The rules' verdict, with the reason why the model gave no usable answer."""
    reasons = (*rules.diagnosis.reasons, f"by the rules: {sanitize_text(why)}")
    return msgspec.structs.replace(rules, diagnosis=msgspec.structs.replace(rules.diagnosis, reasons=reasons))


def _format_action(action: Action | None) -> str:
    return "false alarm" if action is None else "no action" if action is Action.NONE else str(action)


def sanitize_text(text: str) -> str:
    """Text of the model for publication: one line, bounded, with secrets masked."""
    text = escape_controls(redact(" ".join(text[: 4 * MAX_SENTENCE_CHARACTERS].split())))
    return text if len(text) <= MAX_SENTENCE_CHARACTERS else f"{text[:MAX_SENTENCE_CHARACTERS]}…"
