"""How far the engine's events have been acted on."""

from math import inf

import msgspec

from hemostat.core.detection.event_cursor import OVERLAP_SECONDS, Cursor
from hemostat.core.model import EngineEvent
from tests.support.samples import NOW, WEB


def happened(at: float, action: str = "die") -> EngineEvent:
    return EngineEvent(time=NOW + at, action=action, container=WEB)


def test_before_the_first_event_nothing_is_asked_for():
    assert Cursor().since is None


def test_a_little_of_the_past_is_asked_for_again_and_recognised():
    cursor = Cursor().past(happened(0.0)).past(happened(0.5, "start"))
    assert cursor.since == NOW + 0.5 - OVERLAP_SECONDS
    assert cursor.knows(happened(0.0))
    assert cursor.knows(happened(0.5, "start"))


def test_an_event_at_the_same_moment_that_was_not_seen_is_news():
    assert not Cursor().past(happened(0.0)).knows(happened(0.0, "oom"))


def test_what_is_long_past_is_forgotten():
    cursor = Cursor()
    for second in range(100):
        cursor = cursor.past(happened(float(second)))
    assert len(cursor.near) <= 2


def test_events_before_the_overlap_are_forgotten_without_an_end():
    cursor = Cursor(NOW)
    for number in range(1000):
        assert not cursor.knows(happened(number / 10, "start"))
        cursor = cursor.past(happened(number / 10, "start"), last=inf)
    assert len(cursor.near) <= 11


def test_a_clock_that_is_set_back_is_followed():
    cursor = Cursor().past(happened(100.0)).past(happened(0.0))
    assert cursor.since == NOW - OVERLAP_SECONDS
    assert not cursor.knows(happened(100.0))


def test_it_survives_a_restart():
    cursor = Cursor().past(happened(0.0))
    assert msgspec.json.decode(msgspec.json.encode(cursor), type=Cursor) == cursor
