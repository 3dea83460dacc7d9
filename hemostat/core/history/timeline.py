"""The timeline of an incident: what happened when, how long each step took, and why. Pure.

Screens, `explain` and exports all show this timeline. The action and its verification have no events of their
own. They are derived from the durations in the outcome.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from hemostat.core.evidence.snapshot import EvidenceSnapshot
from hemostat.core.history.incident_log import (
    SETTLED_STATUSES,
    IncidentLog,
    compute_status_after,
    format_event_line,
)
from hemostat.core.llm.validate import FALSE_ALARM
from hemostat.core.units import show_duration
from hemostat.events import (
    Action,
    Container,
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
        """Seconds from the failure to its end; None while the incident is open."""
        settled = self.steps and self.status in SETTLED_STATUSES
        return max(0.0, _find_settled_end(self.steps) - self.began) if settled else None

    @property
    def diagnosis(self) -> Diagnosis | None:
        found = (get_diagnosis(each.event) for each in reversed(self.steps))
        return next((each for each in found if each is not None), None)


def build_timeline(story: IncidentLog) -> IncidentTimeline:
    """The timeline of an incident. An event that was delivered twice, as deferred events are, appears
    once."""
    steps: list[TimelineStep] = []
    before, statuses = story.since, _compute_statuses(story)
    for stage, time, text, event in sorted(_list_entries(story), key=lambda told: told[1]):
        if steps and steps[-1].stage in _STAGE_STATUSES and isinstance(event.data, HealthAlert):
            # The verification is still checking whether the incident has ended.
            status = steps[-1].status
        else:
            status = _STAGE_STATUSES.get(stage) or statuses[event.id]
        after = max(0.0, time - before)
        steps.append(TimelineStep(stage=stage, time=time, after=after, text=text, status=status, event=event))
        before = time
    return IncidentTimeline(
        incident=story.incident,
        host=story.host,
        container=story.container,
        kind=story.kind,
        began=story.since,
        steps=tuple(steps),
    )


def truncate_at_step(whole: IncidentTimeline, step: int) -> IncidentTimeline:
    """The timeline as it was known at that step, counted from 0."""
    return msgspec.structs.replace(whole, steps=whole.steps[: step + 1])


def select_known_snapshots(kept: Iterable[EvidenceSnapshot], step: TimelineStep) -> list[EvidenceSnapshot]:
    """The evidence snapshots that existed at that step."""
    return [each for each in kept if each.time <= step.time + SLACK_SECONDS]


def measure_spans(told: IncidentTimeline) -> dict[str, float]:
    """Seconds that the last occurrence took, by what they were spent on. Steps after its end are left out."""
    steps = find_last_occurrence(told)
    found: dict[str, float] = {}
    before = steps[0].event.data.since if steps and isinstance(steps[0].event.data, HealthAlert) else None
    for step in steps:
        spent = SPAN_NAMES[step.stage]
        if before is not None:
            found[spent] = found.get(spent, 0.0) + max(0.0, step.time - before)
        before = step.time
        if step.status in SETTLED_STATUSES:
            break
    return found


def find_last_occurrence(told: IncidentTimeline) -> Sequence[TimelineStep]:
    """The steps since the last alert."""
    raised = [number for number, step in enumerate(told.steps) if step.stage is TimelineStage.ALERT]
    return told.steps[raised[-1] :] if raised else told.steps


def get_diagnosis(event: Event) -> Diagnosis | None:
    match event.data:
        case RemediationNeeded(diagnosis=made) | FalseAlarm(diagnosis=made):
            return made
        case RemediationComplete(diagnosis=made):
            return made
    return None


def explain_diagnosis(made: Diagnosis) -> Iterator[tuple[str, str]]:
    """A diagnosis in full, as pairs of label and text."""
    yield "diagnosis", _format_conclusion(made)
    yield from (("because", reason) for reason in made.reasons)
    looked = made.investigation
    if looked is None:
        return
    yield "roots", ", ".join(looked.roots) or "none named"
    yield from (("quoted", f"{quote.source}: {quote.text}") for quote in looked.quotes)
    yield from (("expected", text) for text in filter(None, (looked.expect,)))
    yield from (("alternative", text) for text in filter(None, (looked.alternative,)))
    yield from (("inspected", step) for step in looked.steps)
    again = ", reused from an identical incident" if looked.reused else ""
    yield "took", f"{looked.seconds:.1f} s, {looked.tokens} tokens, ${looked.cost:.4f}{again}"


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


def _compute_statuses(story: IncidentLog) -> dict[str, str]:
    """The incident's status after each of its events, by event id."""
    status, found = "", dict[str, str]()
    for event in sorted({each.id: each for each in story.steps}.values(), key=lambda each: each.time):
        status = found[event.id] = compute_status_after(event, status)
    return found


_STAGE_STATUSES: Final = {TimelineStage.ACTION: "acting", TimelineStage.VERIFICATION: "verifying"}


def _list_entries(story: IncidentLog) -> Iterator[tuple[TimelineStage, float, str, Event]]:
    asked = story.since
    for event in {each.id: each for each in story.steps}.values():
        asked = event.time if isinstance(event.data, RemediationNeeded) else asked
        for stage, time, text in _describe_event(event, asked):
            yield stage, time, text, event


def _describe_event(event: Event, asked: float) -> Iterator[tuple[TimelineStage, float, str]]:
    """The steps of an event. `asked` is when the action was requested, before which it cannot have
    started."""
    match event.data:
        case HealthAlert(phase=phase):
            yield (
                (TimelineStage.OUTCOME if phase is Phase.CLEARED else TimelineStage.ALERT),
                event.time,
                format_event_line(event),
            )
        case RemediationNeeded() as needed:
            yield TimelineStage.DIAGNOSIS, event.time, _format_conclusion(needed.diagnosis)
            yield TimelineStage.DECISION, event.time, _format_request(needed)
        case FalseAlarm(diagnosis=made):
            yield TimelineStage.DIAGNOSIS, event.time, _format_conclusion(made)
            yield TimelineStage.DECISION, event.time, format_action(None)
        case RemediationComplete() as done:
            yield from _describe_action(done, event.time, asked)
            ended = done.outcome in {Outcome.HEALED, Outcome.FAILED}
            yield (
                (TimelineStage.OUTCOME if ended else TimelineStage.DECISION),
                event.time,
                format_event_line(event),
            )
        case _:  # events of people
            yield TimelineStage.DECISION, event.time, format_event_line(event)


def _format_conclusion(made: Diagnosis) -> str:
    return f"{made.cause}, confidence {made.confidence:.2f}, by {made.advisor}"


def _format_request(asked: RemediationNeeded) -> str:
    if asked.action is Action.NONE:
        return f"none, it waits for {asked.alert.root}" if asked.alert.root else "none, escalated"
    how = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in asked.parameters.items())
    return f"{asked.action}: {how}" if how else str(asked.action)


def _describe_action(
    done: RemediationComplete, end: float, asked: float
) -> Iterator[tuple[TimelineStage, float, str]]:
    act, verify = done.durations.get("act"), done.durations.get("verify", 0.0)
    if act is None or done.outcome not in {Outcome.HEALED, Outcome.FAILED}:
        return
    again = f", rung {done.rung + 1} of the ladder" if done.rung else ""
    yield TimelineStage.ACTION, max(asked, end - verify - act), f"{done.action}{again}"
    if done.reason is not Reason.ENGINE_ERROR:
        yield (
            TimelineStage.VERIFICATION,
            max(asked, end - verify),
            f"{_format_state(done.before)} -> {_format_state(done.after)}",
        )


def _format_state(state: State | None) -> str:
    if state is None:
        return "unknown"
    ended = f" with {state.exit_code}" if state.status in {"exited", "dead"} else ""
    return f"{state.status}{ended}" + (f", {state.health}" if state.health else "")


def format_spans(told: IncidentTimeline) -> str:
    """`detected 18 ms, diagnosed 4 ms, decided 6 ms, acted 310 ms, verified 2 s`."""
    return ", ".join(f"{spent} {show_duration(seconds)}" for spent, seconds in measure_spans(told).items())
