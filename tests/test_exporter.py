"""What Prometheus is told, over a bus in memory."""

import threading

import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.in_memory.controls import InMemoryControls
from hemostat.adapters.in_memory.ledger import InMemoryLedger
from hemostat.adapters.in_memory.outbox import InMemoryOutbox
from hemostat.core.ledger.controls import Pause
from hemostat.core.metrics import definitions
from hemostat.core.metrics.definitions import DeliveryResult
from hemostat.core.settings.alert import Topic
from hemostat.core.settings.responder import ResponderSettings
from hemostat.errors import BusUnreachableError
from hemostat.events import Figure
from hemostat.exporter import MAX_ENTRIES_READ, Exporter
from tests.support.clock import FakeClock
from tests.support.notifications import make_notification
from tests.support.samples import CLEARED, alert, complete, event, heartbeat, needed, stats


class Lost(InMemoryBus):
    """A bus that can be out of reach."""

    lost = False

    def read_last_values(self, stream):
        if self.lost:
            raise BusUnreachableError("Redis does not answer")
        return super().read_last_values(stream)


@pytest.fixture
def bus():
    return Lost(FakeClock())


@pytest.fixture
def desk():
    return InMemoryControls()


@pytest.fixture
def outbox():
    return InMemoryOutbox()


@pytest.fixture
def exporter(bus, desk, outbox):
    def make() -> Exporter:
        clock, ledger = FakeClock(), InMemoryLedger(desk, bus.incidents)
        return Exporter(bus, ledger, desk, outbox, clock, ResponderSettings(), containers=10)

    return make


def total(numbers, measure) -> float:
    return sum(numbers[measure].values())


def test_incident_is_counted_from_alert_to_end(bus, exporter):
    bus.publish([event(alert()), event(needed(), 0.1), event(complete(), 3), event(CLEARED, 3)])
    bus.publish_live([event(heartbeat("responder")), event(stats())], ttl=60)
    told = exporter().collect()
    counted = (
        definitions.ALERTS,
        definitions.DIAGNOSES,
        definitions.DECISIONS,
        definitions.ACTIONS,
        definitions.CLEARED_ALERTS,
    )
    assert [total(told, measure) for measure in counted] == [1, 1, 1, 1, 1]
    assert told[definitions.TIME_TO_HEAL]["exited",].sum == 3.0
    assert told[definitions.STREAM_LAG]["health_alert", "analyzer"] == 2
    assert told[definitions.STREAM_LAG]["remediation_needed", "responder:h"] == 1
    assert told[definitions.ROLE_UP] == {("responder", "h"): 1.0}
    assert (total(told, definitions.OPEN_INCIDENTS), total(told, definitions.CONTAINERS)) == (0, 1)
    assert set(told) == set(definitions.MEASURES)


def test_restart_neither_loses_nor_doubles_counts(bus, exporter):
    first = exporter()
    bus.publish([event(alert())])
    first.collect()
    bus.publish([event(alert(occurrence=2), 1)])
    assert total(exporter().collect(), definitions.ALERTS) == 2
    assert total(exporter().collect(), definitions.ALERTS) == 2
    assert total(first.collect(), definitions.ALERTS) == 2


def test_backlog_is_counted_in_order_of_time(bus, exporter):
    """More than is read at once, on one stream of two: each end finds the beginning it belongs to."""
    for number in range(MAX_ENTRIES_READ + 10):
        bus.publish([event(alert(), number, incident=f"i{number}")])
    bus.publish([event(complete(), MAX_ENTRIES_READ + 20, incident="i5")])
    told = exporter().collect()
    assert total(told, definitions.ALERTS) == MAX_ENTRIES_READ + 10
    assert told[definitions.TIME_TO_HEAL]["exited",].sum == MAX_ENTRIES_READ + 20


def test_exporter_without_bus_serves_counts_and_bus_down(bus, exporter, caplog):
    caplog.set_level("INFO", "hemostat")
    bus.publish([event(alert())])
    told = exporter()
    told.collect()
    bus.lost = True
    down = [told.collect() for _ in range(3)][-1]
    assert down[definitions.BUS_UP] == {(): 0.0}
    assert total(down, definitions.ALERTS) == 1
    assert definitions.CONTAINERS not in down
    bus.lost = False
    assert told.collect()[definitions.BUS_UP] == {(): 1.0}
    assert [record.msg.split()[0] for record in caplog.records] == [
        "connection.failed",
        "connection.restored",
    ]


def test_pauses_and_approvals_are_exported(desk, exporter):
    desk.pause("*", Pause(by="ann", at=0.0))
    assert exporter().collect()[definitions.PAUSE_STATE] == {(): 1.0}


def test_outbox_size_is_exported_without_its_role(bus, outbox, exporter):
    told = exporter()
    figure = Figure(definitions.NOTIFICATIONS.name, ("ops", DeliveryResult.DELIVERED), 0)
    bus.publish_live([event(heartbeat("alert", figures=(figure,)))], ttl=60)
    outbox.put(
        "ops", [(make_notification(Topic.HEALED), 0.0), (make_notification(Topic.HEALED, incident="i2"), 0.0)]
    )
    numbers = told.collect()
    assert numbers[definitions.NOTIFICATIONS] == {("ops", "delivered"): 0.0}
    assert numbers[definitions.WAITING_NOTIFICATIONS] == {("ops",): 2.0}
    bus._clock.advance(61)
    assert told.collect()[definitions.WAITING_NOTIFICATIONS] == {("ops",): 2.0}


def test_state_of_another_exporter_is_ignored(bus, exporter):
    bus.publish([event(alert())], state=("metrics", b"\xff"))
    assert total(exporter().collect(), definitions.ALERTS) == 1


def test_concurrent_scrapes_are_served(bus, exporter):
    told = exporter()
    bus.publish([event(alert(), at) for at in range(50)])
    threads = [threading.Thread(target=told.collect) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total(told.collect(), definitions.ALERTS) == 50
