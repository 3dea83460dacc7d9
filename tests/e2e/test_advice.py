"""Whatever fault a model's service has, every alert is answered in time and within policy, and the restart
after a crash does not wait for the model."""

import threading
from collections.abc import Iterator

import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.system_clock import SystemClock
from hemostat.consumer import ConsumerLimits, EventConsumer
from hemostat.events import Event
from hemostat.streams import ROLES_BY_NAME
from tests.e2e.advice import FAULTS, VENDORS, play
from tests.e2e.advice.rows import ALERT, Desk
from tests.support.consumers import make_consumer_context
from tests.support.engine_fixtures import eventually
from tests.support.model_server import ModelServer
from tests.support.model_wires import Spoils
from tests.support.samples import alert, event

HANGS = ("silence", "a byte now and then")
SHORT, LONG = 1.0, 20.0
"""Seconds of analyzer.timeout: a fault that hangs uses all of the short one; no other fault may use up the
long one."""
ROLE = ROLES_BY_NAME["analyzer"]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_ends_in_a_timely_permitted_decision(name: str, vendor: str) -> None:
    row = play(vendor, name, timeout=SHORT if name in HANGS else LONG)
    assert row.clean, row


@pytest.fixture
def hung(request: pytest.FixtureRequest) -> Iterator[tuple[Desk, ModelServer]]:
    with ModelServer() as server:
        desk = Desk(request.param, server, timeout=60.0, more={})
        server.script(lambda _: Spoils("silence"))
        yield desk, server
        server.over.set()
        desk.close()


@pytest.mark.parametrize("hung", VENDORS, indirect=True)
def test_crash_is_handled_while_an_investigation_hangs(hung: tuple[Desk, ModelServer]) -> None:
    desk, server = hung
    stop = threading.Event()
    clock = SystemClock(stop)
    bus = InMemoryBus(clock)
    runner = EventConsumer(
        make_consumer_context(ROLE, bus, clock, stop), ConsumerLimits(), desk.analyzer.step
    )

    def answered() -> list[Event]:
        return bus.read_recent("remediation_needed", 10)

    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        bus.publish([event(ALERT, incident="busy")])
        eventually(lambda: server.asked)
        bus.publish([event(alert(), incident="crashed")])
        eventually(answered)
        assert [each.incident for each in answered()] == ["crashed"]
    finally:
        stop.set()
        desk.stop.set()
        thread.join()
