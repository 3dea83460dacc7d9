"""Events as people read them: one line an event, one story an incident."""

from collections.abc import Iterable
from typing import Final

import msgspec

from hemostat.core.units import show_duration, show_size
from hemostat.events import (
    Action,
    Container,
    ContainerStats,
    Event,
    Evidence,
    FalseAlarm,
    HealthAlert,
    Heartbeat,
    Kind,
    Outcome,
    Phase,
    RemediationComplete,
    RemediationNeeded,
)

SETTLED: Final = frozenset({"healed", "false_alarm", "cleared"})
"""How an incident can stand without anybody having to look."""
COUNTED: Final = frozenset({Kind.CRASH_LOOP, Kind.FLAPPING})
"""Kinds that are so many events within a window, rather than a state that lasts."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One incident as told by its events, oldest first.

    `status` is `open`, `acting`, `cleared`, `false_alarm` or the last remediation's outcome.
    """

    incident: str
    host: str
    container: Container
    kind: Kind
    since: float
    status: str
    steps: tuple[Event, ...]

    @property
    def open(self) -> bool:
        return self.status not in SETTLED


def stories(events: Iterable[Event]) -> list[Story]:
    """The incidents that these events tell of, oldest first; what belongs to no incident is left out."""
    found: dict[str, Story] = {}
    for event in sorted(events, key=lambda event: (event.time, event.id)):
        if event.incident is None or (about := subject(event)) is None:
            continue
        container, kind = about
        earlier = found.get(event.incident)
        since = earlier.since if earlier else _since(event)
        found[event.incident] = Story(
            incident=event.incident,
            host=event.host,
            container=container,
            kind=kind,
            since=since,
            status=status_after(event, earlier.status if earlier else ""),
            steps=(*(earlier.steps if earlier else ()), event),
        )
    return list(found.values())


def subject(event: Event) -> tuple[Container, Kind] | None:
    """Which container, and what was wrong with it; None for what only refreshes a screen."""
    match event.data:
        case HealthAlert(container=container, kind=kind):
            return container, kind
        case RemediationNeeded(alert=alert) | FalseAlarm(alert=alert):
            return alert.container, alert.kind
        case RemediationComplete(container=container, kind=kind):
            return container, kind
    return None


def line(event: Event) -> str:
    """What the event says, in one line, without time and without the container's name."""
    match event.data:
        case HealthAlert() as alert:
            return _alert(alert)
        case RemediationNeeded(action=action, diagnosis=diagnosis):
            then = ", nothing to be done here" if action is Action.NONE else f" -> {action}"
            return f"{diagnosis.cause}{then}: {'; '.join(diagnosis.reasons)}"
        case FalseAlarm(diagnosis=diagnosis):
            return f"{diagnosis.cause}, no action: {'; '.join(diagnosis.reasons)}"
        case RemediationComplete() as done:
            return _complete(done)
        case ContainerStats(state=state, cpu=cpu, memory=memory):
            used = "-" if memory is None else show_size(memory)
            return f"{state.status} cpu {'-' if cpu is None else f'{cpu:.1f}'} % memory {used}"
        case Heartbeat(role=role, lag=lag, trouble=trouble):
            return f"{role} alive, lag {lag}" + (f", {trouble}" if trouble else "")


def _since(event: Event) -> float:
    return event.data.since if isinstance(event.data, HealthAlert) else event.time


def status_after(event: Event, before: str) -> str:
    """How an incident stands once this was told of it."""
    match event.data:
        case HealthAlert(phase=Phase.CLEARED):
            return before if before in SETTLED else "cleared"
        case HealthAlert():
            return "open"
        case RemediationNeeded():
            return "acting"
        case FalseAlarm():
            return "false_alarm"
        case RemediationComplete(outcome=outcome):
            return "cleared" if outcome is Outcome.NOT_APPLICABLE else outcome.value
    return before


def _alert(alert: HealthAlert) -> str:
    again = f" (no. {alert.occurrence})" if alert.occurrence > 1 else ""
    if alert.phase is Phase.CLEARED:
        return f"{alert.kind} is over"
    facts = ", ".join(fact(item) for item in alert.evidence)
    if alert.downstream:
        facts = ", ".join(filter(None, (facts, f"hits {', '.join(alert.downstream)}")))
    within = "within" if alert.kind in COUNTED else "for"
    held = f" {within} {show_duration(alert.window)}" if alert.window else ""
    return f"{alert.kind}{again}{held}: {facts}" if facts else f"{alert.kind}{again}{held}"


def fact(item: Evidence) -> str:
    """`exit code 7`, `memory 61.4 MiB`."""
    words, value, unit = item.name.replace("_", " "), item.value, item.unit
    if unit.startswith("B") and isinstance(value, float | int):
        return f"{words} {show_size(value)}{unit[1:]}"
    if unit == "s" and isinstance(value, float | int):
        return f"{words} {show_duration(value)}"
    if isinstance(value, float):
        return f"{words} {int(value) if value.is_integer() else f'{value:.4g}'} {unit}".rstrip()
    return f"{words} {value} {unit}".rstrip()


def _complete(done: RemediationComplete) -> str:
    total = done.durations.get("total")
    took = f" in {show_duration(total)}" if total is not None and done.outcome is Outcome.HEALED else ""
    why = "" if done.outcome is Outcome.HEALED else f": {done.reason}"
    detail = f" ({done.detail})" if done.detail else ""
    what = "" if done.action is Action.NONE else f"{done.action} "
    return f"{what}{done.outcome}{took}{why}{detail}"
