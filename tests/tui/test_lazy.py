"""A bus that is opened late."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.errors import BusUnreachableError
from hemostat.tui.context import DashboardContext
from hemostat.tui.data.lazy import Lazy
from tests.support.clock import FakeClock
from tests.support.samples import NOW, alert, event


def test_it_is_opened_once_when_something_is_asked_of_it():
    opened = []

    def opens():
        opened.append(InMemoryBus(FakeClock(NOW)))
        return opened[-1]

    bus = Lazy(opens)
    bus.close()
    assert opened == []
    bus.publish([event(alert())])
    assert len(bus.recent("health_alert", 9)) == 1
    assert len(opened) == 1


def test_of_threads_that_ask_at_once_one_opens_the_engine():
    """Of a view that is left while its engine is being connected, and the next that asks for it."""
    opened, gate = [], threading.Barrier(5)

    def opens():
        opened.append(InMemoryEngine(FakeClock()))
        time.sleep(0.01)  # another thread's turn
        return opened[-1]

    model = DashboardContext(InMemoryBus(FakeClock(NOW)), FakeClock(NOW), engine=opens)

    def ask():
        gate.wait()
        assert model.engine().containers() == []

    with ThreadPoolExecutor(5) as pool:
        for asked in [pool.submit(ask) for _ in range(5)]:
            asked.result()
    assert len(opened) == 1
    model.close()


def test_what_keeps_it_shut_is_said_and_it_is_tried_anew():
    there = []

    def opens():
        if not there:
            raise BusUnreachableError("Redis is not running")
        return there[0]

    bus = Lazy(opens)
    with pytest.raises(BusUnreachableError):
        bus.ping()
    there.append(InMemoryBus(FakeClock(NOW)))
    bus.ping()
