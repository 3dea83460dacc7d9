"""Builds the report of a demo: its steps, and the verdict by the engine's facts. Pure."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final

import msgspec

from hemostat.core.history.sentences import format_event_line
from hemostat.core.model import EngineEvent
from hemostat.core.units import show_duration
from hemostat.core.wording import ACTION_WORDS
from hemostat.demo.load import HostLoad
from hemostat.demo.scenarios import Scenario
from hemostat.events import (
    Event,
    FalseAlarm,
    HealthAlert,
    Outcome,
    Phase,
    RemediationComplete,
    RemediationNeeded,
)
from hemostat.events.fields import renamed_to

DELIVERY_SECONDS: Final = 0.5
"""Seconds within which events of the engine and of the bus have arrived."""
UNACTED_OUTCOMES: Final = {Outcome.REFUSED, Outcome.ESCALATED, Outcome.DRY_RUN, Outcome.EXPIRED}


class DemoStep(msgspec.Struct, frozen=True):
    """A step. `t` is seconds since the first fault."""

    name: str
    t: Annotated[float, renamed_to("after_seconds")]
    text: str = ""


class DemoFacts(msgspec.Struct, kw_only=True):
    """Everything recorded since the container was created.

    `faults` are times (epoch seconds), `engine` the engine's events about the container, `bus` HemoStat's.
    `load` is the host's since the first fault.
    """

    faults: list[float] = []
    engine: list[EngineEvent] = []
    bus: list[Event] = []
    load: HostLoad | None = None

    @property
    def first_fault(self) -> float:
        return self.faults[0]

    def list_starts(self, since: float) -> list[float]:
        return self.list_times("start", since)

    def list_times(self, action: str, since: float) -> list[float]:
        return [event.time for event in self.engine if event.action == action and event.time >= since]

    def list_raised(self) -> list[Event]:
        return [
            event
            for event in self.bus
            if isinstance(event.data, HealthAlert) and event.data.phase is Phase.RAISED
        ]

    def list_ends(self, since: float) -> list[Event]:
        """The final events of the responder, or of the analyzer, about alerts."""
        end_types = RemediationComplete | FalseAlarm
        return [event for event in self.bus if isinstance(event.data, end_types) and event.time >= since]


class DemoReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result. `ending` is the expected end of a scenario that does not end with healing.

    `host_load` is None if unknown. `host_too_busy`: the load is why it did not pass.
    """

    scenario: str
    passed: bool
    simulated: bool
    incident: str | None
    steps: tuple[DemoStep, ...]
    detected_s: Annotated[float | None, renamed_to("detected_seconds")]
    healed_s: Annotated[float | None, renamed_to("healed_seconds")]
    expected: dict[str, int | str | None]
    observed: dict[str, int | str | None]
    ending: str = ""
    host_load: HostLoad | None = None
    host_too_busy: bool = False


def build_report(
    scenario: Scenario, facts: DemoFacts, observed: dict[str, int | str | None], *, simulated: bool
) -> DemoReport:
    raised = facts.list_raised()
    passed = observed == scenario.expected
    return DemoReport(
        scenario=scenario.name,
        passed=passed,
        simulated=simulated,
        incident=raised[-1].incident if raised else None,
        steps=tuple(build_steps(facts)),
        detected_s=_find_seconds_after(facts, [event.time for event in raised]),
        healed_s=_find_seconds_after(facts, _list_cures(scenario, facts)),
        expected=scenario.expected,
        observed=observed,
        ending=scenario.ending,
        host_load=facts.load,
        host_too_busy=not passed and facts.load is not None and facts.load.is_too_high,
    )


def build_steps(facts: DemoFacts) -> list[DemoStep]:
    """The timeline so far, in order of time."""
    steps = [("fault", time, "") for time in facts.faults]
    steps += _build_engine_steps(facts.engine, facts.first_fault)
    for event in facts.bus:
        steps += _build_bus_steps(event)
    ordered = sorted(steps, key=lambda step: step[1])
    return [DemoStep(name, round(time - facts.first_fault, 3), text) for name, time, text in ordered]


def find_complete_until(facts: DemoFacts, now: float) -> float:
    """The time up to which the timeline can get no further steps, in seconds since the first fault.

    HemoStat reports an action when it is over, so all of its steps arrive later than those of the engine.
    """
    open_since: dict[str | None, float] = {}
    for event in sorted(facts.bus, key=lambda event: event.time):
        if isinstance(event.data, RemediationNeeded):
            open_since[event.incident] = event.time
        elif isinstance(event.data, RemediationComplete):
            open_since.pop(event.incident, None)
    return min(now - DELIVERY_SECONDS, *open_since.values(), math.inf) - facts.first_fault


def _build_engine_steps(events: Sequence[EngineEvent], since: float) -> Iterator[tuple[str, float, str]]:
    is_requested = False
    for event in events:
        if event.time < since:
            continue
        is_requested = event.action == "kill" or (is_requested and event.action != "start")
        match event.action:
            case "die" if not is_requested:
                yield "died", event.time, f"exit code {event.exit_code}"
            case "start":
                yield "running", event.time, "restarted, reported by the engine"
            case "unhealthy" | "healthy":
                yield event.action, event.time, "reported by the engine"


def _build_bus_steps(event: Event) -> Iterator[tuple[str, float, str]]:
    match event.data:
        case HealthAlert(phase=Phase.RAISED):
            yield "alert", event.time, format_event_line(event)
        case RemediationNeeded() | FalseAlarm():
            yield "diagnosis", event.time, format_event_line(event)
        case RemediationComplete(outcome=outcome, durations=durations) as completion:
            if outcome in UNACTED_OUTCOMES or "verify" not in durations:
                yield "decision", event.time, format_event_line(event)
                return
            acted = event.time - durations["verify"]
            words = ACTION_WORDS[completion.action]
            yield "decision", acted - durations["act"], f"HemoStat may {words.order}"
            yield "action", acted, f"{words.past} in {show_duration(durations['act'])}"
            yield "verified" if outcome is Outcome.HEALED else "failed", event.time, format_event_line(event)


def _list_cures(scenario: Scenario, facts: DemoFacts) -> list[float]:
    if scenario.ending:
        return []
    match scenario.cured_by:
        case "nothing":
            return []
        case "start":
            return facts.list_starts(facts.first_fault)
        case "healthy":
            return [
                time
                for start in facts.list_starts(facts.first_fault)[:1]
                for time in facts.list_times("healthy", start)
            ]
        case "remediation":
            return [event.time for event in facts.list_ends(facts.first_fault)]


def _find_seconds_after(facts: DemoFacts, times: Iterable[float]) -> float | None:
    return next((round(time - facts.first_fault, 3) for time in times), None)
