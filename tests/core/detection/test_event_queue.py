"""In which order events are handled, and which are left out."""

import itertools

import pytest

from hemostat.core.detection.event_cursor import Cursor
from hemostat.core.detection.event_queue import (
    MAX_EVENTS,
    MAX_EVENTS_PER_SECOND,
    MAX_LABEL_BYTES,
    MAX_MEASUREMENTS,
    EventQueue,
    count_label_bytes,
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


# --- limits -----------------------------------------------------------------------------------------


def fill(action: str, count: int, *, every: float = 0.0) -> EventQueue:
    intake = EventQueue()
    for number in range(count):
        intake.add(event("web", action, 100.0 + every * number))
    return intake


def test_eight_events_are_handled_in_a_second():
    assert len(fill("kill", 8)) == 8
    assert len(fill("kill", 9)) == 8
    assert len(fill("kill", 16, every=1 / 8)) == 16
    assert fill("kill", 8).left_out_ids == set()
    assert fill("kill", 9).left_out_ids == {"web"}


def test_number_of_waiting_events_is_bounded_by_their_kind():
    assert len(fill("kill", 40, every=1.0)) == 32
    assert len(fill("die", 80)) == 64
    assert len(fill("kill", 32, every=1.0)) == 32
    assert len(fill("die", 64)) == 64


def test_repeated_inspection_is_dropped_until_the_next_other_observation():
    intake = fill("rename", 3)
    assert len(intake) == 1
    assert intake.left_out_ids == set()
    intake.add(event("web", "update"))
    intake.add(event("db", "rename"))
    assert len(intake) == 3
    intake.add(Connected())
    intake.add(event("web", "rename"))
    assert order(intake) == ["web rename", "db rename", "web update", "Connected", "web rename"]


def test_container_with_an_urgent_event_is_handled_first():
    intake = EventQueue()
    for name, action in (("a", "rename"), ("b", "rename"), ("b", "die"), ("c", "rename"), ("b", "update")):
        intake.add(event(name, action))
    assert order(intake) == ["b rename", "b die", "a rename", "c rename", "b update"]


def test_second_listing_is_dropped_unless_thorough():
    intake = EventQueue()
    for listing in (Listing(()), Listing(()), Listing((), thorough=True), Listing(())):
        intake.add(listing)
    assert [each.thorough for each in drain(intake)] == [False, True]


def test_measurements_wait_up_to_their_limit():
    intake = EventQueue()
    for number in range(MAX_MEASUREMENTS + 1):
        intake.add(Probed(container_id="x", time=float(number), error=""))
    assert len(intake) == MAX_MEASUREMENTS
    intake.take()
    intake.add(Probed(container_id="x", time=0.0, error=""))
    intake.add(Samples(()))
    assert len(intake) == MAX_MEASUREMENTS + 1


def test_overflow_begins_beyond_the_limit():
    intake = EventQueue()
    for number in range(MAX_EVENTS):
        intake.add(event(f"c{number}", "die"))
    assert (intake.has_overflowed, len(intake)) == (False, MAX_EVENTS)
    intake.add(event("more", "die"))
    assert (intake.has_overflowed, len(intake)) == (True, MAX_EVENTS)


def test_span_has_the_first_event_that_waits():
    intake = EventQueue()
    assert intake.span is None
    for time in (5.0, 7.0):
        intake.add(event("web", "die", time))
    assert tuple(intake.span) == (5.0, 7.0)
    intake.take()
    assert tuple(intake.span) == (7.0, 7.0)
    intake.take()
    assert tuple(intake.span) == (7.0, 7.0)
    assert intake.take() is None


def labelled(number: int) -> EngineEvent:
    labels = {"hemostat.depends_on": "\U0001f4a3" * 4000 + str(number)}
    container = Container(id=f"evil-{number}", name=f"evil-{number}", labels=labels)
    return EngineEvent(time=100.0, action="die", container=container)


def test_events_with_long_labels_fill_no_memory():
    intake = EventQueue()
    for number in range(MAX_EVENTS // 2):
        intake.add(labelled(number))
    waiting = [each for each in drain(intake) if isinstance(each, EngineEvent)]
    assert MAX_LABEL_BYTES / 2 < sum(map(count_label_bytes, waiting)) <= MAX_LABEL_BYTES
    assert len(waiting) + len(intake.left_out_ids) == MAX_EVENTS // 2


def test_events_with_long_labels_displace_no_others():
    intake = EventQueue()
    for number in range(MAX_EVENTS // 2):
        intake.add(labelled(number))
    intake.add(event("victim", "die"))
    assert "victim die" in order(intake)
    intake.add(labelled(0))
    assert order(intake) == ["evil-0 die"]


def test_containers_to_inspect_are_listed_where_there_are_too_many():
    intake = EventQueue()
    for number in range(2 * MAX_EVENTS):
        intake.add(labelled(number))
    assert len(intake.left_out_ids) == MAX_EVENTS
    assert intake.has_overflowed
