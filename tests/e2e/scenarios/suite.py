"""All scenarios: many at a time under one HemoStat, and those that disturb others alone."""

import secrets
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.e2e.scenarios import (
    faults_death,
    faults_health,
    faults_pressure,
    faults_told,
    traps_load,
    traps_people,
    world_dependencies,
    world_engine,
    world_labels,
    world_midway,
    world_owners,
    world_pressure,
    world_remedies,
)
from tests.e2e.scenarios.judge import Result
from tests.e2e.scenarios.model import Scenario
from tests.e2e.scenarios.observer import TOGETHER, Observer
from tests.e2e.scenarios.play import Played, play
from tests.e2e.scenarios.rehearsal import REHEARSAL_SETTINGS, rehearse
from tests.support.lab.image import provide_image

AT_A_TIME: Final = 6
BUSY: Final = 0.8

WORLD: Final = (
    world_dependencies,
    world_engine,
    world_labels,
    world_owners,
    world_pressure,
    world_remedies,
    world_midway,
)
"""Scenarios from reports from the field."""

SCENARIOS: Final = {
    scenario.name: scenario
    for part in (traps_people, traps_load, faults_death, faults_health, faults_pressure, faults_told, *WORLD)
    for scenario in part.SCENARIOS
}

Tell = Callable[[Played], None]


def run(
    names: Sequence[str],
    tell: Tell = lambda _: None,
    *,
    record: bool = False,
    busy: bool = False,
    dry_run: bool = False,
) -> list[Played]:
    """Play these scenarios and return the results in their order. `tell` is called with each result as soon
    as it is known. `record`: eval cases are captured. `busy`: the host is kept busy, so that no result is
    discarded for that reason. `dry_run`: nothing is done, and the decisions are compared."""
    provide_image()
    chosen = [rehearse(SCENARIOS[name]) if dry_run else SCENARIOS[name] for name in names]
    group = secrets.token_hex(3)
    settings = TOGETHER | (REHEARSAL_SETTINGS if dry_run else {})
    played = _together([each for each in chosen if not each.alone], group, tell, record, settings)
    for scenario in chosen:
        if scenario.alone:
            played[scenario.name] = _played(scenario, group, None, tell, record)
        elif not busy and _is_void(played[scenario.name]):
            played[scenario.name] = _played(scenario, f"{group}b", None, tell, record)
            played[scenario.name].result.again = True
    return [played[name] for name in names]


def _together(
    scenarios: Iterable[Scenario], group: str, tell: Tell, record: bool, settings: dict[str, str]
) -> dict[str, Played]:
    ordered = sorted(scenarios, key=_length, reverse=True)
    if not ordered:
        return {}
    observer = Observer(group, settings, record=record)
    try:
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            done = pool.map(lambda each: _played(each, group, observer, tell, record), ordered)
            return {each.result.scenario: each for each in done}
    finally:
        observer.close()


def _is_void(played: Played) -> bool:
    """Return whether a result with differences does not count: on a host without free CPU, HemoStat correctly
    holds back alerts."""
    return bool(played.result.differences) and (played.result.busy >= BUSY or played.result.saturated)


def _length(scenario: Scenario) -> float:
    """Return the key that sorts long scenarios first, so that none begins when all others are done."""
    return scenario.watch + scenario.within / 3 * bool(scenario.required) + 30 * (scenario.way == "second")


def _played(scenario: Scenario, group: str, observer: Observer | None, tell: Tell, record: bool) -> Played:
    began = time.time()
    try:
        played = play(scenario, group, observer, record=record)
    except Exception:  # noqa: BLE001 - one that cannot be played must not end the others
        played = _broken(scenario, began, traceback.format_exc())
    tell(played)
    return played


def _broken(scenario: Scenario, began: float, why: str) -> Played:
    """Return the result of a scenario that could not be played, which counts as wrong."""
    result = Result(
        scenario=scenario.name,
        kind=scenario.kind,
        trap=scenario.trap,
        expected=[],
        observed=[],
        differences=[f"could not be played: {why}"],
        delay=None,
        raised=0,
        raised_expected=0,
        required=len(scenario.required),
        required_raised=0,
        wrong_actions=[],
    )
    return Played(result=result, about=scenario.about, began=began, events=[], containers={})
