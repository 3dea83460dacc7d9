"""An entry is acknowledged, deferred, or moved to the dead letters: one that fails delays no other."""

import threading
from collections.abc import Sequence
from math import inf

import msgspec
import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.consumer.acknowledgement import MAX_ERROR_CHARACTERS, Acknowledger
from hemostat.consumer.context import MAX_DELIVERIES
from hemostat.errors import AdapterError
from hemostat.events import Event
from hemostat.ports import Defer, Entry
from hemostat.streams import ROLES_BY_NAME
from tests.support.clock import FakeClock
from tests.support.consumers import make_consumer_context
from tests.support.samples import alert, event, needed

ROLE = ROLES_BY_NAME["analyzer"]
UNENCODABLE = msgspec.structs.replace(event(needed()), host="half of a pair: \ud800")


class RefusalError(AdapterError):
    """An error that waiting does not cure."""


class Scene:
    """Entries on the stream. `failures` is how often each fails, by the time of its event."""

    def __init__(self, count: int, failures: dict[float, int] | None = None) -> None:
        self.clock = FakeClock()
        self.bus = InMemoryBus(self.clock)
        self.failures = failures or {}
        self.handled: list[int] = []
        self.error: Exception = ValueError("cannot be stored")
        context = make_consumer_context(ROLE, self.bus, self.clock, threading.Event())
        self.acknowledger = Acknowledger(context, handle_first=self._handle)
        self.bus.publish([event(alert(), float(number)) for number in range(count)])
        self.entries = self.bus.read(context.group, "i", ROLE.reads, count=100, timeout=0)
        self.base = min(each.event.time for each in self.entries if each.event)

    def _handle(self, events: Sequence[Event]) -> None:
        self.handled.append(len(events))
        for each in events:
            if self.failures.get(each.time - self.base, 0):
                self.failures[each.time - self.base] -= 1
                raise self.error

    def acknowledge(self, *outputs: Event, entries: Sequence[Entry] | None = None) -> None:
        self.acknowledger.acknowledge([(each, outputs) for each in entries or self.entries])

    @property
    def dead(self) -> list[str]:
        return [error for _, error in self.bus.dead_letters]

    @property
    def lag(self) -> int:
        return self.bus.count_lag("analyzer", ROLE.reads)


def test_entries_are_acknowledged_together():
    scene = Scene(3)
    scene.acknowledge()
    assert (scene.handled, scene.lag, scene.dead) == ([3], 0, [])
    scene.acknowledger.acknowledge([])
    assert scene.handled == [3]


def test_entry_that_always_fails_is_a_dead_letter_after_its_tries():
    scene = Scene(3, {1.0: 100})
    began = scene.clock.now()
    scene.acknowledge()
    assert (scene.lag, scene.dead) == (0, ["ValueError: cannot be stored"])
    assert scene.handled == [3, *[1] * 3, *[1] * (MAX_DELIVERIES - 1)]
    assert scene.clock.now() - began >= 0.05 * (MAX_DELIVERIES - 1), "a cause may end meanwhile"


def test_entry_that_fails_for_a_short_time_is_acknowledged():
    scene = Scene(2, {1.0: MAX_DELIVERIES})
    scene.acknowledge()
    assert (scene.lag, scene.dead) == (0, [])


@pytest.mark.parametrize("earlier", [False, True], ids=["first", "later"])
def test_error_is_raised_where_no_entry_of_the_batch_succeeds(earlier):
    scene = Scene(3, {1.0: 100, 2.0: 100})
    if earlier:
        scene.acknowledge(entries=scene.entries[:1])
    with pytest.raises(ValueError, match="cannot be stored"):
        scene.acknowledge(entries=scene.entries[1:])
    assert scene.dead == []


def test_single_entry_with_an_unencodable_output_is_a_dead_letter():
    scene = Scene(1, {0.0: 100})
    scene.acknowledge(UNENCODABLE)
    assert (scene.lag, len(scene.dead)) == (0, 1)


def test_error_of_an_adapter_is_raised_without_tries():
    scene = Scene(2, {1.0: 100})
    scene.error = RefusalError("no permission")
    with pytest.raises(RefusalError):
        scene.acknowledge()
    assert (scene.handled, scene.dead) == ([2], [])


def test_deferred_entry_has_the_reasons_reported():
    scene = Scene(1)
    [entry] = scene.entries
    for reason in ("paused", "", "approval"):
        scene.acknowledger.put_off(entry, Defer(scene.clock.now(), "it waits", reported=reason))
        scene.bus.requeue_due("analyzer", ROLE.reads, inf)
        [entry] = scene.bus.read("analyzer", "i", ROLE.reads, count=9, timeout=0)
    assert entry.notes == ("paused", "approval")
    assert scene.dead == []


def test_deferral_that_the_bus_refuses_is_raised(monkeypatch):
    scene = Scene(1)

    def refuse(*_: object) -> None:
        raise RefusalError("no permission")

    monkeypatch.setattr(scene.bus, "defer", refuse)
    with pytest.raises(RefusalError):
        scene.acknowledger.put_off(scene.entries[0], Defer(0.0, "it waits"))
    monkeypatch.setattr(scene.bus, "move_to_dead_letters", refuse)
    with pytest.raises(RefusalError):
        scene.acknowledger.bury(scene.entries[0], "broken")
    assert scene.dead == []


def test_dead_letter_that_cannot_be_written_is_an_error(monkeypatch):
    scene, calls = Scene(1), []

    def fail(*_: object) -> None:
        calls.append(1)
        raise ValueError("broken")

    monkeypatch.setattr(scene.bus, "move_to_dead_letters", fail)
    with pytest.raises(ValueError, match="broken"):
        scene.acknowledger.bury(scene.entries[0], "broken")
    assert len(calls) == 1


def test_error_of_a_dead_letter_is_cut_and_masked():
    scene = Scene(1)
    scene.acknowledger.bury(
        scene.entries[0], "password=Hx7q9Zw2k\n" + "x" * 2 * MAX_ERROR_CHARACTERS + "\ud800"
    )
    [error] = scene.dead
    assert "Hx7q9Zw2k" not in error
    assert len(error) <= MAX_ERROR_CHARACTERS + 50
    scene = Scene(1)
    scene.acknowledger.bury(scene.entries[0], "not \ud800 text")
    assert scene.dead == ["not ? text"]
