"""What a container is used to."""

from math import inf, nan

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.baseline import Baseline, Kept, keep, learn, recall, threshold

WINDOW = 100.0


def learned(*shares: float, start: Baseline | None = None, raised: bool = False) -> Baseline:
    """After one value a second."""
    baseline = start or Baseline()
    begun = 0.0 if baseline.latest is None else baseline.latest + 1
    for second, share in enumerate(shares):
        baseline = learn(baseline, share, begun + second, window=WINDOW, raised=raised)
    return baseline


def limit(baseline: Baseline, configured: float = 85.0) -> float | None:
    return threshold(baseline, configured, window=WINDOW, ceiling=98.0)


def test_nothing_is_judged_before_a_whole_window_was_seen():
    assert limit(Baseline()) is None
    assert limit(learned(*[90.0] * 100)) is None
    assert limit(learned(*[90.0] * 101)) == pytest.approx(95.0)


@pytest.mark.parametrize(
    ("usual", "configured", "expected"),
    [
        (20, 85, 85),
        (79, 85, 85),
        (82, 85, 87),
        (90, 85, 95),
        (95, 85, 98),
        (100, 85, 98),
        (150, 85, 98),
        (50, 99, 99),
    ],
)
def test_the_threshold_is_above_the_usual_within_its_bounds(usual, configured, expected):
    assert limit(learned(*[float(usual)] * 101), configured) == pytest.approx(expected)


def test_a_spike_is_hardly_learned():
    assert learned(*[20.0] * 500, *[100.0] * 5).level == pytest.approx(24, abs=1)


def test_what_changes_for_good_is_learned_within_a_few_windows():
    assert learned(*[20.0] * 200, *[90.0] * 400).level == pytest.approx(90, abs=2)


def test_a_failure_does_not_become_the_usual():
    usual = learned(*[20.0] * 200)
    ill = learned(*[100.0] * 1000, start=usual, raised=True)
    assert (ill.level, ill.observed) == (usual.level, usual.observed)
    assert learned(20.0, start=ill).level == pytest.approx(20.0)


@pytest.mark.parametrize("odd", [nan, inf, -inf])
def test_numbers_that_are_none_are_passed_over(odd):
    usual = learned(*[20.0] * 200)
    assert learn(usual, odd, 500.0, window=WINDOW) == usual
    assert learn(usual, 50.0, odd, window=WINDOW) == usual


def test_one_value_after_a_long_gap_does_not_count_for_the_gap():
    usual = learned(*[20.0] * 2000)
    assert learn(usual, 100.0, 1e6, window=WINDOW).level < 28


def test_a_clock_set_back_teaches_nothing_and_learning_goes_on():
    usual = learned(*[20.0] * 200)
    back = learn(usual, 100.0, 50.0, window=WINDOW)
    assert back.level == usual.level
    assert learn(back, 100.0, 51.0, window=WINDOW).level > usual.level


def test_it_is_remembered_in_whole_percent_and_seldom_changes():
    assert keep(learned(*[20.4] * 200), window=WINDOW) == Kept(20, 10)
    assert keep(learned(*[20.4] * 56), window=WINDOW) == Kept(20, 5)
    assert keep(Baseline(), window=0.0) == Kept(0, 10)
    assert msgspec.json.decode(msgspec.json.encode(Kept(20, 5)), type=Kept) == Kept(20, 5)
    baseline, changes, kept = Baseline(), 0, Kept()
    for second in range(2000):
        baseline = learn(baseline, 50.0 + second % 7, float(second), window=WINDOW)
        changes += kept != (kept := keep(baseline, window=WINDOW))
    assert changes < 30


def test_what_is_remembered_is_ready_at_once():
    assert limit(recall(keep(learned(*[90.2] * 200), window=WINDOW), window=WINDOW)) == 95.0
    assert limit(recall(Kept(90, 9), window=WINDOW)) is None


ANY = st.floats(allow_nan=True, allow_infinity=True)
SHARES = st.lists(st.floats(0, 400), min_size=1, max_size=50)


@given(st.lists(st.tuples(ANY, ANY)), st.floats(0.1, 1e5))
def test_nothing_makes_it_fail_or_observe_more_than_there_is(values, window):
    baseline = Baseline()
    for share, now in values:
        baseline = learn(baseline, share, now, window=window)
        found = threshold(baseline, 85.0, window=window, ceiling=98.0)
        assert found is None or 85.0 <= found <= 98.0
        assert 0 <= baseline.observed <= window


@given(SHARES)
def test_the_level_is_between_the_least_and_the_greatest(shares):
    baseline = learned(shares[0], *shares)
    assert min(shares) - 1e-6 <= baseline.level <= max(shares) + 1e-6


@given(SHARES, st.floats(0, 50))
def test_who_is_used_to_more_is_allowed_more(shares, more):
    less = limit(learned(*shares * 2, *[shares[0]] * 101))
    greater = limit(learned(*[s + more for s in shares * 2], *[shares[0] + more] * 101))
    assert less is not None
    assert greater is not None
    assert greater >= less - 1e-6
