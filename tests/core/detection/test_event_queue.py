"""In which order events are handled, and which are left out."""

import itertools

import pytest

from hemostat.core.detection.event_cursor import Cursor
from hemostat.core.detection.event_queue import (
    MAX_EVENTS,
    MAX_EVENTS_PER_SECOND,
    MAX_MEASUREMENTS,
    EventQueue,
)
from hemostat.core.model import Connected, EngineEvent, Listing, Probed, Samples
from hemostat.events import Container

FLOODS = [
    "rename",
    "update",
    "create",
    "pause",
    "unpause",
    "kill",
    "healthy",
    "unhealthy",
    "oom",
    "start",
    "die",
]


def event(name: str, action: str, time: float = 100.0) -> EngineEvent:
    return EngineEvent(time=time, action=action, container=Container(id=name, name=name))


def drain(intake: EventQueue) -> list[object]:
    return list(iter(intake.take, None))


def order(intake: EventQueue) -> list[str]:
    return [
        f"{each.container.name} {each.action}" if isinstance(each, EngineEvent) else type(each).__name__
        for each in drain(intake)
    ]


@pytest.mark.parametrize("action", FLOODS)
def test_flood_of_one_container_does_not_delay_another(action):
    intake = EventQueue()
    for number in range(5000):
        intake.add(event("evil", action, 100.0 + number / 500))
    intake.add(event("victim", "die", 110.0))
    assert "victim die" in order(intake)[:2]


def test_mixed_flood_of_one_container_delays_another_little():
    intake = EventQueue()
    for number, action in enumerate(itertools.islice(itertools.cycle(FLOODS), 5000)):
        intake.add(event("evil", action, 100.0 + number / 500))
        if number % 100 == 0:
            intake.add(Samples(()))
    intake.add(event("victim", "die", 110.0))
    assert order(intake).index("victim die") < 200


def test_floods_of_many_containers_delay_another_one_turn():
    intake = EventQueue()
    for number in range(5000):
        intake.add(event(f"evil-{number % 50}", "kill", 100.0 + number / 500))
    intake.add(event("victim", "die", 110.0))
    assert order(intake).index("victim die") <= 50


def test_events_of_one_container_keep_their_order():
    intake = EventQueue()
    told = ["create", "rename", "start", "kill", "die", "stop", "start", "update", "kill", "die", "destroy"]
    for action in told:
        intake.add(event("web", action))
        intake.add(event("db", "kill"))
    assert [each for each in order(intake) if each.startswith("web")] == [f"web {action}" for action in told]


def test_other_observations_keep_their_order():
    intake = EventQueue()
    for observation in (
        event("a", "rename"),
        event("b", "die"),
        Listing((), thorough=True),
        event("c", "die"),
    ):
        intake.add(observation)
    assert order(intake) == ["b die", "a rename", "Listing", "c die"]


def test_dropped_events_name_the_container_and_keep_deaths():
    intake = EventQueue()
    for number in range(100):
        intake.add(event("evil", "kill", 100.0 + number / 1000))
    intake.add(event("evil", "die", 100.2))
    intake.add(event("quiet", "kill", 100.2))
    assert intake.left_out_ids == {"evil"}
    handled = order(intake)
    assert handled.count("evil kill") == MAX_EVENTS_PER_SECOND
    assert {"evil die", "quiet kill"} <= set(handled)


def test_events_within_the_rate_are_all_processed():
    intake = EventQueue()
    for number in range(400):
        intake.add(event("web", "unhealthy" if number % 2 else "healthy", 100.0 + number / 4))
        assert intake.take() is not None
    assert intake.left_out_ids == set()


def test_queue_is_bounded_in_total():
    intake = EventQueue()
    for number in range(MAX_EVENTS + 5000):
        intake.add(event(f"c{number}", "die", 100.0 + number / 1000))
    for number in range(MAX_MEASUREMENTS + 500):
        intake.add(Probed(container_id="x", time=float(number), error=""))
        intake.add(Listing(()))
    assert intake.has_overflowed
    assert len(intake) <= MAX_EVENTS + MAX_MEASUREMENTS + 1
    drain(intake)
    assert len(intake) == 0


def test_restart_in_a_flood_processes_each_event_once():
    """The cursor says up to where all events were handled, though some were handled before older ones."""
    intake = EventQueue()
    told = [
        event("evil", action, 100.0 + n) for n, action in enumerate(("create", "rename", "update", "die"))
    ]
    told.append(event("victim", "die", 110.0))
    for each in (Connected(), *told):
        intake.add(each)
    cursor, handled = Cursor(), []
    for _ in range(3):
        taken = intake.take()
        if isinstance(taken, EngineEvent):
            handled.append(taken)
            cursor = cursor.advance(taken, *intake.span)
    assert told[-1] in handled
    missed = [each for each in told if each not in handled]
    assert all(cursor.since <= each.time and not cursor.has_handled(each) for each in missed)
    assert all(cursor.has_handled(each) for each in handled if each.time >= cursor.since)
    for taken in iter(intake.take, None):
        cursor = cursor.advance(taken, *intake.span)
    assert cursor.until == 110.0
    assert len(cursor.near) == 1
