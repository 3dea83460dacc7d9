"""The floor, the crest and the ceiling of a value, and the limits of a rise."""

import pytest

from hemostat.core.usage.trend import Trend, extend_trend, find_rise, find_steady_slope, is_sawtooth

WINDOW = 300.0
"""A bucket has 10 seconds."""


def feed(*values: tuple[float, float]) -> Trend:
    trend = Trend()
    for time, value in values:
        trend = extend_trend(trend, time, value, window=WINDOW)
    return trend


def line(*heights: float, step: float = 10.0) -> tuple[tuple[float, float], ...]:
    return tuple((step * number, height) for number, height in enumerate(heights))


def test_first_value_is_the_whole_trend():
    assert feed((7.0, 5.0)) == Trend(((7.0, 5.0),), 7.0, 7.0, 5.0)


def test_bucket_keeps_its_lowest_value():
    trend = feed((0.0, 5.0), (4.0, 3.0), (9.9, 4.0))
    assert (trend.points, trend.latest, trend.bucket_start) == (((4.0, 3.0),), 9.9, 0.0)
    trend = extend_trend(trend, 10.0, 4.5, window=WINDOW)
    assert (trend.points, trend.bucket_start) == (((4.0, 3.0), (10.0, 4.5)), 10.0)
    assert extend_trend(trend, 10.0, 0.0, window=WINDOW) is trend


def test_gap_of_a_window_ends_the_trend():
    assert len(feed((0.0, 5.0), (300.0, 5.0)).points) == 2
    assert feed((0.0, 5.0), (300.1, 6.0)) == Trend(((300.1, 6.0),), 300.1, 300.1, 6.0)
    assert feed((5.0, 5.0), (4.0, 6.0)) == Trend(((4.0, 6.0),), 4.0, 4.0, 6.0)


def test_points_before_the_window_are_dropped_except_the_last():
    trend = feed(*line(*range(32)))
    assert [time for time, _ in trend.points] == [10.0 * number for number in range(1, 32)]
    trend = feed(*((4.0 + time, value) for time, value in line(*range(31))), (309.0, 40.0))
    assert trend.points[0][0] == 4.0


@pytest.mark.parametrize(("low", "ceiling", "crest"), [(95.0, 0.0, 100.0), (94.9, 100.0, 94.9)])
def test_crest_falls_by_more_than_a_twentieth(low, ceiling, crest):
    trend = feed((0.0, 100.0), (10.0, low))
    assert (trend.ceiling, trend.crest) == (ceiling, crest)
    assert trend.ceiling_at == (10.0 if ceiling else float("-inf"))


def test_ceiling_is_the_greatest_height_and_is_renewed_by_an_equal_one():
    lower = feed((0.0, 100.0), (10.0, 50.0), (20.0, 80.0), (30.0, 50.0))
    assert (lower.ceiling, lower.ceiling_at, lower.crest) == (100.0, 10.0, 50.0)
    equal = feed((0.0, 100.0), (10.0, 50.0), (20.0, 100.0), (30.0, 50.0))
    assert (equal.ceiling, equal.ceiling_at) == (100.0, 30.0)


def test_ceiling_is_forgotten_after_twelve_windows():
    tooth = ((0.0, 100.0), (10.0, 50.0))
    flat = [(10.0 + 100.0 * number, 50.0) for number in range(1, 37)]
    assert feed(*tooth, *flat).ceiling == 100.0
    assert feed(*tooth, *flat, (3610.5, 50.0)).ceiling == 0.0


# --- rises ------------------------------------------------------------------------------------------


def rise(points, limit: float = 1000.0, **fields):
    heights = [height for _, height in points]
    trend = Trend(tuple(points), points[-1][0], points[-1][0], max(heights))
    return find_rise(trend, limit, window=WINDOW, **fields)


def test_rise_has_its_slope_floor_and_time():
    found = rise(line(*range(100, 410, 10)))
    assert (found.slope, found.floor, found.seconds_left) == (1.0, 400.0, 600.0)
    late = Trend(line(*range(100, 410, 10)), 305.0, 300.0, 400.0)
    assert find_rise(late, 1000.0, window=WINDOW).floor == 405.0
    assert rise(line(*range(100, 410, 10)), limit=350.0).seconds_left == 0.0


@pytest.mark.parametrize(("count", "is_rise"), [(28, True), (27, False)])
def test_rise_needs_nine_tenths_of_the_window(count, is_rise):
    """28 points span 270 seconds."""
    assert (rise(line(*(100 + 10 * number for number in range(count)))) is not None) is is_rise


@pytest.mark.parametrize(("share", "is_rise"), [(0.3, True), (0.301, False)])
def test_rise_makes_up_a_share_of_the_limit_in_a_window(share, is_rise):
    assert (rise(line(*range(100, 410, 10)), share=share) is not None) is is_rise


def test_troughs_must_span_half_of_the_window():
    """Teeth, whose three troughs are 100 seconds apart at first, and 40 later."""
    wide = [100, 400, 120, 420, 140, 440, 160, 460]
    points = [(40.0 * number, float(height)) for number, height in enumerate(wide)]
    assert rise(points, share=0.01) is not None
    tight = [(200.0 + 12.0 * number, float(height)) for number, height in enumerate(wide)]
    assert rise([(0.0, 100.0), *tight], share=0.01) is None


@pytest.mark.parametrize(
    ("heights", "slope"),
    [
        ((0, 10, 20), 1.0),
        ((0, 10), None),
        ((0, 6, 10), 0.5),
        ((0, 6.1, 10), None),
        ((0, 10, 5, 20, 12, 30, 22), None),
        ((0, 10, 5, 20, 30, 40, 50), 1.0),
        ((0, 10, 20, 30, 40, 41, 42, 43), 0.1),
        ((10, 10, 10), None),
    ],
)
def test_slope_is_that_of_a_steady_floor(heights, slope):
    found = find_steady_slope(line(*heights))
    assert found == (slope if slope is None else pytest.approx(slope, rel=0.01))


@pytest.mark.parametrize(("ceiling", "is_tooth"), [(95.0, True), (94.9, False), (0.0, False)])
def test_height_that_fell_before_is_a_sawtooth(ceiling, is_tooth):
    flat = line(*[100.0] * 31)
    assert is_sawtooth(Trend(flat, 300.0, 300.0, 100.0, ceiling, 5.0)) is is_tooth
