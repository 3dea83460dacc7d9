"""Compares alerts and actions with what a scenario expects. Nothing here uses the engine or the bus."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from hemostat.core.history.incident_log import find_subject
from hemostat.events import (
    Action,
    Event,
    FalseAlarm,
    HealthAlert,
    Kind,
    Outcome,
    Phase,
    RemediationComplete,
    RemediationNeeded,
)
from tests.e2e.scenarios.model import HOST, Expected, Facts, Scenario

DONE: Final = frozenset({Outcome.HEALED, Outcome.FAILED})


class Seen(msgspec.Struct, kw_only=True):
    """One incident by its events. `delay` is from the fault to the first alert, in seconds."""

    kind: Kind
    on: str
    root: str
    delay: float
    answered: bool = False
    action: Action | None = None
    outcome: Outcome | None = None
    cause: str = ""

    def __str__(self) -> str:
        return _line(
            self.on, self.kind, self.root, self.action if self.answered else "unanswered", self.outcome
        )


class Act(msgspec.Struct, frozen=True):
    on: str
    action: Action


class Result(msgspec.Struct, kw_only=True):
    scenario: str
    kind: str
    trap: bool
    expected: list[str]
    observed: list[str]
    differences: list[str]
    """Empty if the result is correct."""
    delay: float | None
    raised: int
    raised_expected: int
    required: int
    required_raised: int
    wrong_actions: list[str]
    seconds: float = 0.0
    busy: float = 0.0
    """Share of the host's CPU that was busy meanwhile, 0 to 1."""
    saturated: bool = False
    """Whether the host had no CPU left for a second meanwhile."""
    again: bool = False
    """Whether the scenario was played a second time, because the host was too busy the first time."""


def seen(events: Iterable[Event], names: Mapping[str, str], began: float) -> list[Seen]:
    """Return the incidents, oldest first. `names` is the box by container id and name."""
    found: dict[str, Seen] = {}
    for event in events:
        if event.incident is None or (about := find_subject(event)) is None:
            continue
        data = event.data
        if isinstance(data, HealthAlert):
            if event.incident not in found and data.phase is Phase.RAISED:
                on = HOST if about[0].is_host else names.get(about[0].id, about[0].name)
                root = HOST if data.root == event.host else names.get(data.root, data.root)
                delay = round(event.time - began, 3)
                found[event.incident] = Seen(kind=data.kind, on=on, root=root, delay=delay)
            continue
        if (incident := found.get(event.incident)) is not None:
            _answer(incident, data)
    return list(found.values())


def _answer(incident: Seen, data: object) -> None:
    if isinstance(data, RemediationNeeded | FalseAlarm) and not incident.answered:
        incident.answered = True
        incident.action = data.action if isinstance(data, RemediationNeeded) else None
        incident.cause = data.diagnosis.cause
    if isinstance(data, RemediationComplete) and incident.outcome is None:
        incident.outcome = data.outcome


def acts(events: Iterable[Event], names: Mapping[str, str]) -> list[Act]:
    """Return the actions on a container, without requests that were refused or escalated."""
    return [
        Act(names.get(data.container.id, data.container.name), data.action)
        for event in events
        if isinstance(data := event.data, RemediationComplete)
        and data.outcome in DONE
        and data.action is not Action.NONE
    ]


def matches(wanted: Expected, told: Seen) -> bool:
    return told.answered and (wanted.root, wanted.action, wanted.ends) == (
        told.root,
        told.action,
        told.outcome,
    )


def settled(scenario: Scenario, told: Iterable[Seen], facts: Mapping[str, Facts]) -> bool:
    """Return whether all required incidents have been observed."""
    by_key = _first(told)
    required = all(
        (found := by_key.get((each.on, each.kind))) and matches(each, found) for each in scenario.required
    )
    return required and not _fact_differences(scenario, facts)


def judge(
    scenario: Scenario, told: list[Seen], done: list[Act], facts: Mapping[str, Facts], seconds: float = 0.0
) -> Result:
    by_key = _first(told)
    truth = {(each.on, each.kind): each for each in scenario.expected}
    required = [(each.on, each.kind) for each in scenario.required]
    wrong = _wrong_actions(scenario, done)
    return Result(
        scenario=scenario.name,
        kind=scenario.kind,
        trap=scenario.trap,
        expected=_expectation(scenario),
        observed=[*(str(each) for each in told), *(f"acted: {each.on} {each.action}" for each in done)],
        differences=[
            *(_difference(truth.get(key), by_key.get(key), key) for key in (by_key.keys() | set(required))),
            *_fact_differences(scenario, facts),
            *(f"wrong action: {each}" for each in wrong),
        ],
        delay=min((by_key[key].delay for key in required if key in by_key), default=None),
        raised=len(told),
        raised_expected=sum((each.on, each.kind) in truth for each in told),
        required=len(required),
        required_raised=sum(key in by_key for key in required),
        wrong_actions=wrong,
        seconds=round(seconds, 1),
    )


def _first(told: Iterable[Seen]) -> dict[tuple[str, Kind], Seen]:
    found: dict[tuple[str, Kind], Seen] = {}
    for each in told:
        found.setdefault((each.on, each.kind), each)
    return found


def _difference(wanted: Expected | None, told: Seen | None, key: tuple[str, Kind]) -> str:
    """Return the difference between the two; empty where they agree."""
    if wanted is None:
        return f"not expected: {told}"
    line = _line(wanted.on, wanted.kind, wanted.root, wanted.action, wanted.ends)
    if told is None:
        return f"not told: {line}"
    if matches(wanted, told) or (wanted.may and told.action in {None, Action.NONE}):
        return ""
    return f"expected {line}, told {told} ({told.cause})"


def _wrong_actions(scenario: Scenario, done: list[Act]) -> list[str]:
    right = {(each.on, each.action) for each in scenario.expected if each.ends in DONE}
    right |= {(each.on, each.then) for each in scenario.expected}
    wrong = [f"{each.on} {each.action}" for each in done if (each.on, each.action) not in right]
    if scenario.acted_on is None:
        return wrong
    return wrong or [f"{each.on} {each.action}" for each in done][scenario.acted_on :]


def _fact_differences(scenario: Scenario, facts: Mapping[str, Facts]) -> list[str]:
    found: list[str] = []
    for box, told in () if scenario.dry_run else facts.items():
        wanted = scenario.facts.get(box, Facts())
        for name in ("running", "restarts"):
            want, have = getattr(wanted, name), getattr(told, name)
            if want is not None and want != have:
                found.append(f"the engine: {box} {name} is {have}, not {want}")
    return found


def _expectation(scenario: Scenario) -> list[str]:
    lines = [
        ("may: " if each.may else "") + _line(each.on, each.kind, each.root, each.action, each.ends)
        for each in scenario.expected
    ]
    return lines or ["nothing"]


def _line(on: str, kind: Kind, root: str, action: object, outcome: object) -> str:
    origin = f" from {root}" if root else ""
    answer = "false alarm" if action is None else str(action)
    return f"{on} {kind}{origin} -> {answer}" + (f" ({outcome})" if outcome else "")
