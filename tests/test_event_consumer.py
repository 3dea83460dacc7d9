"""How a consumer handles the entries of one worker: tries, results, and what is acknowledged together."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.consumer import CURRENT_INCIDENT, MAX_DELIVERIES, ConsumerLimits, EventConsumer
from hemostat.consumer.event_consumer import GATHER_SECONDS
from hemostat.events import Event
from hemostat.ports import Entry, Interrupted, RunInBackground
from hemostat.streams import ROLES_BY_NAME
from tests.support.clock import FakeClock
from tests.support.consumers import make_consumer_context
from tests.support.samples import alert, event, needed

ROLE = ROLES_BY_NAME["analyzer"]
RESULT = event(needed(), 9.0)


class Scene:
    def __init__(self, count: int, **limits: Any) -> None:
        self.clock = FakeClock()
        self.bus = InMemoryBus(self.clock)
        self.stop = threading.Event()
        self.results: list[Any] = []
        """What the next steps return or raise; an empty list once all were used."""
        self.steps: list[tuple[float, str]] = []
        self.sizes: list[int] = []
        self.seconds = 0.0
        """Duration of a step."""
        context = make_consumer_context(ROLE, self.bus, self.clock, self.stop)
        self.consumer = EventConsumer(context, ConsumerLimits(**limits), self._step)
        self.bus.publish([event(alert(), float(number)) for number in range(count)])
        self.entries = self.bus.read("analyzer", "i", ROLE.reads, count=100, timeout=0)
        ack_all = self.bus.ack_all

        def count_entries(role: str, entries: Sequence[tuple[Entry, Sequence[Event]]]) -> None:
            self.sizes.append(len(entries))
            ack_all(role, entries)

        self.bus.ack_all = count_entries

    def _step(self, _: Event, now: float, __: Sequence[str]) -> Any:
        self.steps.append((now, CURRENT_INCIDENT.get()))
        self.clock.advance(self.seconds)
        result = self.results.pop(0) if self.results else []
        if isinstance(result, BaseException):
            raise result
        return result() if isinstance(result, Callable) else result

    def handle(self, **changes: Any) -> None:
        self.consumer._handle([msgspec.structs.replace(each, **changes) for each in self.entries])

    @property
    def dead(self) -> list[str]:
        return [error for _, error in self.bus.dead_letters]


@pytest.mark.parametrize(("seconds", "sizes"), [(0.0, [5]), (GATHER_SECONDS / 2, [2, 2, 1]), (1.0, [1] * 5)])
def test_entries_finished_within_a_short_time_are_acknowledged_together(seconds, sizes):
    scene = Scene(5)
    scene.seconds = seconds
    scene.handle()
    assert scene.sizes == sizes
    assert scene.bus.count_lag("analyzer", ROLE.reads) == 0


@pytest.mark.parametrize(
    ("deliveries", "tries", "error"),
    [
        (1, MAX_DELIVERIES, "ValueError: broken"),
        (MAX_DELIVERIES, 1, "ValueError: broken"),
        (MAX_DELIVERIES + 1, 0, f"given up after {MAX_DELIVERIES} deliveries"),
    ],
)
def test_event_is_tried_a_number_of_times_over_all_deliveries(deliveries, tries, error):
    scene = Scene(1)
    scene.results = [ValueError("broken") for _ in range(9)]
    began = scene.clock.now()
    scene.handle(deliveries=deliveries)
    assert (len(scene.steps), scene.dead) == (tries, [error])
    assert scene.clock.now() - began >= 0.05 * tries


def test_event_that_succeeds_at_its_last_try_is_acknowledged():
    scene = Scene(1)
    scene.results = [ValueError("broken") for _ in range(MAX_DELIVERIES - 1)] + [[RESULT]]
    scene.handle()
    assert (scene.dead, scene.bus.read_recent("remediation_needed", 9)) == ([], [RESULT])
    assert [now for now, _ in scene.steps] == sorted({now for now, _ in scene.steps})


def test_incident_is_known_during_a_step_only():
    scene = Scene(1)
    scene.results = [ValueError("broken"), []]
    scene.handle()
    incident = scene.entries[0].event.incident
    assert [name for _, name in scene.steps] == [incident, incident]
    assert CURRENT_INCIDENT.get() == ""
    scene.consumer._run_step(scene.entries[0].event, ())
    assert (scene.steps[-1][1], CURRENT_INCIDENT.get()) == (incident, "")


def test_entries_after_a_stop_are_left_and_finished_ones_acknowledged():
    scene = Scene(4)
    scene.results = [[RESULT], lambda: scene.stop.set() or []]
    scene.handle()
    assert (len(scene.steps), scene.sizes) == (2, [2])
    assert scene.bus.count_lag("analyzer", ROLE.reads) == 2
    interrupted = Scene(3)
    interrupted.results = [[], Interrupted()]
    interrupted.handle()
    assert (interrupted.sizes, interrupted.dead) == ([1], [])


def test_entry_that_cannot_be_decoded_is_a_dead_letter():
    scene = Scene(1)
    scene.handle(event=None, error="not JSON")
    assert (scene.steps, scene.dead) == ([], ["not JSON"])


def test_background_work_is_bounded_and_its_slots_are_used_again():
    scene = Scene(6, background=1)
    begun, release = [], threading.Event()

    def work(_: float) -> list[Event]:
        release.wait(20)
        begun.append("background")
        return []

    def fall_back(_: float) -> list[Event]:
        begun.append("otherwise")
        return []

    scene.results = [RunInBackground(work, fall_back) for _ in range(6)]
    scene.handle()
    assert begun == ["otherwise"] * 2
    release.set()
    scene.consumer._background_pool.shutdown()
    assert begun[2:] == ["background"] * 4
    assert scene.bus.count_lag("analyzer", ROLE.reads) == 0
    assert all(scene.consumer._background_slots.acquire(blocking=False) for _ in range(4))


def test_interrupted_background_work_stays_unacknowledged():
    scene = Scene(1)
    scene.consumer._background_slots.acquire()
    scene.consumer._handle_in_background(
        scene.entries[0], scene.entries[0].event, lambda _: (_ for _ in ()).throw(Interrupted)
    )
    assert (scene.sizes, scene.dead) == ([], [])
    assert scene.bus.count_lag("analyzer", ROLE.reads) == 1
