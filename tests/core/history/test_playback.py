"""Playing: where one is."""

import pytest

from hemostat.core.history import playback
from hemostat.core.history.playback import JUMP_SPEED, PlaybackPosition, advance
from tests.support.replays import make_replay
from tests.support.samples import NOW, alert, complete, event, stats

TOLD = make_replay(
    event(alert(), 100.0, incident="a"),
    event(complete(), 101.0, incident="a"),
    event(alert(), 300.0, incident="b"),
    event(stats(), 500.0),
)


def here(at: float, **changes) -> PlaybackPosition:
    return PlaybackPosition(NOW + at, **changes)


@pytest.mark.parametrize(
    ("before", "elapsed", "after"),
    [
        (here(0), 2.0, 2.0),
        (here(0, speed=0.5), 2.0, 1.0),
        (here(0, speed=32.0), 2.0, 64.0),
        (here(5, paused=True), 2.0, 5.0),
        (here(5), 0.0, 5.0),
        (here(5), -3.0, 5.0),
        (here(499), 2.0, 500.0),
    ],
)
def test_time_passes_at_the_playback_speed(before, elapsed, after):
    assert advance(TOLD, before, elapsed).position == NOW + after


@pytest.mark.parametrize(
    ("before", "after"),
    [(0, 97), (98, 98.25), (102, 102.25), (103.5, 103.75), (104, 297), (302, 302.25), (304, 500)],
)
def test_jump_skips_quiet_periods(before, after):
    """A little is left to be seen before and after; the end is where there is nothing more."""
    assert advance(TOLD, here(before, speed=JUMP_SPEED), 0.25).position == NOW + after


@pytest.mark.parametrize(
    ("before", "direction", "after"),
    [(0, 1, 97), (97, 1, 297), (297, 1, 297), (400, -1, 297), (299, -1, 97), (50, -1, 50), (99, -1, 99)],
)
def test_jump_lands_shortly_before_an_incident(before, direction, after):
    assert playback.jump_to_incident(TOLD, here(before), direction).position == NOW + after


def test_position_stays_within_the_replay():
    assert playback.move_to(TOLD, here(5), NOW - 9).position == NOW
    assert playback.move_to(TOLD, here(5), NOW + 900).position == NOW + 500


def test_speed_has_a_minimum_and_maximum():
    slow, fast = here(0, speed=0.5), here(0, speed=JUMP_SPEED)
    assert playback.change_speed(slow, -1) == slow
    assert playback.change_speed(fast, 1) == fast
    assert playback.change_speed(here(0, speed=32.0), 1) == fast


def test_track_shows_position_and_incidents():
    assert playback.draw_track(TOLD, NOW + 250, 10) == "━━!━━●!───"
    assert playback.draw_track(TOLD, NOW + 500, 10) == "━━!━━━!━━●"
    assert playback.draw_track(make_replay(), NOW, 4) == "━━━●"
    assert playback.draw_track(TOLD, NOW, 0) == ""
