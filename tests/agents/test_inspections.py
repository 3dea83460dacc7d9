"""What labels name and the list does not show is asked of the engine, without keeping deaths waiting."""

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.agents.monitor.container_errors import ContainerErrors
from hemostat.agents.monitor.inspections import (
    JUST_NOW_SECONDS,
    MAX_ASKING_SECONDS,
    MAX_UPSTREAM,
    REST_FACTOR,
    Inspections,
)
from hemostat.core.dependencies.root_cause import HostState
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.events import Container
from tests.support.clock import FakeClock

NEEDS = ",".join(f"x{number}" for number in range(20))


def make() -> tuple[Inspections, FakeClock, list[str]]:
    """Each question takes as long as all may take."""
    clock, asked = FakeClock(), list[str]()
    engine, ward = InMemoryEngine(clock), ContainerRegistry(MonitorSettings(), HostState(name="h"))

    def members(_: str, service: str, *, brief: bool) -> list[ContainerInfo]:
        assert brief
        asked.append(service)
        clock.advance(MAX_ASKING_SECONDS + 0.1)
        return []

    engine.inspect_service = members
    labels = {"com.docker.compose.project": "p", "hemostat.depends_on": NEEDS}
    ward.upsert(ContainerInfo(ref=Container(id="a", name="a", labels=labels), status="running"), clock.now())
    return Inspections(engine, ward, ContainerErrors(), clock.now), clock, asked


def test_slow_inspections_are_made_less_often():
    lookups, clock, asked = make()
    for _ in range(5):
        lookups.find_absent()
    assert len(asked) == 1
    clock.advance(REST_FACTOR)
    lookups.find_absent()
    assert len(asked) == len(set(asked)) == 2


def test_clock_set_back_does_not_stop_inspections():
    lookups, clock, asked = make()
    lookups.find_absent()
    clock.advance(-86400)
    lookups.find_absent()
    assert len(asked) == 2


def crowd(number: int) -> tuple[Inspections, ContainerRegistry, FakeClock, list[str]]:
    """So many containers that all need each other, and which of them the engine is asked for."""
    clock, asked = FakeClock(), list[str]()
    engine, ward = InMemoryEngine(clock), ContainerRegistry(MonitorSettings(), HostState(name="h"))
    labels = {
        "com.docker.compose.project": "p",
        "com.docker.compose.service": "s",
        "hemostat.depends_on": "s",
    }
    infos = {
        name: ContainerInfo(ref=Container(id=name, name=name, labels=labels), status="running")
        for name in map("c{:03}".format, range(number))
    }
    for info in infos.values():
        ward.upsert(info, clock.now())

    def inspect_all(names: list[str], *, brief: bool = False) -> dict[str, ContainerInfo]:
        asked.extend(names)
        return {name: infos[name] for name in names}

    engine.inspect_all = inspect_all
    return Inspections(engine, ward, ContainerErrors(), clock.now), ward, clock, asked


def test_inspections_of_many_dependencies_are_bounded():
    lookups, _, clock, asked = crowd(100)
    lookups.inspect_upstream("c000", clock.now())
    assert len(asked) == MAX_UPSTREAM


def test_shared_dependency_is_inspected_once():
    lookups, _, clock, asked = crowd(10)
    lookups.inspect_upstream("c000", clock.now())
    clock.advance(JUST_NOW_SECONDS / 2)
    lookups.inspect_upstream("c001", clock.now())
    assert len(asked) == 10
    clock.advance(JUST_NOW_SECONDS)
    lookups.inspect_upstream("c001", clock.now())
    assert len(asked) == 19


def test_watched_container_is_recognised_by_an_id_prefix():
    clock = FakeClock()
    engine, ward = InMemoryEngine(clock), ContainerRegistry(MonitorSettings(), HostState(name="h"))
    victim = ContainerInfo(ref=Container(id="ab12" * 16, name="init"), status="running")
    evil = Container(id="e", name="e", labels={"hemostat.depends_on": "ab12"})
    for info in (victim, ContainerInfo(ref=evil, status="running")):
        ward.upsert(info, clock.now())
    engine.inspect_all = lambda names, **_: {names[0]: victim}
    Inspections(engine, ward, ContainerErrors(), clock.now).find_absent()
    assert not ward.relations.is_unwatched(victim.ref.id)
