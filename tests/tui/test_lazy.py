"""A bus that is opened late."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.errors import BusUnreachableError
from hemostat.tui.context import DashboardContext
from hemostat.tui.data.lazy import LazyValue
from tests.support.clock import FakeClock
from tests.support.samples import NOW, alert, event


def test_engine_is_opened_once_on_first_use():
    opened = []

    def opens():
        opened.append(InMemoryBus(FakeClock(NOW)))
        return opened[-1]

    bus = LazyValue(opens)
    assert opened == []
    bus.publish([event(alert())])
    assert len(bus.read_recent("health_alert", 9)) == 1
    assert len(opened) == 1


def test_every_public_attribute_is_the_opened_objects():
    assert [name for name in dir(LazyValue) if not name.startswith("_")] == []


def test_engine_is_closed_only_if_it_was_opened():
    closed = []

    class Closes(InMemoryEngine):
        def close(self) -> None:
            closed.append(self)

    def make() -> DashboardContext:
        clock = FakeClock(NOW)
        return DashboardContext(InMemoryBus(clock), clock, engine=lambda: Closes(FakeClock()))

    make().close()
    assert closed == []
    model = make()
    model.engine().inspect_everything()
    model.close()
    assert len(closed) == 1


def test_one_of_concurrent_threads_opens_the_engine():
    """Of a view that is left while its engine is being connected, and the next that asks for it."""
    opened, gate = [], threading.Barrier(5)

    def opens():
        opened.append(InMemoryEngine(FakeClock()))
        time.sleep(0.01)  # another thread's turn
        return opened[-1]

    model = DashboardContext(InMemoryBus(FakeClock(NOW)), FakeClock(NOW), engine=opens)

    def ask():
        gate.wait()
        assert model.engine().inspect_everything() == []

    with ThreadPoolExecutor(5) as pool:
        for asked in [pool.submit(ask) for _ in range(5)]:
            asked.result()
    assert len(opened) == 1
    model.close()


def test_opening_error_is_reported_and_retried():
    there = []

    def opens():
        if not there:
            raise BusUnreachableError("Redis is not running")
        return there[0]

    bus = LazyValue(opens)
    with pytest.raises(BusUnreachableError):
        bus.ping()
    there.append(InMemoryBus(FakeClock(NOW)))
    bus.ping()
