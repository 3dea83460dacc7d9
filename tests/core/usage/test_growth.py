"""How a level grows, and what is unknown about it."""

from math import inf

import pytest

from hemostat.core.usage.growth import Growth, is_levelling_off, measure_growth
from hemostat.core.usage.trend import Trend


def measure(values, *, limit: float = 1000.0, horizon: float = 900.0, since: float = 0.0) -> Growth:
    """Growth of one value a second from second 0 on."""
    points = tuple((float(time), float(value)) for time, value in enumerate(values))
    latest = points[-1][0] if points else -inf
    return measure_growth(Trend(points, latest), limit, horizon=horizon, since=since)


def test_steady_growth_tells_when_the_limit_is_reached():
    assert measure(range(100, 200, 10)) == Growth(9.0, 10.0, 81.0, is_steady=True, is_slowing=False)


def test_level_at_its_limit_has_no_time_left():
    assert measure(range(100, 200, 10), limit=150).seconds_left == 0.0


@pytest.mark.parametrize(("count", "slope"), [(3, None), (4, 10.0)])
def test_four_points_are_the_least_to_measure_growth(count, slope):
    assert measure([100 + 10 * t for t in range(count)]).slope == slope


def test_growth_is_unknown_without_a_limit():
    assert measure(range(100, 200, 10), limit=0.0) == Growth(9.0, None)
    assert measure(range(100, 200, 10), limit=1.0).slope == 10.0


def test_points_before_since_do_not_count():
    """It grew for ten seconds, and is flat from the tenth on."""
    values = [*range(100, 200, 10), *[190] * 10]
    assert measure(values, since=10.0) == Growth(9.0, 0.0)
    assert measure(values, since=9.0).seen_seconds == 10.0


def test_no_points_are_no_growth_seen():
    assert measure([]) == Growth(0.0, None)


@pytest.mark.parametrize(("horizon", "slope"), [(899.0, 0.0), (901.0, None)])
def test_level_is_flat_only_if_the_limit_is_out_of_reach(horizon, slope):
    """By its noise of 1.5, the level may rise by 0.5 a second: 900 seconds for the 450 to the limit."""
    assert measure([103, 100] * 5, limit=550.0, horizon=horizon).slope == slope


@pytest.mark.parametrize(("rise", "slope"), [(0.5, None), (0.6, 0.6)])
def test_growth_below_a_share_of_the_limit_is_not_reported(rise, slope):
    """0.5 % of the limit are 5: nine steps of 0.5 are less, nine of 0.6 more."""
    found = measure([100 + rise * t for t in range(10)], horizon=1e9)
    assert found.slope == (None if slope is None else pytest.approx(slope))


@pytest.mark.parametrize(
    ("values", "first"),
    [
        ([5, 500, *range(500, 600, 10)], 1.0),
        ([500, 5, *range(5, 105, 10)], 1.0),
        ([5, 300, 600, *range(600, 700, 10)], 2.0),
        (range(100, 200, 10), 0.0),
    ],
)
def test_data_loaded_at_once_is_no_growth(values, first):
    values = list(values)
    assert measure(values).seen_seconds == len(values) - 1 - first


def test_step_counts_from_a_fifth_of_the_range_and_five_common_steps():
    just_five = [100, 110, 160, *range(170, 250, 10)]
    assert measure(just_five).seen_seconds == 10.0
    more_than_five = [100, 110, 161, *range(171, 251, 10)]
    assert measure(more_than_five).seen_seconds == 8.0
    small_share = [0, 6, *range(7, 40)]
    assert measure(small_share, limit=100.0).seen_seconds == 34.0


def rising(*steps: float) -> tuple[tuple[float, float], ...]:
    """Points, from 0 on, that rise by these steps."""
    return tuple((float(t), float(sum(steps[:t]))) for t in range(len(steps) + 1))


SLOWING = (10, 10, 10, 5, 5, 5, 2, 2, 2)
"""30 in the first third and 6 in the last. By the root of that ratio, 4.85 remain until it stands at 51."""


def test_growth_that_slows_down_below_the_limit_levels_off():
    end = 51 + 6 * 0.2**0.5 / (1 - 0.2**0.5)
    assert is_levelling_off(rising(*SLOWING), end + 0.1)
    assert not is_levelling_off(rising(*SLOWING), end - 0.1)


@pytest.mark.parametrize(("last", "slows"), [(6, True), (7, False), (8, False)])
def test_growth_slows_down_below_seven_tenths(last, slows):
    assert is_levelling_off(rising(10, 10, 10, 9, 9, 9, last, last, last), 1e9) is slows


def test_growth_that_turns_into_a_fall_is_not_slowing():
    assert not is_levelling_off(rising(10, 10, 10, 5, 5, 5, -1, -1, -1), 1e9)
    assert is_levelling_off(rising(10, 10, 10, 5, 5, 5, 0, 0, 0), 1e9)


@pytest.mark.parametrize(("count", "slows"), [(7, False), (8, True)])
def test_slowing_down_needs_eight_points(count, slows):
    points = rising(*(10, 10, 8, 6, 4, 2, 1)[: count - 1])
    assert len(points) == count
    assert is_levelling_off(points, 1e9) is slows


def test_growth_reports_that_it_slows_down():
    values = [100 + value for _, value in rising(*SLOWING)]
    assert measure(values).is_slowing
    assert not measure(values, limit=152.0).is_slowing
