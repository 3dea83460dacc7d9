"""Whether memory leaks, or only breathes."""

from collections.abc import Callable, Iterable
from math import exp, inf, nan, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.usage.trend import (
    BUCKETS_PER_WINDOW,
    MAX_CEILING_WINDOWS,
    Rise,
    Trend,
    extend_trend,
    find_rise,
    is_sawtooth,
)

MIB = 1 << 20
WINDOW, LIMIT = 300.0, 1000 * MIB


def fed(values: Iterable[tuple[float, float]], window: float = WINDOW) -> Trend:
    trend = Trend()
    for time, value in values:
        trend = extend_trend(trend, time, value, window=window)
    return trend


def seconds(value: Callable[[int], float], count: int, start: int = 0) -> list[tuple[float, float]]:
    return [(float(t), value(t) * MIB) for t in range(start, count + 1)]


def risen(value: Callable[[int], float], count: int = 600) -> Rise | None:
    return find_rise(fed(seconds(value, count)), LIMIT, window=WINDOW)


def ever(value: Callable[[int], float], count: int) -> list[int]:
    """At which seconds it was said to rise."""
    trend, found = Trend(), []
    for time, amount in seconds(value, count):
        trend = extend_trend(trend, time, amount, window=WINDOW)
        if find_rise(trend, LIMIT, window=WINDOW) is not None:
            found.append(int(time))
    return found


def noise(t: int) -> float:
    """Between -1 and 1, without a pattern in whole seconds."""
    return sin(t * t * 12.9898) * sin(t * 78.233)


def test_leak_has_its_slope_and_remaining_time():
    found = risen(lambda t: 100 + 0.5 * t)
    assert found is not None
    assert found.slope == pytest.approx(0.5 * MIB, rel=0.01)
    assert found.floor == pytest.approx(400 * MIB, rel=0.02)
    assert found.seconds_left == pytest.approx(1200, rel=0.05)


def test_leak_is_reported_after_a_whole_window():
    assert ever(lambda t: 100 + 0.5 * t, 400)[0] in range(270, 310)


def test_three_seconds_are_enough_for_a_short_window():
    trend = fed([(t, (20 + 1.25 * t) * MIB) for t in (0.0, 1.02, 1.99, 3.03)], window=3)
    found = find_rise(trend, 64 * MIB, window=3)
    assert found is not None
    assert found.seconds_left == pytest.approx((44 / 1.25) - 3, rel=0.05)
    assert find_rise(fed(seconds(lambda t: 20 + 1.25 * t, 2), window=3), 64 * MIB, window=3) is None


def test_leak_in_a_sawtooth_is_found_by_its_troughs():
    found = risen(lambda t: 100 + 0.4 * t + 3 * (t % 50))
    assert found is not None
    assert found.slope == pytest.approx(0.4 * MIB, rel=0.1)


@pytest.mark.parametrize("size", [5, 20, 60])
def test_leak_under_noise_is_detected(size):
    assert risen(lambda t: 100 + 0.8 * t + size * noise(t)) is not None


HEALTHY = {
    "flat": lambda t: 500,
    "noise": lambda t: 500 + 100 * noise(t),
    "falling": lambda t: 900 - 0.5 * t,
    "too little": lambda t: 500 + 0.1 * t,
    "saw-tooth of a few seconds": lambda t: 200 + 50 * (t % 7),
    "saw-tooth of a minute": lambda t: 200 + 8 * (t % 60),
    "saw-tooth with a bucket's beat": lambda t: 200 + 50 * (t % 10),
    "saw-tooth of a few seconds and noisy height": lambda t: 500 + 50 * (t % 7) + 15 * noise(t),
    "saw-tooth of noisy height": lambda t: 200 + 8 * (t % 60) + 20 * noise(t),
    "loaded at once": lambda t: 100 + 700 * (t > 400),
    "loaded in two steps": lambda t: 100 + 300 * (t > 350) + 300 * (t > 480),
    "full from the start on": lambda t: 950,
    "a short spike": lambda t: 100 + 500 * (595 <= t < 600),
    "warmed up long ago": lambda t: 800 * (1 - exp(-t / 60)),
    "a wave": lambda t: 500 + 200 * sin(t / 20),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_memory_does_not_rise(name):
    assert [t for t in ever(HEALTHY[name], 1200) if t > 400] == []


@pytest.mark.parametrize("name", [name for name in HEALTHY if name not in {"warmed up long ago", "a wave"}])
def test_healthy_memory_has_never_risen(name):
    assert ever(HEALTHY[name], 1200) == []


def test_sawtooth_above_the_window_is_known_after_one_period():
    def tooth(t: int) -> float:
        return 200 + 0.5 * (t % 800)

    found = ever(tooth, 4000)
    assert found
    assert max(found) < 800
    assert is_sawtooth(fed(seconds(tooth, 1200)))


def test_equal_peaks_stay_known_for_longer_than_a_ceiling_lasts():
    """As those of a heap with a maximum size, whose garbage collection is slower than the window."""

    def tooth(t: int) -> float:
        return 200 + 0.5 * (t % 800)

    trend = fed(seconds(tooth, int(800 + MAX_CEILING_WINDOWS * WINDOW + 350)))
    assert is_sawtooth(trend)
    assert find_rise(trend, LIMIT, window=WINDOW) is None
    assert find_rise(fed(seconds(tooth, 1599)), LIMIT, window=WINDOW) is None, "at the peak itself"


@pytest.mark.parametrize("name", [name for name in HEALTHY if name.startswith("saw-tooth")])
def test_sawtooth_is_recognised_at_any_height(name):
    trend, unknown = Trend(), []
    for time, value in seconds(HEALTHY[name], 1200):
        trend = extend_trend(trend, time, value, window=WINDOW)
        if time > 200 and not is_sawtooth(trend):
            unknown.append(time)
    assert unknown == []


@pytest.mark.parametrize(
    "value",
    [
        lambda t: 500,
        lambda t: 500 + 10 * noise(t),
        lambda t: 100 + 0.5 * t,
        lambda t: 100 + 0.5 * t + 2 * noise(t),
        lambda t: 100 + 0.5 * t + 20 * noise(t),
    ],
)
def test_flat_or_rising_memory_has_no_sawtooth(value):
    assert not is_sawtooth(fed(seconds(value, 600)))
    assert not is_sawtooth(Trend())


def test_slowing_leak_has_a_longer_remaining_time():
    steep = risen(lambda t: 100 + 0.5 * t)
    slowing = risen(lambda t: 400 - 300 * (1 - t / 600) ** 2 if t < 600 else 400, 500)
    assert steep is not None
    assert slowing is not None
    assert slowing.seconds_left > steep.seconds_left / 2


def test_new_process_is_not_a_rise():
    assert risen(lambda t: 100 + 0.5 * t if t < 450 else 5 + 0.5 * (t - 450)) is None


@pytest.mark.parametrize("jump", [-1000.0, -0.5, 301.0, 1e9])
def test_clock_jump_restarts_the_trend(jump):
    before = seconds(lambda t: 100 + 0.5 * t, 600)
    assert find_rise(fed([*before, (600 + jump, 500 * MIB)]), LIMIT, window=WINDOW) is None


def test_higher_value_after_a_gap_is_not_a_rise():
    series = [*seconds(lambda t: 100, 10), *seconds(lambda t: 500 + t / 100, 400, start=290)]
    trend = Trend()
    for time, value in series:
        trend = extend_trend(trend, time, value, window=WINDOW)
        assert find_rise(trend, LIMIT, window=WINDOW) is None


@pytest.mark.parametrize("limit", [0.0, -1.0, nan, inf])
def test_no_rise_is_reported_without_a_limit(limit):
    assert find_rise(fed(seconds(lambda t: 100 + 0.5 * t, 600)), limit, window=WINDOW) is None


@pytest.mark.parametrize("odd", [(601.0, nan), (nan, 5.0), (601.0, inf), (inf, 5.0), (600.0, 0.0)])
def test_invalid_numbers_are_ignored(odd):
    before = seconds(lambda t: 100 + 0.5 * t, 600)
    assert fed([*before, odd]) == fed(before)


WILD = st.floats(allow_nan=True, allow_infinity=True, width=32)
HEIGHTS = st.lists(st.integers(0, 1000), min_size=1, max_size=60)


@given(st.lists(st.tuples(WILD, WILD), max_size=60), WILD, st.sampled_from([0.0, 3.0, 300.0]))
def test_any_input_is_valid_and_bounded(values, limit, window):
    trend = fed(values, window)
    assert len(trend.points) <= BUCKETS_PER_WINDOW + 2
    found = find_rise(trend, limit, window=window)
    assert found is None or (found.slope > 0 and found.seconds_left >= 0)
    assert is_sawtooth(trend) in {True, False}


@given(HEIGHTS, st.integers(-10_000, 10_000))
def test_time_of_the_samples_does_not_matter(heights, later):
    early = fed([(t, float(h)) for t, h in enumerate(heights)], 10.0)
    late = fed([(t + later, float(h)) for t, h in enumerate(heights)], 10.0)
    assert find_rise(early, 1000.0, window=10.0) == find_rise(late, 1000.0, window=10.0)


@given(HEIGHTS, st.sampled_from([0.25, 8.0, 1024.0]))
def test_the_unit_does_not_matter(heights, unit):
    one = find_rise(fed([(t, float(h)) for t, h in enumerate(heights)], 10.0), 1000.0, window=10.0)
    other = find_rise(fed([(t, h * unit) for t, h in enumerate(heights)], 10.0), 1000.0 * unit, window=10.0)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other.seconds_left == pytest.approx(one.seconds_left)


@given(st.lists(st.integers(0, 40), min_size=11, max_size=60))
def test_memory_within_the_share_does_not_rise(heights):
    assert find_rise(fed([(t, float(h)) for t, h in enumerate(heights)], 10.0), 2000.0, window=10.0) is None


@given(st.integers(1, 50), st.integers(0, 500), st.integers(11, 40))
def test_steady_rise_is_reported_while_it_lasts(step, base, count):
    found = find_rise(
        fed([(t, float(base + step * t)) for t in range(count)], 10.0), step * 100.0, window=10.0
    )
    assert found is not None
    assert found.slope == pytest.approx(step)


@given(st.lists(st.integers(100, 900), min_size=1, max_size=8), st.integers(2, 6))
def test_sawtooth_with_a_flat_floor_does_not_rise(tops, period):
    """Every tooth comes back to the same floor within a window of three teeth."""
    heights = [50 + (top - 50) * step // period for top in tops * 8 for step in range(period)]
    trend, window = Trend(), period * 4.0
    for time, height in enumerate(heights):
        trend = extend_trend(trend, float(time), float(height), window=window)
        assert find_rise(trend, 1000.0, window=window) is None
