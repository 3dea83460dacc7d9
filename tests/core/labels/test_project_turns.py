"""A round that must not take long, and what there was no time for."""

from hemostat.core.labels.project_turns import Turns
from tests.support.clock import FakeClock


def make(clock: FakeClock, seconds: float = 1.0) -> Turns[str]:
    """Items as `PROJECT-NAME`."""
    return Turns(clock.now, seconds, key=str, project=lambda each: each.partition("-")[0])


def serve(turns: Turns[str], items: list[str], clock: FakeClock, each_takes: float) -> list[str]:
    served = []
    for item in turns.take(items):
        clock.advance(each_takes)
        served.append(item)
    return served


def test_all_items_are_processed_in_order_with_enough_time():
    clock, items = FakeClock(), ["b-1", "a-1", "b-2"]
    turns = make(clock)
    for _ in range(3):
        assert serve(turns, items, clock, 0.0) == items


def test_waiting_items_come_first_and_projects_alternate():
    clock = FakeClock()
    turns = make(clock)
    items = [*(f"crowd-{number}" for number in range(50)), "shop-web"]
    assert serve(turns, items, clock, 0.5) == items[:2]
    assert serve(turns, items, clock, 0.5) == ["crowd-2", "shop-web"]


def test_every_item_is_processed_eventually():
    clock = FakeClock()
    turns = make(clock)
    items = [f"crowd-{number}" for number in range(9)]
    seen = [item for _ in range(9) for item in serve(turns, items, clock, 1.5)]
    assert sorted(seen) == items


def test_removed_item_is_forgotten():
    clock = FakeClock()
    turns = make(clock)
    serve(turns, ["a-1", "a-2"], clock, 1.5)
    serve(turns, ["a-2", "a-3"], clock, 1.5)
    assert turns._served.keys() == {"a-2"}
