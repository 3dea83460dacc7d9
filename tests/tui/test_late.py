"""A bus that is opened late."""

import pytest

from hemostat.adapters.memory_bus import MemoryBus
from hemostat.errors import BusUnreachableError
from hemostat.tui.late import Late
from tests.clock import FakeClock
from tests.samples import NOW, alert, event


def test_it_is_opened_once_when_something_is_asked_of_it():
    opened = []

    def opens():
        opened.append(MemoryBus(FakeClock(NOW)))
        return opened[-1]

    bus = Late(opens)
    bus.close()
    assert opened == []
    bus.publish([event(alert())])
    assert len(bus.recent("health_alert", 9)) == 1
    assert len(opened) == 1


def test_what_keeps_it_shut_is_said_and_it_is_tried_anew():
    there = []

    def opens():
        if not there:
            raise BusUnreachableError("no Redis is running")
        return there[0]

    bus = Late(opens)
    with pytest.raises(BusUnreachableError):
        bus.ping()
    there.append(MemoryBus(FakeClock(NOW)))
    bus.ping()
