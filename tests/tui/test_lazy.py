"""A bus that is opened late."""

import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.errors import BusUnreachableError
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
