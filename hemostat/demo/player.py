"""Plays one scenario, from creating its container to comparing the engine's facts."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from hemostat.core.history.incident_log import find_subject
from hemostat.core.model import ContainerInfo, EngineEvent
from hemostat.core.units import parse_size, show_size
from hemostat.demo.load import LoadMeter
from hemostat.demo.report import (
    DemoFacts,
    DemoReport,
    DemoStep,
    build_report,
    build_steps,
    find_complete_until,
)
from hemostat.demo.scenarios import Scenario
from hemostat.demo.stage import IMAGE, DemoStage, UnseenError, make_labels
from hemostat.errors import EngineError, HemoStatError
from hemostat.events import DURABLE, ContainerStats
from hemostat.ports import ContainerSpec, EngineVersion
from hemostat.ports.engine import MEMORY_LIMIT

TICK_SECONDS: Final = 0.1
READY_SECONDS: Final = 60.0
SEEN_SECONDS: Final = 30.0
"""Seconds within which roles that were already running must have measured the container."""
OWN_STAGE_SECONDS: Final = 30.0
"""Seconds after its window within which a fault must have been handled."""
BORROWED_STAGE_SECONDS: Final = 180.0
"""The same for roles configured by the user: the back-off alone may take a minute."""
TRY_LATER_HINT: Final = "try again when the host has free CPU, or add --simulate, which needs little CPU"
MAX_EVENTS_PER_STREAM: Final = 100
"""Events of each type that are read: no more can have arrived since the last read."""

Show = Callable[[Sequence[DemoStep], float], None]
"""Shows the timeline, which is complete up to the given number of seconds after the first fault."""


def play(scenario: Scenario, stage: DemoStage, *, run: str, show: Show) -> DemoReport:
    """Create the container, cause the fault, wait for the outcome, and query the engine.

    `run` is part of the container's name. `show` is called with the timeline as time passes. Raises
    HemoStatError if the scenario cannot be played.
    """
    engine = stage.engine.version()
    if obstacle := find_obstacle(scenario, engine):
        raise HemoStatError(
            f"this engine {obstacle}, without which {scenario.name} cannot be played",
            hint="hemostat doctor says more; --simulate plays it without an engine",
        )
    stage.sweep()
    facts, meter, has_cgroups = DemoFacts(), LoadMeter(stage.host), engine.has_cgroups
    with _run_container(scenario, stage, run) as container:
        _listen(stage, container, facts)
        _await_ready(stage, container, meter, has_health=scenario.health is not None, has_cgroups=has_cgroups)
        stage.clock.sleep(scenario.calm)
        meter.start(stage.clock.now())
        for _ in range(scenario.rounds):
            _inject_fault(stage, container, scenario, facts)
            if scenario.cured_by != "nothing":
                _await_end(scenario, stage, container, facts, meter, show)
        _follow(scenario.watch, stage, container, facts, meter, show)
        facts.load = meter.read(stage.clock.now())
        observed = _observe(scenario, stage, stage.engine.inspect(container), facts)
        return build_report(scenario, facts, observed, simulated=stage.simulated)


def find_obstacle(scenario: Scenario, engine: EngineVersion) -> str:
    """Return what the engine lacks for the scenario; empty if nothing. Without its limit, a container that
    uses up its memory would use up the host's."""
    if scenario.needs_cgroups and not engine.has_cgroups:
        return "gives its containers no cgroups"
    if scenario.memory is not None and MEMORY_LIMIT in engine.missing_limits:
        return "cannot limit memory"
    return ""


@contextmanager
def _run_container(scenario: Scenario, stage: DemoStage, run: str) -> Iterator[str]:
    name = f"hemostat-demo-{scenario.name}-{run}"
    spec = ContainerSpec(
        name=name,
        image=IMAGE,
        command=("sh", "-c", scenario.main),
        labels=make_labels(scenario, run),
        memory=scenario.memory,
        health=scenario.health,
    )
    try:
        yield stage.workshop.run(spec)
    finally:
        stage.workshop.remove(name)


def _listen(stage: DemoStage, container: str, facts: DemoFacts) -> None:
    """Record the engine's events about the container, until the engine is closed."""

    def listen() -> None:
        for event in stage.engine.events(stage.clock.now()):
            if isinstance(event, EngineEvent) and event.container.id == container:
                facts.engine.append(event)

    threading.Thread(target=listen, name="demo-events", daemon=True).start()


def _await_ready(
    stage: DemoStage, container: str, meter: LoadMeter, *, has_health: bool, has_cgroups: bool
) -> None:
    """Wait until the container runs, passes its health check if it has one, and was measured by the
    monitor. Without cgroups, the measurement lacks its CPU.
    """
    meter.start(started_at := stage.clock.now())
    while not (is_measured := _is_measured(stage, container, has_cgroups=has_cgroups)) or not _is_well(
        stage.engine.inspect(container), has_health
    ):
        waited = stage.clock.now() - started_at
        if stage.borrowed and not is_measured and waited > SEEN_SECONDS:
            raise UnseenError("the running roles do not watch the demo's container")
        if waited > READY_SECONDS:
            load = meter.read(stage.clock.now())
            if load is not None and load.is_too_high:
                raise HemoStatError(f"the host is too busy for this demo: {load}", hint=TRY_LATER_HINT)
            raise HemoStatError(f"the demo's container was not ready and measured within {READY_SECONDS:g} s")
        stage.clock.sleep(TICK_SECONDS)


def _is_measured(stage: DemoStage, container: str, *, has_cgroups: bool) -> bool:
    return bool(_read_cpu(stage, container) if has_cgroups else _read_stats(stage, container))


def _read_stats(stage: DemoStage, container: str) -> list[tuple[float, ContainerStats]]:
    """The monitor's latest measurement of the container, and its time."""
    return [
        (event.time, event.data)
        for event in stage.bus.read_last_values("container_stats")
        if isinstance(event.data, ContainerStats) and event.data.container.id == container
    ]


def _read_cpu(stage: DemoStage, container: str) -> list[tuple[float, float]]:
    """The time of the latest measurement, and the container's CPU in percent of a core."""
    return [(time, stats.cpu) for time, stats in _read_stats(stage, container) if stats.cpu is not None]


def _is_well(info: ContainerInfo, has_health: bool) -> bool:
    return info.is_running and (info.health == "healthy" or not has_health)


def _inject_fault(stage: DemoStage, container: str, scenario: Scenario, facts: DemoFacts) -> None:
    facts.faults.append(stage.clock.now())
    # The fault may end the process that would answer.
    with suppress(EngineError):
        stage.engine.exec(container, ["sh", "-c", scenario.fault])


def _await_end(
    scenario: Scenario, stage: DemoStage, container: str, facts: DemoFacts, meter: LoadMeter, show: Show
) -> None:
    """Wait until HemoStat reports that it has handled the latest fault, or the time is up."""
    fault = facts.faults[-1]
    extra = BORROWED_STAGE_SECONDS if stage.borrowed else OWN_STAGE_SECONDS
    while not facts.list_ends(fault) and stage.clock.now() < fault + scenario.window + extra:
        _follow(TICK_SECONDS, stage, container, facts, meter, show)


def _follow(
    seconds: float, stage: DemoStage, container: str, facts: DemoFacts, meter: LoadMeter, show: Show
) -> None:
    end = stage.clock.now() + seconds
    while stage.clock.now() < end:
        stage.clock.sleep(TICK_SECONDS)
        facts.bus[:] = [
            event
            for name in DURABLE
            for event in stage.bus.read_recent(name, MAX_EVENTS_PER_STREAM)
            if (subject := find_subject(event)) and subject[0].id == container
        ]
        for time, cpu in _read_cpu(stage, container):
            meter.note(time, cpu)
        show(build_steps(facts), find_complete_until(facts, stage.clock.now()))


def _observe(
    scenario: Scenario, stage: DemoStage, info: ContainerInfo, facts: DemoFacts
) -> dict[str, int | str | None]:
    """The facts that the scenario expects, as observed."""
    facts_by_name: dict[str, Callable[[], int | str | None]] = {
        "restarts": lambda: len(facts.list_starts(facts.first_fault)),
        "status": lambda: info.status,
        "health": lambda: info.health,
        "disk": lambda: _describe_disk(stage, info),
        "alerts": lambda: len(facts.list_raised()),
    }
    return {name: facts_by_name[name]() for name in scenario.expected}


def _describe_disk(stage: DemoStage, info: ContainerInfo) -> str:
    used, threshold = stage.engine.writable_size(info.ref.id), parse_size(info.ref.labels["hemostat.disk"])
    return f"below {show_size(threshold)}" if used < threshold else show_size(used)
