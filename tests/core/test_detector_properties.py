"""What holds of the detectors for every series, however odd.

Nothing is told of a value that stays below its threshold, and one thing of a value that stays above. Neither
units nor the time of day matter. Clocks that jump, gaps, counters that begin anew, limits of zero and numbers
that are none raise nothing and break nothing.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.model import Sample
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.usage.findings import ResourceLimits, UsageFinding
from hemostat.core.usage.gauge import RELEASE_SHARE, Gauge, compute_cpu_percent, update_gauge
from hemostat.core.usage.tracker import UsageTracker, create_tracker, observe
from hemostat.events import Evidence, Kind, Phase

THRESHOLD, WINDOW = 80.0, 10.0
ODD = (nan, inf, -inf)

Reading = tuple[float, float]
"""A time and a value."""


def told(readings: Iterable[Reading], *, threshold: float = THRESHOLD, raised: bool = False) -> list[Phase]:
    """What a gauge tells of these, each measured since the one before."""
    gauge, phases = Gauge(raised), []
    for (begun, _), (now, value) in pairwise(readings):
        gauge, phase = update_gauge(gauge, value, threshold, window=WINDOW, interval_start=begun, now=now)
        phases += [] if phase is None else [phase]
    return phases


def steps(values: Iterable[float], *, step: float = 1.0, start: float = 0.0) -> list[Reading]:
    return [(start + step * index, value) for index, value in enumerate(values)]


LOW = st.floats(-1e6, 79.9)
HIGH = st.floats(THRESHOLD, 1e6)
CALM = st.floats(-1e6, THRESHOLD * RELEASE_SHARE - 0.1)
ANY = st.floats(allow_nan=True, allow_infinity=True)
WHOLE = st.integers(-(2**40), 2**40)
"""Values that can be scaled and shifted without rounding."""


@given(st.lists(LOW, max_size=60))
def test_value_below_the_threshold_raises_no_alert(values):
    assert told(steps(values)) == []


@given(st.lists(HIGH, min_size=12, max_size=60))
def test_value_above_the_threshold_is_one_alert(values):
    assert told(steps(values)) == [Phase.RAISED]


@given(st.lists(HIGH, min_size=12, max_size=30), st.lists(CALM, min_size=12, max_size=30))
def test_return_below_the_threshold_clears_once(above, below):
    assert told(steps([*above, *below])) == [Phase.RAISED, Phase.CLEARED]


@given(st.lists(st.floats(THRESHOLD * RELEASE_SHARE, 1e6), max_size=60))
def test_dip_into_the_hysteresis_does_not_clear(values):
    assert told(steps(values), raised=True) == []


@given(st.lists(ANY, max_size=80))
def test_phases_alternate_and_need_a_whole_window_each(values):
    phases = told(steps(values))
    assert phases[::2] == [Phase.RAISED] * len(phases[::2])
    assert phases[1::2] == [Phase.CLEARED] * len(phases[1::2])
    assert len(phases) <= len(values) / WINDOW


@given(
    st.lists(st.integers(0, 200), max_size=80),
    st.sampled_from([0.25, 4.0, 1024.0]),
    st.integers(-(2**30), 2**30),
)
def test_neither_unit_nor_time_of_day_matters(values, unit, start):
    scaled = steps([value * unit for value in values], start=float(start))
    assert told(scaled, threshold=THRESHOLD * unit) == told(steps(values))


@given(st.lists(st.integers(0, 200), max_size=80))
def test_higher_threshold_raises_fewer_alerts(values):
    """A higher threshold never raises earlier."""

    def first(threshold: float) -> float:
        found = (n for n in range(len(values) + 1) if told(steps(values[:n]), threshold=threshold))
        return next(found, inf)

    assert first(60.0) <= first(120.0)


@given(st.lists(st.tuples(ANY, LOW | st.sampled_from(ODD)), max_size=60))
def test_no_clock_raises_a_low_or_invalid_value(readings):
    assert told(readings) == []


@given(
    st.lists(LOW, max_size=20),
    HIGH,
    st.lists(LOW, max_size=20),
    st.sampled_from([1.0, 11.0, 1e6, -1e6, nan, inf]),
)
def test_one_high_value_is_not_enough_under_any_clock(before, high, after, jump):
    readings = steps([*before, high])
    times = steps(after, start=readings[-1][0] + jump)
    assert told([(-1.0, 0.0), *readings[:-1], (readings[-1][0] + jump, high), *times]) == []


@given(st.floats(11.0, 1e6))
def test_clock_set_back_does_not_suppress_an_alert(back):
    readings = [*steps([90.0] * 5, start=back), *steps([90.0] * 14)]
    assert told(readings) == [Phase.RAISED]


MIB = 1 << 20
LIMITS = ResourceLimits(cpu=1.0, memory=100 * MIB, pids=100)
TUNED = MonitorSettings(window=3.0, leak_window=10.0)


def found(
    samples: Iterable[Sample], limits: ResourceLimits = LIMITS, track: UsageTracker | None = None
) -> list[UsageFinding]:
    track, findings = track or UsageTracker(), []
    for sample in samples:
        track, _, new = observe(track, sample, limits, TUNED)
        findings += new
    return findings


def sampled(shares: Iterable[tuple[float, float]], *, start: float = 0.0, scale: float = 1.0) -> list[Sample]:
    """One a second, for shares of a limit of `scale` times LIMITS: CPU since the one before, and memory."""
    used, samples = 0.0, []
    for second, (cpu, memory) in enumerate(shares):
        used += cpu * scale
        size = int(memory * LIMITS.memory * scale)
        samples.append(Sample(container_id="c", time=start + second, cpu=used, memory=size))
    return samples


QUIET = st.tuples(st.floats(0, 0.84), st.floats(0, 0.49))
HOT = st.tuples(st.floats(0.86, 4.0), st.floats(0, 0.49))
FULL = st.tuples(st.floats(0, 0.84), st.floats(0.8, 1.0))


@given(st.lists(QUIET, max_size=50))
def test_quiet_container_raises_no_alert(shares):
    assert found(sampled(shares)) == []


@given(st.lists(HOT, min_size=6, max_size=50))
def test_busy_container_is_one_alert(shares):
    assert [(each.kind, each.phase) for each in found(sampled(shares))] == [(Kind.CPU_HIGH, Phase.RAISED)]


@given(
    st.lists(FULL, min_size=7, max_size=50)
)  # a seventh second tells memory that falls and rises from a leak
def test_full_container_is_one_alert_unless_it_grows(shares):
    first, *later = found(sampled(shares))
    assert {each.phase for each in (first, *later)} == {Phase.RAISED}
    assert first.kind in {Kind.MEMORY_HIGH, Kind.MEMORY_LEAK}
    for each in later:
        growing = Evidence("full_soon", value=True) in each.evidence
        assert each.kind is Kind.MEMORY_LEAK or (each.kind is Kind.MEMORY_HIGH and growing)


@given(st.lists(QUIET | HOT | FULL, max_size=40), st.sampled_from([0.5, 4.0]), st.integers(0, 2**30))
def test_limits_and_time_do_not_change_the_result(shares, scale, start):
    larger = ResourceLimits(cpu=scale, memory=int(100 * MIB * scale), pids=100)
    plain = [(each.kind, each.phase, each.since) for each in found(sampled(shares))]
    other = found(sampled(shares, start=float(start), scale=scale), larger)
    assert [(each.kind, each.phase, each.since - start) for each in other] == plain


@given(
    st.lists(QUIET, max_size=20), st.lists(QUIET, max_size=20), st.sampled_from([-1e9, -5.0, 0.0, 60.0, 1e9])
)
def test_new_process_raises_no_alert(before, after, jump):
    first = sampled(before)
    assert found([*first, *sampled(after, start=len(first) + jump)]) == []


COUNTERS = st.integers(0, 2**50)
MAYBE = st.none() | COUNTERS
SAMPLES = st.builds(
    Sample,
    container_id=st.just("c"),
    time=ANY | st.floats(0, 100),
    cpu=ANY | st.floats(0, 100),
    memory=COUNTERS,
    cache=COUNTERS,
    periods=COUNTERS,
    throttled=COUNTERS,
    pids=MAYBE,
    received=MAYBE,
    descriptors=MAYBE,
    descriptors_limit=MAYBE,
    oom_kills=MAYBE,
    pressure=st.none() | ANY,
)


@given(
    st.lists(SAMPLES, max_size=25),
    st.sampled_from(
        [LIMITS, ResourceLimits(0.0, 0), ResourceLimits(0.0, 1, 1), ResourceLimits(inf, 2**50, 2**50)]
    ),
    st.sets(st.sampled_from(Kind)),
)
def test_any_input_is_valid_and_no_alert_repeats(samples, limits, raised):
    state = Counter(dict.fromkeys(raised, 1))
    for finding in found(samples, limits, create_tracker(raised)):
        assert finding.phase in set(Phase)
        if finding.kind is not Kind.OOM:
            state[finding.kind] += 1 if finding.phase is Phase.RAISED else -1
            assert state[finding.kind] in {0, 1}


@given(SAMPLES, SAMPLES)
def test_cpu_is_a_number_or_none(before, after):
    percent = compute_cpu_percent(before, after)
    assert percent is None or 0 <= percent < inf


@pytest.mark.parametrize("odd", ODD)
def test_invalid_reading_keeps_the_gauge(odd):
    gauge = Gauge(raised=False, since=5.0)
    assert update_gauge(gauge, odd, THRESHOLD, window=WINDOW, interval_start=6.0, now=7.0) == (gauge, None)
