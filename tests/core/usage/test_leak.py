"""Alerts about memory that grows, at first and after the process has been known for longer."""

from collections.abc import Callable
from math import exp
from random import Random

import pytest

from hemostat.core.diagnosis.rules import diagnose
from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.model import Sample
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.usage.findings import ResourceLimits, UsageFinding
from hemostat.core.usage.gauge import Gauge
from hemostat.core.usage.growth import measure_growth
from hemostat.core.usage.leak import MemoryTrend, judge_memory
from hemostat.core.usage.tracker import (
    UsageTracker,
    create_tracker,
    observe,
    restore_history,
    should_read_history,
)
from hemostat.core.usage.trend import Trend, extend_trend
from hemostat.events import Action, HealthAlert, Kind, Phase, Severity
from tests.support.samples import WEB

KIB, MIB = 1 << 10, 1 << 20
LIMIT = 48 * MIB
LIMITS = ResourceLimits(cpu=1.0, memory=LIMIT)
TUNED = MonitorSettings()


def sampled(level: Callable[[float], float], count: int, *, start: int = 0, jitter: float = 0.25):
    """One sample a second of so many MiB, with the jitter of a shell that forks."""
    random = Random(7)  # noqa: S311 - a test's
    return [
        Sample(
            container_id="c",
            time=float(t),
            cpu=0.0,
            memory=round((level(t) + random.choice((0.0, 0.0, jitter))) * MIB),
        )
        for t in range(start, start + count)
    ]


def run(samples, track: UsageTracker | None = None):
    """Return the tracker after the samples, and the alerts on the way: time, kind, phase and evidence."""
    track, told = track or create_tracker((), 0.0), []
    for each in samples:
        reading = observe(track, each, LIMITS, TUNED)
        track = reading.tracker
        told += [
            (each.time, finding.kind, finding.phase, {item.name: item.value for item in finding.evidence})
            for finding in reading.findings
        ]
    return track, told


def verdict(kind: Kind, phase: Phase, facts: dict) -> Action | None:
    from hemostat.events import Evidence

    evidence = tuple(Evidence(name, value) for name, value in facts.items())
    return diagnose(
        HealthAlert(
            container=WEB,
            kind=kind,
            severity=Severity.WARNING,
            since=0.0,
            phase=phase,
            window=10.0,
            evidence=evidence,
        )
    ).action


def operators_leak(t: float) -> float:
    """26 MiB at once, then 98.5 KiB/s."""
    return 8 + 9 * t if t < 2 else 26.2 + 98.5 / 1024 * (t - 2)


def test_young_leak_is_restarted_before_its_limit():
    _, told = run(sampled(operators_leak, 222))
    (first, kind, _, facts), *later = told
    assert (kind, facts["manner"], facts["full_soon"]) == (Kind.MEMORY_HIGH, "too_early", True)
    assert facts["growth"] == pytest.approx(98.5 * KIB, rel=0.1)
    assert first + facts["full_in"] == pytest.approx(228, abs=10)
    assert facts["seen"] > 100
    assert verdict(kind, Phase.RAISED, facts) is Action.NONE
    assert [(kind, phase) for _, kind, phase, _ in later] == [(Kind.MEMORY_LEAK, Phase.RAISED)]
    assert later[0][0] < 220
    assert verdict(*later[0][1:]) is Action.RESTART


def test_leak_with_a_long_history_is_restarted_early():
    _, told = run(sampled(lambda t: 20 + 40 / 1024 * t, 700))
    assert [kind for _, kind, _, _ in told] == [Kind.MEMORY_LEAK]
    assert told[0][0] < 400


HARMLESS = {
    "full from the start": lambda _: 42.0,
    "loaded quickly and flat": lambda t: min(2 + 4 * t, 42),
    "loaded slowly and flat": lambda t: min(2 + 0.4 * t, 44),
    "warm-up that slows down": lambda t: 45 * (1 - exp(-t / 40)),
    "a long warm-up": lambda t: 44 * (1 - exp(-t / 100)),
    "saw-tooth of half a minute": lambda t: 30 + 0.6 * (t % 27),
    "saw-tooth of two minutes": lambda t: 24 + 0.17 * (t % 120),
    "a cache filled in steps": lambda t: min(20 + 6 * (t // 40), 44),
}


@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.parametrize("jitter", [0.0, 0.25])
def test_memory_without_a_leak_is_not_restarted(name, jitter):
    _, told = run(sampled(HARMLESS[name], 900, jitter=jitter))
    assert Action.RESTART not in [verdict(*each[1:]) for each in told if each[2] is Phase.RAISED]
    assert len(told) <= 16


def test_flat_memory_alert_has_the_observed_time():
    _, told = run(sampled(lambda _: 42.0, 60, jitter=0.0))
    assert [(each[3]["manner"], each[3]["seen"]) for each in told] == [("steady", 9.0)]


def test_steady_memory_is_evaluated_again_when_it_rises():
    def level(t: float) -> float:
        return 39.0 if t < 600 else min(39 + 0.05 * (t - 600), 47.9)

    _, told = run(sampled(level, 760))
    assert told[0][3]["manner"] in {"steady", "unknown"}
    assert any(600 < each[0] < 760 and each[3].get("full_soon") for each in told)


def test_memory_of_a_young_process_is_evaluated_in_seconds():
    _, told = run(sampled(lambda t: 30 + t / 2, 32, jitter=0.0))
    assert told[0][3]["manner"] == "too_early"
    assert told[0][3]["full_in"] <= 10


def test_short_history_is_an_alert_once_growth_is_known():
    """On a busy host samples are few: a first word of "too short to tell" would be a false alarm."""
    _, told = run(sampled(lambda t: 36 + t / 4, 40, jitter=0.0)[::4])
    assert [(each[1], each[3]["manner"]) for each in told] == [(Kind.MEMORY_HIGH, "too_early")]
    assert told[0][3]["full_soon"] is True


def test_short_history_is_an_alert_after_another_window():
    random = Random(5)  # noqa: S311 - a test's
    _, told = run(sampled(lambda _: random.uniform(41, 44), 60)[::3])
    assert [each[1] for each in told] == [Kind.MEMORY_HIGH]
    assert told[0][0] <= 24


def test_memory_that_falls_early_raises_no_alert():
    _, told = run(sampled(lambda t: 42.0 if t < 12 else 10.0, 60)[::5])
    assert [each[2] for each in told if each[2] is Phase.RAISED] == []


# --- restarts of HemoStat ---------------------------------------------------------------------------


def test_restart_of_the_monitor_does_not_clear_a_leak():
    _, told = run(sampled(operators_leak, 120, start=60), create_tracker({Kind.MEMORY_LEAK}, 0.0))
    assert told == []


def test_leak_clears_without_growth_for_part_of_the_window():
    track, told = run(sampled(lambda _: 30.0, 110), create_tracker({Kind.MEMORY_LEAK}, 0.0))
    assert (told, track.is_calm(Kind.MEMORY_LEAK)) == ([], False)
    track, told = run(sampled(lambda _: 30.0, 200, start=110), track)
    assert [each[1:3] for each in told] == [(Kind.MEMORY_LEAK, Phase.CLEARED)]


def test_stored_samples_of_this_process_continue_the_trend():
    def level(t: float) -> float:
        return 15 + 60 / 1024 * t

    points = [MetricPoint(float(t), 1.0, round(level(t) * MIB)) for t in range(2, 250)]
    first, *rest = sampled(level, 60, start=262)
    track = create_tracker((), 1.0)
    assert should_read_history(track, first, LIMITS)
    track = restore_history(track, points, first, TUNED)
    _, told = run([first, *rest], track)
    assert [(each[0] < 300, each[1]) for each in told] == [(True, Kind.MEMORY_LEAK)]


def test_stored_samples_of_an_earlier_process_are_ignored():
    points = [MetricPoint(float(t), 1.0, round(operators_leak(t) * MIB)) for t in range(2, 250)]
    first = sampled(lambda _: 30.0, 1, start=262)[0]
    assert restore_history(create_tracker((), 255.0), points, first, TUNED).memory.long == Trend()


def test_low_memory_does_not_load_stored_samples():
    small = Sample(container_id="c", time=1.0, cpu=0.0, memory=MIB)
    assert not should_read_history(create_tracker((), 1.0), small, LIMITS)
    assert should_read_history(create_tracker({Kind.MEMORY_LEAK}, 1.0), small, LIMITS)


# --- growth -----------------------------------------------------------------------------------------


def grown(values: list[float], limit: float = 1000.0):
    trend = Trend()
    for time, value in enumerate(values):
        trend = extend_trend(trend, float(time), value, window=30.0)
    return measure_growth(trend, limit, horizon=900.0)


def test_growth_is_measured_in_spite_of_jitter():
    random = Random(3)  # noqa: S311 - a test's
    found = grown([100 + 5 * t + random.uniform(-3, 3) for t in range(30)])
    assert found.slope == pytest.approx(5, rel=0.1)
    assert (found.seen_seconds, found.is_steady) == (29.0, True)


@pytest.mark.parametrize(
    ("values", "slope"),
    [
        ([100.0] * 30, 0.0),
        ([900.0 - t for t in range(30)], 0.0),
        ([100.0] * 3, None),
        ([500 + 300 * ((t * 7) % 5) for t in range(30)], None),
        ([5.0, 6.0, *[700.0] * 20], 0.0),
        ([], None),
    ],
)
def test_steady_memory_is_distinguished_from_unknown(values, slope):
    assert grown(values).slope == slope


def test_initial_load_does_not_hide_later_growth():
    assert grown([5.0, 300.0, *[600.0 + 4 * t for t in range(20)]]).slope == pytest.approx(4)


def test_high_memory_ends_although_a_leak_is_reported():
    over = UsageFinding(Kind.MEMORY_HIGH, Phase.CLEARED, 0.0)
    (sample,) = sampled(lambda _: 1.0, 1)
    _, findings = judge_memory(MemoryTrend(is_leaking=True), sample, Gauge(), over, LIMITS, TUNED)
    assert findings == [over]
