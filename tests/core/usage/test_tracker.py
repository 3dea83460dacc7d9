"""One process under the samples."""

from math import nan

import pytest

from hemostat.core.model import Sample
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.usage.findings import ResourceLimits
from hemostat.core.usage.tracker import (
    UsageTracker,
    create_tracker,
    interrupt_tracker,
    observe,
    reset_raised,
    should_read_activity,
    should_read_history,
)
from hemostat.events import Evidence, Kind, Phase

MIB = 1 << 20
LIMITS = ResourceLimits(cpu=1.0, memory=100 * MIB)
TUNED = MonitorSettings(window=3.0)


def run(
    samples,
    *,
    limits: ResourceLimits = LIMITS,
    track: UsageTracker | None = None,
    tuned: MonitorSettings = TUNED,
):
    """The track after the samples, and every finding on the way with the time it was made."""
    track, found = track or UsageTracker(), []
    for each in samples:
        reading = observe(track, each, limits, tuned)
        track = reading.tracker
        found += [(each.time, finding) for finding in reading.findings]
    return track, found


def spinning(seconds: int, *, cores: float = 1.0, received: int | None = None):
    return [
        Sample(container_id="c", time=float(t), cpu=cores * t, memory=MIB, received=received)
        for t in range(seconds + 1)
    ]


def filling(seconds: int, *, start: int, growth: int):
    return [
        Sample(container_id="c", time=float(t), cpu=0.0, memory=(start + growth * t) * MIB)
        for t in range(seconds + 1)
    ]


def test_sustained_cpu_is_one_alert_after_its_window():
    _, found = run(spinning(10))
    assert [(time, finding.kind, finding.phase) for time, finding in found] == [
        (3.0, Kind.CPU_HIGH, Phase.RAISED)
    ]


def test_alert_starts_at_the_first_high_value():
    _, found = run(spinning(10))
    assert found[0][1].since == 0.0


def test_cpu_is_measured_against_the_containers_own_limit():
    assert run(spinning(10, cores=0.5))[1] == []
    assert run(spinning(10, cores=0.5), limits=ResourceLimits(cpu=0.5, memory=MIB * 100))[1]


def test_memory_alert_has_its_growth():
    _, found = run(filling(9, start=71, growth=2), tuned=MonitorSettings(window=3.0, leak_window=4.0))
    facts = {item.name: item.value for item in found[0][1].evidence}
    assert found[0][1].kind is Kind.MEMORY_LEAK
    assert facts["growth"] == pytest.approx(2 * MIB)
    assert facts["memory_limit"] == 100 * MIB


def test_earlier_alert_is_not_repeated_and_can_clear():
    again = create_tracker({Kind.CPU_HIGH, Kind.EXITED})
    assert run(spinning(10), track=again)[1] == []
    _, found = run(spinning(10, cores=0.0), track=again)
    assert [finding.phase for _, finding in found] == [Phase.CLEARED]


def test_reset_counters_are_a_new_process():
    track, _ = run(spinning(2))
    reading = observe(track, Sample(container_id="c", time=3.0, cpu=0.1, memory=0), LIMITS, TUNED)
    assert (reading.cpu, reading.findings) == (None, ())


def test_memory_is_evaluated_without_cpu_accounting():
    samples = [
        Sample(container_id="c", time=float(t), cpu=nan, memory=90 * MIB, periods=10) for t in range(30)
    ]
    assert kinds(samples) == [(Kind.MEMORY_HIGH, Phase.RAISED)]


def test_calm_is_neither_high_nor_rising():
    track, _ = run(spinning(1))
    assert not track.is_calm(Kind.CPU_HIGH)
    assert run(spinning(5, cores=0.0))[0].is_calm(Kind.CPU_HIGH)


def kinds(samples, **fields) -> list[tuple[Kind, Phase]]:
    return [(finding.kind, finding.phase) for _, finding in run(samples, **fields)[1]]


def used(megabytes, **fields) -> list[Sample]:
    """One sample a second, of these working sets."""
    return [
        Sample(container_id="c", time=float(t), cpu=0.0, memory=int(each * MIB), **fields)
        for t, each in enumerate(megabytes)
    ]


def test_high_steady_memory_is_not_a_leak():
    assert kinds(used([90] * 30)) == [(Kind.MEMORY_HIGH, Phase.RAISED)]


def test_single_load_is_not_a_leak():
    assert kinds(used([10] * 5 + [80, 86, 95] + [95] * 30)) == [(Kind.MEMORY_HIGH, Phase.RAISED)]


def test_long_rise_is_a_leak_before_memory_is_high():
    track, found = run(used([50 + t / 20 for t in range(400)]))
    assert [finding.kind for _, finding in found] == [Kind.MEMORY_LEAK]
    time, finding = found[0]
    left = next(item.value for item in finding.evidence if item.name == "full_in")
    assert time + left == pytest.approx(1000, rel=0.05)
    assert not track.is_calm(Kind.MEMORY_LEAK)


def test_garbage_collected_heap_is_not_a_leak():
    teeth = [40 + (t % 40) * 1.4 for t in range(400)]
    raised = [(time, found) for time, found in run(used(teeth))[1] if found.phase is Phase.RAISED]
    assert {finding.kind for _, finding in raised} == {Kind.MEMORY_HIGH}
    assert {finding.evidence[-1].value for time, finding in raised if time > 50} == {"falls_back"}


def test_fast_late_rise_is_a_leak():
    assert kinds(used([30] * 300 + [80 + t for t in range(10)])) == [(Kind.MEMORY_LEAK, Phase.RAISED)]


def test_warm_up_of_a_young_process_is_not_a_leak():
    found = run(used([10] * 5 + list(range(80, 99))))[1]
    told = [(f.kind, f.evidence[-1].value) for _, f in found]
    assert told == [(Kind.MEMORY_HIGH, "too_early")]


def test_growing_file_cache_is_not_a_leak():
    samples = [
        Sample(container_id="c", time=float(t), cpu=0.0, memory=t * MIB, cache=t * MIB) for t in range(100)
    ]
    assert kinds(samples) == [(Kind.MEMORY_HIGH, Phase.RAISED)]


def test_container_below_its_limit_can_be_throttled():
    bursts = [
        Sample(container_id="c", time=float(t), cpu=0.3 * t, memory=0, periods=10 * t, throttled=6 * t)
        for t in range(10)
    ]
    assert kinds(bursts) == [(Kind.CPU_THROTTLED, Phase.RAISED)]


def test_container_at_its_limit_is_busy_not_throttled():
    busy_one = [
        Sample(container_id="c", time=float(t), cpu=1.0 * t, memory=0, periods=10 * t, throttled=9 * t)
        for t in range(10)
    ]
    assert kinds(busy_one) == [(Kind.CPU_HIGH, Phase.RAISED)]


def test_processes_and_open_files_are_measured_against_their_limits():
    limits = ResourceLimits(cpu=1.0, memory=100 * MIB, pids=100)
    assert kinds(used([1] * 10, pids=95), limits=limits) == [(Kind.PIDS_HIGH, Phase.RAISED)]
    assert kinds(used([1] * 10, pids=95)) == []
    files = used([1] * 10, descriptors=1000, descriptors_limit=1024)
    assert kinds(files) == [(Kind.FD_HIGH, Phase.RAISED)]


def test_occasional_values_apply_in_between():
    samples = used([1] * 12)
    for t in (0, 5, 10):
        samples[t] = used([1] * 12, descriptors=1000, descriptors_limit=1024)[t]
    assert kinds(samples) == [(Kind.FD_HIGH, Phase.RAISED)]


def test_oom_kill_of_a_child_process_is_an_alert():
    samples = [*used([1, 1], oom_kills=0), used([1] * 3, oom_kills=1)[2]]
    assert kinds(samples) == [(Kind.OOM, Phase.RAISED)]


def test_restarted_monitor_does_not_repeat_a_leak():
    again = create_tracker({Kind.MEMORY_LEAK})
    assert kinds(used([85 + t / 4 for t in range(20)]), track=again) == []
    assert kinds(used([20] * 100), track=again) == []
    assert kinds(used([20] * 200), track=again) == [(Kind.MEMORY_LEAK, Phase.CLEARED)]


# --- kernel kills, history and activity -------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "is_killed"),
    [(0, 1, True), (1, 1, False), (2, 1, False), (None, 1, False), (0, None, False)],
)
def test_kernel_kill_is_reported_when_its_counter_grows(before, after, is_killed):
    samples = [used([1], oom_kills=before)[0], used([1, 1], oom_kills=after)[1]]
    found = run(samples)[1]
    assert [(time, finding.evidence) for time, finding in found] == (
        [(1.0, (Evidence("survived", True),))] if is_killed else []
    )


def test_kernel_kill_is_reported_though_cpu_counters_begin_again():
    first = Sample(container_id="c", time=0.0, cpu=9.0, memory=0, oom_kills=0)
    second = Sample(container_id="c", time=1.0, cpu=0.0, memory=0, oom_kills=1)
    assert [finding.kind for _, finding in run([first, second])[1]] == [Kind.OOM]


@pytest.mark.parametrize(("megabytes", "worth"), [(50, True), (49.9, False)])
def test_history_is_read_from_half_of_the_limit(megabytes, worth):
    (sample,) = used([megabytes])
    assert should_read_history(UsageTracker(), sample, LIMITS) is worth
    assert not should_read_history(UsageTracker(last=sample), sample, LIMITS)
    assert not should_read_history(UsageTracker(), sample, ResourceLimits(cpu=1.0, memory=0))


def at(time: float, cpu: float) -> Sample:
    return Sample(container_id="c", time=time, cpu=cpu, memory=0)


@pytest.mark.parametrize(("cpu", "reads"), [(0.85, True), (0.84, False)])
def test_activity_is_read_when_cpu_is_at_its_threshold(cpu, reads):
    track, _ = run([at(0.0, 0.0)])
    assert should_read_activity(track, at(1.0, cpu), LIMITS, TUNED) is reads
    assert should_read_activity(track, at(1.0, cpu / 2), ResourceLimits(cpu=0.5, memory=0), TUNED) is reads


def test_activity_is_not_read_without_two_samples_or_after_an_alert():
    assert not should_read_activity(UsageTracker(), at(1.0, 9.0), LIMITS, TUNED)
    track, _ = run(spinning(3))
    assert not should_read_activity(track, at(4.0, 4.0), LIMITS, TUNED)
    assert not should_read_activity(run([at(0, 5.0)])[0], at(1.0, 0.0), LIMITS, TUNED)


def test_finding_that_was_not_reported_is_found_again():
    track, found = run([*used([92] * 8)])
    assert [finding.kind for _, finding in found] == [Kind.MEMORY_HIGH]
    again = [Sample(container_id="c", time=8.0 + t, cpu=0.0, memory=92 * MIB) for t in range(8)]
    assert run(again, track=track)[1] == []
    assert run(again, track=reset_raised(track, Kind.CPU_HIGH))[1] == []
    assert [finding.kind for _, finding in run(again, track=reset_raised(track, Kind.MEMORY_HIGH))[1]] == [
        Kind.MEMORY_HIGH
    ]


def test_leak_that_was_not_reported_is_found_again():
    leaking = create_tracker({Kind.MEMORY_LEAK})
    assert reset_raised(leaking, Kind.MEMORY_HIGH).memory.is_leaking
    assert not reset_raised(leaking, Kind.MEMORY_LEAK).memory.is_leaking
    assert interrupt_tracker(leaking).memory.is_leaking
