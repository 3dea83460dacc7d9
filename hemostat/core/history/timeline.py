"""The timeline of an incident: what happened when, how long each step took, and why. Pure.

Screens, `explain` and exports all show this timeline. The action and its verification have no events of their
own. They are derived from the durations in the outcome.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final

import msgspec

from hemostat.core.evidence.snapshot import EvidenceSnapshot
from hemostat.core.history.healing_time import format_with_approval
from hemostat.core.history.identity import select_new
from hemostat.core.history.incident_log import (
    PENDING_STATUSES,
    SETTLED_STATUSES,
    IncidentLog,
    compute_status_after,
    is_incident_decision,
)
from hemostat.core.history.sentences import describe_proposal, format_event_line
from hemostat.core.llm.validate import FALSE_ALARM
from hemostat.core.units import show_duration
from hemostat.core.wording import ACTION_WORDS, describe_cause, describe_kind, describe_status
from hemostat.events import (
    Action,
    Container,
    Decided,
    Diagnosis,
    Event,
    FalseAlarm,
    HealthAlert,
    Kind,
    Outcome,
    Phase,
    Reason,
    RemediationComplete,
    RemediationNeeded,
    State,
    Word,
)

SLACK_SECONDS: Final = 0.05
"""Possible error of an action's time, in seconds, because the time is derived from rounded durations."""


class TimelineStage(StrEnum):
    ALERT = "alert"
    DIAGNOSIS = "diagnosis"
    DECISION = "decision"
    ACTION = "action"
    VERIFICATION = "verification"
    OUTCOME = "outcome"


SPAN_NAMES: Final = {
    TimelineStage.ALERT: "detected",
    TimelineStage.DIAGNOSIS: "diagnosed",
    TimelineStage.DECISION: "decided",
    TimelineStage.ACTION: "decided",
    TimelineStage.VERIFICATION: "acted",
    TimelineStage.OUTCOME: "verified",
}
"""What the time before each stage was spent on."""
APPROVAL_SPAN: Final = "waited for approval"
"""What the time after a request for approval was spent on, whatever stage follows."""


class TimelineStep(msgspec.Struct, frozen=True, kw_only=True):
    """`time` is epoch seconds. `after` is seconds since the step before, for the first step since the failure
    began. `status` is the incident's status from this step on, as in IncidentLog."""

    stage: TimelineStage
    time: float
    after: float
    text: str
    status: str
    event: Event


class IncidentTimeline(msgspec.Struct, frozen=True, kw_only=True):
    """One incident. `began` is when the failure began (epoch seconds), as far as known."""

    incident: str
    host: str
    container: Container
    kind: Kind
    began: float
    steps: tuple[TimelineStep, ...]

    @property
    def status(self) -> str:
        return self.steps[-1].status

    @property
    def seconds(self) -> float | None:
        """Seconds from the failure to its end; None while the incident is open. An order ends with its
        answer."""
        if not self.steps:
            return None
        if self.status in SETTLED_STATUSES:
            return max(0.0, _find_settled_end(self.steps) - self.began)
        is_answered = self.kind is Kind.ORDERED and self.status not in {*PENDING_STATUSES, "verifying"}
        return max(0.0, self.steps[-1].time - self.began) if is_answered else None

    @property
    def approval_seconds(self) -> float:
        """Seconds of waiting for people's approval."""
        return sum(later.after for step, later in pairwise(self.steps) if _asks_for_approval(step))

    @property
    def seconds_without_approval(self) -> float | None:
        """As `seconds`, without the wait for approval."""
        return None if self.seconds is None else max(0.0, self.seconds - self.approval_seconds)

    @property
    def diagnosis(self) -> Diagnosis | None:
        diagnoses = (get_diagnosis(each.event) for each in reversed(self.steps))
        return next((each for each in diagnoses if each is not None), None)


def build_timeline(incident_log: IncidentLog) -> IncidentTimeline:
    """The timeline of an incident. An event that was delivered twice, as deferred events are, appears
    once."""
    steps: list[TimelineStep] = []
    events = select_new({}, incident_log.steps)
    before, statuses = incident_log.since, _compute_statuses(events)
    entries = _list_entries(events, incident_log.since)
    for stage, time, text, key in sorted(entries, key=lambda entry: entry[1]):
        event = events[key]
        if steps and steps[-1].stage in _STAGE_STATUSES and isinstance(event.data, HealthAlert):
            # The verification is still checking whether the incident has ended.
            status = steps[-1].status
        else:
            status = _STAGE_STATUSES.get(stage) or statuses[key]
        after = max(0.0, time - before)
        steps.append(TimelineStep(stage=stage, time=time, after=after, text=text, status=status, event=event))
        before = time
    return IncidentTimeline(
        incident=incident_log.incident,
        host=incident_log.host,
        container=incident_log.container,
        kind=incident_log.kind,
        began=incident_log.since,
        steps=tuple(steps),
    )


def truncate_at_step(timeline: IncidentTimeline, step: int) -> IncidentTimeline:
    """The timeline as it was known at that step, counted from 0."""
    return msgspec.structs.replace(timeline, steps=timeline.steps[: step + 1])


def select_known_snapshots(
    snapshots: Iterable[EvidenceSnapshot], step: TimelineStep
) -> list[EvidenceSnapshot]:
    """The evidence snapshots that existed at that step."""
    return [each for each in snapshots if each.time <= step.time + SLACK_SECONDS]


def measure_spans(timeline: IncidentTimeline) -> dict[str, float]:
    """Seconds that the last occurrence took, by what they were spent on. Steps after its end, decisions of
    people about the incident and alerts during an action are left out."""
    steps = find_last_occurrence(timeline)
    spans: dict[str, float] = {}
    before = steps[0].event.data.since if steps and isinstance(steps[0].event.data, HealthAlert) else None
    during_action = _find_steps_during_actions(steps)
    for number, step in enumerate(steps):
        if is_incident_decision(step.event) or number in during_action:
            continue
        is_approval = number > 0 and _asks_for_approval(steps[number - 1])
        spent = APPROVAL_SPAN if is_approval else SPAN_NAMES[step.stage]
        if before is not None:
            spans[spent] = spans.get(spent, 0.0) + max(0.0, step.time - before)
        before = step.time
        if step.status in SETTLED_STATUSES:
            break
    return spans


def find_last_occurrence(timeline: IncidentTimeline) -> Sequence[TimelineStep]:
    """The steps since the last alert. An alert during an action belongs to the occurrence that the action is
    against."""
    during_action = _find_steps_during_actions(timeline.steps)
    raised = [
        number
        for number, step in enumerate(timeline.steps)
        if step.stage is TimelineStage.ALERT and number not in during_action
    ]
    return timeline.steps[raised[-1] :] if raised else timeline.steps


def _find_steps_during_actions(steps: Sequence[TimelineStep]) -> set[int]:
    """The positions of the steps that lie between an action and its outcome and belong to neither."""
    during_action: set[int] = set()
    attempt = ""
    for number, step in enumerate(steps):
        if step.stage in _STAGE_STATUSES:
            attempt = step.event.id
        elif step.event.id == attempt:
            attempt = ""
        elif attempt:
            during_action.add(number)
    return during_action


def _asks_for_approval(step: TimelineStep) -> bool:
    data = step.event.data
    return isinstance(data, RemediationComplete) and data.outcome is Outcome.AWAITING_APPROVAL


def get_diagnosis(event: Event) -> Diagnosis | None:
    match event.data:
        case RemediationNeeded(diagnosis=diagnosis) | FalseAlarm(diagnosis=diagnosis):
            return diagnosis
        case RemediationComplete(diagnosis=diagnosis):
            return diagnosis
    return None


def explain_diagnosis(diagnosis: Diagnosis, kind: Kind) -> Iterator[tuple[str, str]]:
    """A diagnosis of a failure of this kind in full, as pairs of label and text."""
    yield "diagnosis", _format_conclusion(diagnosis, kind)
    yield from (("because", reason) for reason in diagnosis.reasons)
    investigation = diagnosis.investigation
    if investigation is None:
        return
    yield "roots", ", ".join(investigation.roots) or "none named"
    yield from (("quoted", f"{quote.source}: {quote.text}") for quote in investigation.quotes)
    yield from (("expected", text) for text in filter(None, (investigation.expect,)))
    yield from (("alternative", text) for text in filter(None, (investigation.alternative,)))
    yield from (("inspected", step) for step in investigation.steps)
    again = ", reused from an identical incident" if investigation.reused else ""
    yield (
        "took",
        f"{investigation.seconds:.1f} s, {investigation.tokens} tokens, ${investigation.cost:.4f}{again}",
    )


def format_action(action: Action | None) -> str:
    """The action's name for people and programs."""
    return FALSE_ALARM if action is None else str(action)


# --- steps ----------------------------------------------------------------------------------------------


def _find_settled_end(steps: Sequence[TimelineStep]) -> float:
    """When the incident was finally settled. Later steps changed nothing."""
    end = steps[-1].time
    for step in reversed(steps):
        if step.status not in SETTLED_STATUSES:
            break
        end = step.time
    return end


def _compute_statuses(events: Mapping[str, Event]) -> dict[str, str]:
    """The incident's status after each of its events, by the events' keys."""
    status, statuses = "", dict[str, str]()
    for key, event in sorted(events.items(), key=lambda item: item[1].time):
        status = statuses[key] = compute_status_after(event, status)
    return statuses


_STAGE_STATUSES: Final = {TimelineStage.ACTION: "acting", TimelineStage.VERIFICATION: "verifying"}


def _list_entries(
    events: Mapping[str, Event], since: float
) -> Iterator[tuple[TimelineStage, float, str, str]]:
    """The steps' stages, times and texts, with the keys of their events."""
    last_request_at = since
    for key, event in events.items():
        last_request_at = event.time if isinstance(event.data, RemediationNeeded) else last_request_at
        # Another alert and its request may lie between a request and the outcome of its action.
        request = events.get(event.cause or "")
        requested_at = last_request_at if request is None else request.time
        for stage, time, text in _describe_event(event, requested_at):
            yield stage, time, text, key


def _describe_event(event: Event, requested_at: float) -> Iterator[tuple[TimelineStage, float, str]]:
    """The steps of an event. `requested_at` is when the action was requested, before which it cannot have
    started."""
    match event.data:
        case HealthAlert(phase=phase):
            yield (
                (TimelineStage.OUTCOME if phase is Phase.CLEARED else TimelineStage.ALERT),
                event.time,
                format_event_line(event),
            )
        case RemediationNeeded() as request:
            yield (
                TimelineStage.DIAGNOSIS,
                event.time,
                _format_conclusion(request.diagnosis, request.alert.kind),
            )
            yield TimelineStage.DECISION, event.time, _format_request(request)
        case FalseAlarm(diagnosis=diagnosis, alert=alert):
            yield TimelineStage.DIAGNOSIS, event.time, _format_conclusion(diagnosis, alert.kind)
            yield TimelineStage.DECISION, event.time, describe_status("false_alarm")
        case RemediationComplete() as completion:
            yield from _describe_action(completion, event.time, requested_at)
            is_final = completion.outcome in {Outcome.HEALED, Outcome.FAILED}
            yield (
                (TimelineStage.OUTCOME if is_final else TimelineStage.DECISION),
                event.time,
                format_event_line(event),
            )
        case Decided(what=Word.CLOSED):
            yield TimelineStage.OUTCOME, event.time, format_event_line(event)
        case _:  # events of people
            yield TimelineStage.DECISION, event.time, format_event_line(event)


def _format_conclusion(diagnosis: Diagnosis, kind: Kind) -> str:
    cause = describe_cause(diagnosis.cause, kind)
    return f"{cause}, confidence {diagnosis.confidence:.2f}, by {diagnosis.advisor}"


def _format_request(request: RemediationNeeded) -> str:
    proposal = describe_proposal(request)
    parameter_text = ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in request.parameters.items()
    )
    return f"{proposal} ({parameter_text})" if parameter_text else proposal


def _describe_action(
    completion: RemediationComplete, end: float, requested_at: float
) -> Iterator[tuple[TimelineStage, float, str]]:
    act, verify = completion.durations.get("act"), completion.durations.get("verify", 0.0)
    if act is None or completion.outcome not in {Outcome.HEALED, Outcome.FAILED}:
        return
    again = f", action no. {completion.rung + 1} against it" if completion.rung else ""
    doing = ACTION_WORDS[completion.action].doing
    yield TimelineStage.ACTION, max(requested_at, end - verify - act), f"{doing}{again}"
    if completion.reason is not Reason.ENGINE_ERROR:
        yield (
            TimelineStage.VERIFICATION,
            max(requested_at, end - verify),
            f"before: {_format_state(completion.before)}; now: {_format_state(completion.after)}",
        )


def _format_state(state: State | None) -> str:
    if state is None:
        return "unknown"
    exit_text = f" with code {state.exit_code}" if state.status in {"exited", "dead"} else ""
    return f"{state.status}{exit_text}" + (f", {state.health}" if state.health else "")


def format_head(timeline: IncidentTimeline) -> str:
    """The incident's id, container, failure and status."""
    what = f"{describe_kind(timeline.kind)}, {describe_status(timeline.status)}"
    return f"incident {timeline.incident}  {timeline.container.name}  {what}"


def format_length(timeline: IncidentTimeline, total: str = "") -> str:
    """How long the incident lasted, apart from the wait for approval; empty while it is open. `total` follows
    the time of an incident without such a wait."""
    if timeline.seconds is None:
        return ""
    seconds, approval = timeline.seconds_without_approval or 0.0, timeline.approval_seconds
    return format_with_approval(seconds, approval) + ("" if approval else total)


def format_spans(timeline: IncidentTimeline) -> str:
    """`detected 18 ms, diagnosed 4 ms, decided 6 ms, acted 310 ms, verified 2 s`."""
    return ", ".join(
        f"{spent} {show_duration(seconds)}" for spent, seconds in measure_spans(timeline).items()
    )
