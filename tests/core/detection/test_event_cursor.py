"""How far the engine's events have been acted on."""

from math import inf

import msgspec

from hemostat.core.detection.event_cursor import OVERLAP_SECONDS, Cursor
from hemostat.core.model import EngineEvent
from tests.support.samples import NOW, WEB


def happened(at: float, action: str = "die") -> EngineEvent:
    return EngineEvent(time=NOW + at, action=action, container=WEB)


def test_cursor_without_events_requests_no_past():
    assert Cursor().since is None


def test_overlap_is_requested_again_and_recognised():
    cursor = Cursor().advance(happened(0.0)).advance(happened(0.5, "start"))
    assert cursor.since == NOW + 0.5 - OVERLAP_SECONDS
    assert cursor.has_handled(happened(0.0))
    assert cursor.has_handled(happened(0.5, "start"))


def test_unseen_event_of_the_same_time_is_new():
    assert not Cursor().advance(happened(0.0)).has_handled(happened(0.0, "oom"))


def test_old_events_are_forgotten():
    cursor = Cursor()
    for second in range(100):
        cursor = cursor.advance(happened(float(second)))
    assert len(cursor.near) <= 2


def test_events_before_the_overlap_are_forgotten_without_an_end():
    cursor = Cursor(NOW)
    for number in range(1000):
        assert not cursor.has_handled(happened(number / 10, "start"))
        cursor = cursor.advance(happened(number / 10, "start"), last=inf)
    assert len(cursor.near) <= 11


def test_clock_set_back_is_followed():
    cursor = Cursor().advance(happened(100.0)).advance(happened(0.0))
    assert cursor.since == NOW - OVERLAP_SECONDS
    assert not cursor.has_handled(happened(100.0))


def test_cursor_survives_a_restart():
    cursor = Cursor().advance(happened(0.0))
    assert msgspec.json.decode(msgspec.json.encode(cursor), type=Cursor) == cursor
