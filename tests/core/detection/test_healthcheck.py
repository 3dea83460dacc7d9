"""When a failing health check is an alert, and when it only flaps."""

from math import inf, nan

from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.detection.exits import is_crash_loop
from hemostat.core.detection.healthcheck import (
    HealthcheckState,
    has_come_back,
    has_settled,
    is_calm,
    is_due,
    is_flapping,
    record_result,
)
from hemostat.core.settings.monitor import MonitorSettings

TUNED = MonitorSettings(window=10.0, flap_changes=4, flap_window=60.0, loop_deaths=3, loop_window=60.0)


def after(*turns: tuple[float, bool], health: HealthcheckState | None = None) -> HealthcheckState:
    """The health after these reports of the engine: when, and whether healthy."""
    health = health or HealthcheckState()
    for time, healthy in turns:
        health = record_result(health, healthy=healthy, time=time, window=TUNED.flap_window)
    return health


def test_first_pass_after_a_start_is_not_a_change():
    assert after((1.0, True)) == HealthcheckState(passed_at=1.0)


def test_failing_check_is_due_at_once_unless_held():
    ill = after((1.0, True), (5.0, False))
    assert is_due(ill, TUNED, 5.0)
    patient = MonitorSettings(unhealthy_for=30.0)
    assert not is_due(ill, patient, 34.9)
    assert is_due(ill, patient, 35.0)


def test_self_recovered_check_gets_the_window_again():
    ill = after((5.0, False), (6.0, True), (20.0, False))
    assert not is_due(ill, TUNED, 29.9)
    assert is_due(ill, TUNED, 30.0)


def test_repeated_result_changes_nothing():
    passing = after((1.0, True))
    assert after((9.0, True), health=passing) is passing
    failing = after((5.0, False), health=passing)
    assert failing == HealthcheckState(failing_since=5.0, passed_at=1.0, changes=(5.0,))
    assert after((9.0, False), health=failing) is failing
    assert after((9.0, True), health=failing) == HealthcheckState(passed_at=9.0, changes=(5.0, 9.0))


def test_changes_are_forgotten_after_the_window():
    assert after((0.0, False), (59.9, True)).changes == (0.0, 59.9)
    assert after((0.0, False), (60.0, True)).changes == (60.0,)


def test_check_has_settled_when_it_passed_for_long_enough():
    assert has_settled(HealthcheckState(passed_at=5.0), TUNED, 15.0)
    assert not has_settled(HealthcheckState(passed_at=5.0), TUNED, 14.9)
    assert not has_settled(HealthcheckState(failing_since=6.0, passed_at=5.0), TUNED, 99.0)
    assert not has_settled(HealthcheckState(), TUNED, 99.0)


def test_failure_has_come_back_if_it_began_later():
    assert has_come_back(HealthcheckState(failing_since=6.0), 5.9)
    assert not has_come_back(HealthcheckState(failing_since=6.0), 6.0)
    assert not has_come_back(HealthcheckState(passed_at=9.0), 5.0)


def test_hold_of_a_recovered_check_is_the_longer_one():
    failing = after((5.0, False), (6.0, True), (20.0, False))
    assert not is_due(failing, MonitorSettings(window=10.0, unhealthy_for=15.0), 34.9)
    assert is_due(failing, MonitorSettings(window=10.0, unhealthy_for=15.0), 35.0)


def test_passing_check_is_never_due():
    assert not is_due(after((5.0, False), (6.0, True)), TUNED, 1000.0)


def test_alternating_check_flaps_until_calm():
    health = after((0.0, False), (10.0, True), (20.0, False), (30.0, True))
    assert is_flapping(health, TUNED, 30.0)
    assert not is_flapping(health, TUNED, 60.0)
    assert not is_calm(health, TUNED, 60.0)
    assert is_calm(health, TUNED, 80.0)


def test_clock_set_back_forgets_future_changes():
    health = after((1000.0, False), (1010.0, True), (1020.0, False), (1030.0, True))
    assert not is_flapping(health, TUNED, 500.0)
    assert not is_flapping(after((500.0, False), health=health), TUNED, 500.0)
    assert not is_crash_loop((1000.0, 1001.0, 500.0), TUNED, 500.0)


def test_three_deaths_in_the_window_are_a_loop():
    assert is_crash_loop((0.0, 30.0, 59.0), TUNED, 59.0)
    assert not is_crash_loop((0.0, 30.0, 60.0), TUNED, 60.0)
    assert not is_crash_loop((0.0, 30.0), TUNED, 30.0)


ANY = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([nan, inf, -inf])


@given(st.lists(st.tuples(ANY, st.booleans()), max_size=30), ANY)
def test_any_clock_gives_a_valid_result(turns, now):
    health = after(*turns)
    healthy = turns[-1][1] if turns else True
    assert (health.failing_since is None) == healthy
    if healthy:
        assert not is_due(health, TUNED, now)
    if len(health.changes) < TUNED.flap_changes:
        assert not is_flapping(health, TUNED, now)
    assert not (is_flapping(health, TUNED, now) and is_calm(health, TUNED, now))


@given(st.lists(st.integers(0, 200), max_size=20), st.integers(-(2**40), 2**40))
def test_time_of_day_does_not_matter(times, later):
    turns = [(float(time), index % 2 == 1) for index, time in enumerate(sorted(times))]
    moved = [(time + later, healthy) for time, healthy in turns]
    assert is_flapping(after(*turns), TUNED, 200.0) == is_flapping(after(*moved), TUNED, 200.0 + later)
    deaths = [time for time, _ in turns]
    assert is_crash_loop(deaths, TUNED, 200.0) == is_crash_loop(
        [t + later for t in deaths], TUNED, 200.0 + later
    )
