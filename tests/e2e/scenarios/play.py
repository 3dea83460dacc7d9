"""Plays one scenario, from the creation of its containers to the result."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import msgspec

from hemostat.core.diagnosis.case import EvalCase
from hemostat.core.history.incident_log import find_subject
from hemostat.events import Event, encode
from tests.e2e.scenarios.busy import LoadRecorder
from tests.e2e.scenarios.judge import Result, acts, judge, seen, settled
from tests.e2e.scenarios.lab import Lab
from tests.e2e.scenarios.model import Facts, Scenario
from tests.e2e.scenarios.observer import Observer
from tests.e2e.scenarios.rehearsal import REHEARSAL_SETTINGS, compare
from tests.support.lab.image import provide_image
from tests.support.lab.private_engine import PrivateEngine
from tests.support.lab.waiting import wait_until
from tests.support.proxy import Proxy
from tests.support.rule_proxy import Rule, RuleProxy, page

TICK: Final = 0.25
PATIENCE: Final = 40.0


class Played(msgspec.Struct, kw_only=True):
    """`events` are as sent. `containers` is the box by the container's id."""

    result: Result
    about: str
    began: float
    events: list[msgspec.Raw]
    containers: dict[str, str]
    recordings: dict[str, EvalCase] = {}


def play(scenario: Scenario, group: str, shared: Observer | None, *, record: bool = False) -> Played:
    started = time.monotonic()
    with ExitStack() as stack:
        load = stack.enter_context(LoadRecorder())
        lab, observer = stack.enter_context(_stage(scenario, group, shared, record))
        observer.labs.append(lab)
        _make(scenario, lab, observer)
        lab.began = time.time()
        scenario.happens(lab)
        _look_on(scenario, lab, observer)
        events = _mine(observer, lab)
        told = seen(events, lab.names, lab.began)
        seconds = time.monotonic() - started
        actions = acts(events, lab.names)
        result = judge(scenario, told, actions, _facts(lab), seconds)
        if scenario.dry_run:
            result.differences += compare(scenario, events, actions, lab.names)
        result.differences = [each for each in result.differences if each]
        result.busy, result.saturated = load.busy, load.saturated
        return Played(
            result=result,
            about=scenario.about,
            began=lab.began,
            events=[msgspec.Raw(encode(event)) for event in events],
            containers={key: box for key, box in lab.names.items() if not key.startswith("hs-")},
            recordings={} if observer.recorder is None else observer.recorder.recordings(scenario, lab),
        )


@contextmanager
def _stage(
    scenario: Scenario, group: str, shared: Observer | None, record: bool
) -> Iterator[tuple[Lab, Observer]]:
    """Yield the lab, and the observing HemoStat: the shared one, or one for this scenario."""
    own = shared is None or scenario.settings is not None or scenario.way != "direct"
    group = f"{group}-{scenario.name}" if own else group
    with ExitStack() as stack:
        second = None
        if scenario.way == "second":
            second = PrivateEngine()
            stack.callback(second.close)
            provide_image(second.url)
        lab = Lab(scenario.name, group, second.url if second else None, second=second)
        stack.callback(lab.close)
        settings = {**(REHEARSAL_SETTINGS if scenario.dry_run else {}), **(scenario.settings or {})}
        if scenario.way == "proxy":
            lab.proxy = Proxy(lab.directory / "engine.sock")
            stack.callback(lab.proxy.cut)
            settings["ENGINE_URL"] = lab.proxy.url
        if scenario.way == "rules":
            forbidden = [Rule(scenario.forbidden, page(403))] if scenario.forbidden else []
            lab.rules = stack.enter_context(RuleProxy(lab.directory / "engine.sock", *forbidden))
            settings["ENGINE_URL"] = lab.rules.url
        if second:
            settings["ENGINE_URL"] = second.url
        if own or shared is None:
            url = second.url if second else ""
            shared = Observer(group, settings, record=record, engine=url)
            stack.callback(shared.close)
            lab.alone = True
        yield lab, shared


def _make(scenario: Scenario, lab: Lab, observer: Observer) -> None:
    """Create the containers, and wait until all run, are healthy, and are known to the monitor."""
    for box in scenario.boxes:
        lab.make(box)
    for box in scenario.boxes:
        if box.health and box.healthy:
            lab.until(box.name, health="healthy")
    wanted = {str(lab[box.name].id) for box in scenario.boxes if box.watched}
    wait_until(
        lambda: wanted <= observer.measured, f"{scenario.name}: the monitor sees all containers", PATIENCE
    )
    _facts(lab)


def _look_on(scenario: Scenario, lab: Lab, observer: Observer) -> None:
    deadline = time.monotonic() + scenario.within
    while time.monotonic() < deadline:
        if settled(scenario, seen(_mine(observer, lab), lab.names, lab.began), _facts(lab)):
            break
        time.sleep(TICK)
    end = time.monotonic() + scenario.watch
    while time.monotonic() < end:
        _facts(lab)
        time.sleep(TICK)


def _facts(lab: Lab) -> dict[str, Facts]:
    found = {}
    for box in lab.boxes():
        state = lab.state(box)
        found[box] = Facts(running=bool(state.get("Running")), restarts=lab.restarts(box))
    return found


def _mine(observer: Observer, lab: Lab) -> list[Event]:
    """Return the events about this scenario's containers, and those about the host if no other scenario can
    cause them."""
    return [
        event
        for event in tuple(observer.events)
        if (about := find_subject(event)) and (about[0].id in lab.names or (lab.alone and about[0].is_host))
    ]
