"""What labels name and the list does not show is asked of the engine, without keeping deaths waiting."""

from hemostat.adapters.memory_engine import MemoryEngine
from hemostat.agents.monitor.faults import Faults
from hemostat.agents.monitor.lookups import MAX_ASKING_SECONDS, REST_FACTOR, Lookups
from hemostat.core.blame import Host
from hemostat.core.model import ContainerInfo
from hemostat.core.thresholds import Thresholds
from hemostat.core.ward import Ward
from hemostat.events import Container
from tests.clock import FakeClock

NEEDS = ",".join(f"x{number}" for number in range(20))


def make() -> tuple[Lookups, FakeClock, list[str]]:
    """Each question takes as long as all may take."""
    clock, asked = FakeClock(), list[str]()
    engine, ward = MemoryEngine(clock), Ward(Thresholds(), Host(name="h"))

    def members(_: str, service: str) -> list[ContainerInfo]:
        asked.append(service)
        clock.advance(MAX_ASKING_SECONDS + 0.1)
        return []

    engine.members = members
    labels = {"com.docker.compose.project": "p", "hemostat.depends_on": NEEDS}
    ward.admit(ContainerInfo(ref=Container(id="a", name="a", labels=labels), status="running"), clock.now())
    return Lookups(engine, ward, Faults(), clock.now), clock, asked


def test_what_takes_long_to_be_asked_for_is_asked_for_seldom():
    lookups, clock, asked = make()
    for _ in range(5):
        lookups.find_absent()
    assert len(asked) == 1
    clock.advance(REST_FACTOR)
    lookups.find_absent()
    assert len(asked) == len(set(asked)) == 2


def test_a_clock_that_was_set_back_does_not_end_the_questions():
    lookups, clock, asked = make()
    lookups.find_absent()
    clock.advance(-86400)
    lookups.find_absent()
    assert len(asked) == 2
