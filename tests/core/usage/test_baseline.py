"""What a container is used to."""

from math import inf, nan

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.usage.baseline import Baseline, learn, raise_thresholds, round_baseline
from hemostat.events import Kind

TUNED = MonitorSettings(baseline=True, baseline_window=100.0, interval=1.0)
CPU, MEMORY = Kind.CPU_HIGH, Kind.MEMORY_HIGH


def learned(*shares: float, start: Baseline | None = None, tuned: MonitorSettings = TUNED) -> Baseline:
    """After one value a second of CPU, with memory at half of it."""
    baseline = start or Baseline()
    begun = 0.0 if baseline.latest is None else baseline.latest + 1
    for second, share in enumerate(shares):
        baseline = learn(baseline, {CPU: share, MEMORY: share / 2}, begun + second, tuned)
    return baseline


def limit(baseline: Baseline, configured: float = 85.0) -> float:
    return raise_thresholds(msgspec.structs.replace(TUNED, cpu=configured), baseline).cpu


def test_baseline_is_off_by_default():
    assert raise_thresholds(MonitorSettings(), learned(*[90.0] * 200)) == MonitorSettings()


def test_maximum_applies_before_a_whole_window():
    assert limit(Baseline()) == 98.0
    assert limit(learned(*[20.0] * 100)) == 98.0
    assert limit(learned(*[20.0] * 101)) == 85.0


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
def test_threshold_is_above_usual_load_within_bounds(usual, configured, expected):
    assert limit(learned(*[float(usual)] * 101), configured) == pytest.approx(expected)


def test_cpu_and_memory_are_learned_separately():
    found = raise_thresholds(TUNED, learned(*[160.0] * 101))
    assert (found.cpu, found.memory) == (98.0, pytest.approx(85.0))


def test_spike_changes_the_baseline_little():
    assert learned(*[20.0] * 500, *[100.0] * 5).levels[CPU] == pytest.approx(24, abs=1)


def test_permanent_change_is_learned_in_a_few_windows():
    assert learned(*[20.0] * 200, *[90.0] * 400).levels[CPU] == pytest.approx(90, abs=2)


@pytest.mark.parametrize("odd", [nan, inf, -inf])
def test_invalid_numbers_are_ignored(odd):
    usual = learned(*[20.0] * 200)
    assert learn(usual, {CPU: odd, MEMORY: 10.0}, 500.0, TUNED) == usual
    assert learn(usual, {CPU: 50.0, MEMORY: 10.0}, odd, TUNED) == usual


def test_value_after_a_gap_does_not_cover_the_gap():
    assert learn(learned(*[20.0] * 2000), {CPU: 100.0}, 1e6, TUNED).levels[CPU] < 23


def test_clock_set_back_changes_no_baseline():
    usual = learned(*[20.0] * 200)
    back = learn(usual, {CPU: 100.0}, 50.0, TUNED)
    assert back.levels == usual.levels
    assert learn(back, {CPU: 100.0}, 51.0, TUNED).levels[CPU] > usual.levels[CPU]


def test_stored_baseline_is_in_whole_percent():
    assert round_baseline(learned(*[40.4] * 200), TUNED) == Baseline({CPU: 40.0, MEMORY: 20.0}, 100.0)
    assert round_baseline(learned(*[40.4] * 56), TUNED).observed == 50.0
    baseline, changes, kept = Baseline(), 0, Baseline()
    for second in range(2000):
        baseline = learn(baseline, {CPU: 50.0 + second % 7}, float(second), TUNED)
        changes += kept != (kept := round_baseline(baseline, TUNED))
    assert changes < 30


def test_stored_baseline_applies_at_once():
    kept = round_baseline(learned(*[90.2] * 200), TUNED)
    again = msgspec.json.decode(msgspec.json.encode(kept), type=Baseline)
    assert limit(again) == 95.0
    assert limit(learned(90.0, 90.0, start=again)) == 95.0


ANY = st.floats(allow_nan=True, allow_infinity=True)
SHARES = st.lists(st.floats(0, 400), min_size=1, max_size=50)


@given(st.lists(st.tuples(ANY, ANY)), st.floats(0.1, 1e5))
def test_any_input_keeps_the_baseline_in_bounds(values, window):
    tuned, baseline = msgspec.structs.replace(TUNED, baseline_window=window), Baseline()
    for share, now in values:
        baseline = round_baseline(learn(baseline, {CPU: share}, now, tuned), tuned)
        assert 85.0 <= raise_thresholds(tuned, baseline).cpu <= 98.0
        assert 0 <= baseline.observed <= window


@given(SHARES)
def test_level_is_between_minimum_and_maximum(shares):
    level = learned(shares[0], *shares).levels[CPU]
    assert min(shares) - 1e-6 <= level <= max(shares) + 1e-6


@given(SHARES, st.floats(0, 50))
def test_higher_usual_load_raises_the_threshold(shares, more):
    shares = [*shares, *[shares[0]] * 101]
    assert limit(learned(*[share + more for share in shares])) >= limit(learned(*shares)) - 1e-6
