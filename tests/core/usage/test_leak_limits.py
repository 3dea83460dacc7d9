"""At which values memory is judged, judged again, and no longer a leak."""

import pytest

from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.model import Sample
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.usage.findings import ResourceLimits, UsageFinding
from hemostat.core.usage.gauge import Gauge
from hemostat.core.usage.growth import measure_growth
from hemostat.core.usage.leak import (
    LeakJudgement,
    MemoryTrend,
    add_memory_sample,
    judge_memory,
    restore_memory_trend,
)
from hemostat.core.usage.trend import Trend, extend_trend
from hemostat.events import Kind, Phase

MIB = 1 << 20
LIMITS = ResourceLimits(cpu=1.0, memory=100 * MIB)
TUNED = MonitorSettings(window=10.0, leak_window=300.0, leak_horizon=900.0)
RAISED, LOW = Gauge(raised=True), Gauge()


def sample(megabytes: float, time: float, cache: float = 0.0) -> Sample:
    return Sample(container_id="c", time=time, cpu=0.0, memory=int(megabytes * MIB), cache=int(cache * MIB))


def trend(*points: tuple[float, float]) -> Trend:
    """The trend of these times and MiB."""
    heights = tuple((time, megabytes * MIB) for time, megabytes in points)
    return Trend(heights, heights[-1][0], heights[-1][0], max(height for _, height in heights))


def line(start: float, slope: float, end: float, step: float = 10.0) -> Trend:
    """The trend of memory that grows from `start` MiB by `slope` a second until `end`."""
    times = {0.0, *(end - step * number for number in range(int(end / step) + 1))}
    return trend(*((time, start + slope * time) for time in sorted(times)))


def judge(memory: MemoryTrend, now: Sample, over: Gauge = RAISED, finding=None, tuned=TUNED):
    return judge_memory(memory, now, over, finding, LIMITS, tuned)


# --- when high memory is judged again ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "percent", "time", "again"),
    [
        (None, 80, 0, True),
        (LeakJudgement(0.0, 95.0), 95, 10, True),
        (LeakJudgement(0.0, 95.0), 94.9, 10, False),
        (LeakJudgement(0.0, 95.0), 95, 9.9, False),
        (LeakJudgement(0.0, 80.0), 90, 5, True),
        (LeakJudgement(0.0, 80.0), 89.9, 5, False),
        (LeakJudgement(0.0, 80.0), 89.9, 500, False),
        (LeakJudgement(20.0, 80.0, known=False), 81, 40, True),
        (LeakJudgement(20.0, 80.0, known=False), 81, 39.9, False),
        (LeakJudgement(20.0, 80.0, known=True), 81, 40, False),
    ],
)
def test_memory_is_judged_again_when_much_may_have_changed(last, percent, time, again):
    memory = MemoryTrend(long=trend((0.0, 80.0)), judgement=last)
    after, _ = judge(memory, sample(percent, time))
    assert (after.judgement != last) is again


def test_unknown_growth_is_judged_again_at_once_without_a_history():
    last = LeakJudgement(20.0, 80.0, known=False)
    after, _ = judge(MemoryTrend(judgement=last), sample(80, 21))
    assert after.judgement.time == 21


def test_judgement_tells_whether_growth_is_known():
    flat, _ = judge(MemoryTrend(long=line(85.0, 0.0, 100.0)), sample(85, 100))
    assert flat.judgement == LeakJudgement(100.0, 85.0, fills=False, known=True)
    short, _ = judge(MemoryTrend(long=line(85.0, 0.0, 10.0)), sample(85, 10))
    assert short.judgement == LeakJudgement(10.0, 85.0, fills=False, known=False)
    growing, _ = judge(MemoryTrend(long=line(70.0, 0.15, 100.0)), sample(85, 100))
    assert growing.judgement == LeakJudgement(100.0, 85.0, fills=True, known=True)


def test_judgement_ends_with_high_memory():
    memory = MemoryTrend(judgement=LeakJudgement(1.0, 85.0), pending_since=1.0, is_leaking=True)
    still = add_memory_sample(memory, sample(85, 2, cache=5), RAISED, TUNED)
    assert (still.judgement, still.pending_since) == (memory.judgement, 1.0)
    assert (still.high.points, still.long.points) == (((2, 80 * MIB),), ((2, 80 * MIB),))
    over = add_memory_sample(memory, sample(10, 2), Gauge(), TUNED)
    assert (over.judgement, over.pending_since, over.is_leaking) == (None, None, True)
    assert (over.high, over.long.points) == (Trend(), ((2, 10 * MIB),))
    on_its_way = add_memory_sample(memory, sample(85, 2), Gauge(since=1.0), TUNED)
    assert on_its_way.high.points == ((2, 85 * MIB),)


def test_end_of_high_memory_is_reported_without_a_leak():
    over = UsageFinding(Kind.MEMORY_HIGH, Phase.CLEARED, 0.0)
    assert judge(MemoryTrend(), sample(10, 100), Gauge(), over)[1] == [over]


# --- leaks over the whole window --------------------------------------------------------------------


def find_leak(memory: MemoryTrend, now: Sample, over: Gauge = LOW, tuned=TUNED, finding=None):
    """The alert about a leak; None without one."""
    _, findings = judge(memory, now, over, finding, tuned)
    return next((each for each in findings if each.kind is Kind.MEMORY_LEAK), None)


RISING = MemoryTrend(long=line(12.5, 0.125, 300.0))
"""It stands at 50 MiB, and reaches the limit in 400 seconds."""


def test_rise_is_a_leak_from_half_of_the_limit():
    leak = find_leak(RISING, sample(50, 300))
    assert leak.since == 0.0
    facts = {fact.name: fact.value for fact in leak.evidence}
    assert (facts["seen"], facts["growth"], facts["full_in"]) == (300.0, round(0.125 * MIB, 1), 400.0)
    assert facts["full_soon"] is True
    assert find_leak(RISING, sample(49.9, 300)) is None
    assert find_leak(RISING, sample(54, 300, cache=5)) is None


@pytest.mark.parametrize(("horizon", "is_leak"), [(400.0, True), (399.0, False)])
def test_rise_is_a_leak_within_the_horizon(horizon, is_leak):
    tuned = MonitorSettings(window=10.0, leak_window=300.0, leak_horizon=horizon)
    assert (find_leak(RISING, sample(50, 300), tuned=tuned) is not None) is is_leak


def test_leak_that_is_due_needs_no_late_rise():
    assert find_leak(RISING, sample(50, 300), RAISED) is not None


def test_leak_begins_when_memory_became_high():
    high = UsageFinding(Kind.MEMORY_HIGH, Phase.RAISED, 290.0)
    assert find_leak(RISING, sample(50, 300), RAISED, finding=high).since == 290.0


@pytest.mark.parametrize(("age", "is_leak"), [(270.0, True), (269.0, False)])
def test_late_rise_is_a_leak_in_a_process_known_for_the_window(age, is_leak):
    late = trend(*((age - 10 + 2 * number, 80 + number) for number in range(6)))
    memory = MemoryTrend(high=late, long=line(30.0, 0.0, age))
    leak = find_leak(memory, sample(85, age), RAISED)
    assert (leak is not None) is is_leak
    if leak is not None:
        assert {fact.name: fact.value for fact in leak.evidence}["seen"] == 10.0


# --- leaks of a young process -----------------------------------------------------------------------


def grow_young(seconds: float, slope: float = 0.25) -> MemoryTrend:
    """A process that grows steadily to 95 MiB."""
    return MemoryTrend(long=line(95.0 - slope * seconds, slope, seconds))


@pytest.mark.parametrize(
    ("seconds", "percent", "slope", "is_leak"),
    [
        (120.0, 95, 0.25, True),
        (119.0, 95, 0.25, False),
        (120.0, 94.9, 0.25, False),
        (120.0, 95, 5 / 128, True),
        (120.0, 95, 5 / 256, False),
        (120.0, 95, 5 / 150, False),
        (120.0, 95, 0.0, False),
    ],
)
def test_young_process_leaks_if_memory_is_full_before_it_is_known(seconds, percent, slope, is_leak):
    assert (find_leak(grow_young(seconds, slope), sample(percent, seconds), RAISED) is not None) is is_leak


def test_young_process_that_grows_unsteadily_has_no_leak():
    """Most of its growth is one step."""
    memory = MemoryTrend(long=trend((0.0, 45.0), (40.0, 54.0), (80.0, 86.0), (120.0, 95.0)))
    growth = measure_growth(memory.long, LIMITS.memory, horizon=TUNED.leak_horizon)
    assert (growth.is_growing, growth.is_steady, growth.is_slowing) == (True, False, False)
    assert find_leak(memory, sample(95, 120), RAISED) is None


def test_young_process_that_slows_down_has_no_leak():
    heights = [15, 35, 50, 62, 71, 78, 83, 87, 90, 92, 93.5, 94.5, 95]
    memory = MemoryTrend(long=trend(*((10.0 * number, height) for number, height in enumerate(heights))))
    assert find_leak(memory, sample(95, 120), RAISED) is None


# --- the end of a leak ------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "is_over"), [(120.0, True), (119.0, False), (205.0, True)])
def test_leak_ends_after_two_fifths_of_the_window_without_growth(seconds, is_over):
    memory = MemoryTrend(long=line(40.0, 0.0, seconds), is_leaking=True)
    after, findings = judge(memory, sample(40, seconds))
    assert after.is_leaking is not is_over
    assert findings == ([UsageFinding(Kind.MEMORY_LEAK, Phase.CLEARED, seconds)] if is_over else [])


def test_leak_that_grows_goes_on():
    memory = MemoryTrend(long=line(40.0, 0.1, 200.0), is_leaking=True)
    assert judge(memory, sample(60, 200)) == (memory, [])


def test_old_growth_does_not_keep_a_leak():
    """It grew until second 100, and is flat for the 150 seconds that count."""
    points = [(float(t), min(20 + 0.4 * t, 60.0)) for t in range(0, 251, 10)]
    memory = MemoryTrend(long=trend(*points), is_leaking=True)
    assert not judge(memory, sample(60, 250))[0].is_leaking


def test_stored_points_of_the_moment_of_the_start_count():
    extended = extend_trend(Trend(), 5.0, 1.0, window=300.0)
    points = (MetricPoint(4.9, 1.0, 9), MetricPoint(5.0, 1.0, 4), MetricPoint(6.0, 1.0, None))
    assert restore_memory_trend(MemoryTrend(), points, 5.0, 3, TUNED).long == extended
    assert restore_memory_trend(MemoryTrend(), points, 5.0, 9, TUNED).long.points == ((5.0, 0),)
