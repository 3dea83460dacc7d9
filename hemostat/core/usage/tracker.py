"""Tracks one container's running process: rates, gauges, and the findings from its samples.

A tracker begins again with every start of the container: counters and gauges of the earlier process are
meaningless then. core.usage.leak decides what high memory means, core.diagnosis.rules what high CPU means.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from math import isnan
from typing import Final, NamedTuple

import msgspec

from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.model import Sample
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.usage.findings import ResourceLimits, UsageFinding
from hemostat.core.usage.gauge import RELEASE_SHARE, Gauge, compute_cpu_percent, update_gauge
from hemostat.core.usage.leak import (
    MIN_LEAK_SHARE,
    MemoryTrend,
    add_memory_sample,
    build_memory_evidence,
    judge_memory,
    restore_memory_trend,
)
from hemostat.core.usage.process_activity import Activity, compare_activity
from hemostat.events import Evidence, Kind, Phase

GAUGED_KINDS: Final = frozenset(
    {Kind.CPU_HIGH, Kind.CPU_THROTTLED, Kind.MEMORY_HIGH, Kind.MEMORY_LEAK, Kind.PIDS_HIGH, Kind.FD_HIGH}
)
CALM_SHARE: Final = 0.5
"""Share of the threshold below which CPU is low."""


class UsageTracker(msgspec.Struct, frozen=True):
    """`bases` holds, by kind, the first sample at which the value was too high."""

    last: Sample | None = None
    started: float = 0.0
    """When the process began (epoch seconds); 0 if unknown."""
    gauges: dict[Kind, Gauge] = {}
    bases: dict[Kind, Sample] = {}
    activity: Activity | None = None
    """What its processes had done when CPU became too high."""
    idle_since: float | None = None
    idle_longest: float = 0.0
    """Longest time in seconds for which CPU is known to have been low in this life of the process."""
    memory: MemoryTrend = MemoryTrend()

    def is_calm(self, kind: Kind) -> bool:
        """Return whether the value is neither too high nor on its way there."""
        if kind is Kind.MEMORY_LEAK:
            return not self.memory.is_leaking and self.is_calm(Kind.MEMORY_HIGH)
        gauge = self.gauges.get(kind, Gauge())
        return not gauge.raised and gauge.since is None


class UsageReading(NamedTuple):
    """`cpu` in percent, 100 = one core; None on the first sample."""

    tracker: UsageTracker
    cpu: float | None
    findings: tuple[UsageFinding, ...]


class _Value(NamedTuple):
    kind: Kind
    now: float
    threshold: float
    facts: tuple[Evidence, ...] = ()


def create_tracker(raised: Collection[Kind], started_at: float = 0.0) -> UsageTracker:
    """Return a tracker for a process with incidents of these kinds already raised."""
    gauges = {kind: Gauge(raised=True) for kind in raised if kind in GAUGED_KINDS - {Kind.MEMORY_LEAK}}
    return UsageTracker(
        gauges=gauges, started=started_at, memory=MemoryTrend(is_leaking=Kind.MEMORY_LEAK in raised)
    )


def interrupt_tracker(track: UsageTracker) -> UsageTracker:
    """Return the tracker of a process that pauses or resumes: earlier measurements cannot be continued."""
    memory = MemoryTrend(is_leaking=track.memory.is_leaking)
    return UsageTracker(
        gauges=track.gauges, started=track.started, memory=memory, idle_longest=track.idle_longest
    )


def reset_raised(track: UsageTracker, kind: Kind) -> UsageTracker:
    """Reset a finding that was not reported, so that it can be found again."""
    gauges = {name: gauge for name, gauge in track.gauges.items() if name is not kind}
    leaking = track.memory.is_leaking and kind is not Kind.MEMORY_LEAK
    memory = msgspec.structs.replace(track.memory, is_leaking=leaking)
    return msgspec.structs.replace(track, gauges=gauges, memory=memory)


def should_read_history(track: UsageTracker, sample: Sample, limits: ResourceLimits) -> bool:
    """Return whether the measurements stored by an earlier monitor are worth reading: at the first sample, if
    much of the memory is used or a leak was reported."""
    return track.last is None and (
        track.memory.is_leaking or sample.memory >= MIN_LEAK_SHARE * limits.memory > 0
    )


def restore_history(
    track: UsageTracker, points: Sequence[MetricPoint], sample: Sample, tuned: MonitorSettings
) -> UsageTracker:
    memory = restore_memory_trend(track.memory, tuple(points), track.started, sample.cache, tuned)
    return msgspec.structs.replace(track, memory=memory)


def should_read_activity(
    track: UsageTracker, sample: Sample, limits: ResourceLimits, tuned: MonitorSettings
) -> bool:
    """Return whether to read what the processes do with their CPU: when it becomes too high, and when it has
    been too high for the whole window."""
    gauge = track.gauges.get(Kind.CPU_HIGH, Gauge())
    if track.last is None or gauge.raised:
        return False
    cpu = compute_cpu_percent(track.last, sample)
    if cpu is None or cpu / (limits.cpu or 1.0) < tuned.cpu:
        return False
    return track.activity is None or gauge.since is None or sample.time - gauge.since >= tuned.window


def observe(
    track: UsageTracker,
    sample: Sample,
    limits: ResourceLimits,
    tuned: MonitorSettings,
    activity: Activity | None = None,
) -> UsageReading:
    """Record a sample. `activity` is what the processes did so far, if `should_read_activity` asked."""
    last = track.last
    cpu = None if last is None else compute_cpu_percent(last, sample)
    if last is None or (cpu is None and not isnan(sample.cpu)):
        return UsageReading(
            msgspec.structs.replace(track, last=sample), None, _find_killed_child(last, sample)
        )
    idle_since, calm = _update_idle(track, last, sample, cpu, limits, tuned)
    gauges, bases, findings = dict(track.gauges), {}, list(_find_killed_child(last, sample))
    for value in _iter_values(track, last, sample, cpu, limits, tuned):
        kind = value.kind
        before = track.gauges.get(kind, Gauge())
        gauge, phase = update_gauge(
            before, value.now, value.threshold, window=tuned.window, interval_start=last.time, now=sample.time
        )
        gauges[kind] = gauge
        if gauge.since is not None or phase is not None:
            bases[kind] = track.bases.get(kind, sample)
        if phase is not None:
            since = last.time if before.since is None else before.since
            findings.append(UsageFinding(kind, phase, since, _build_evidence(value)))
    if (finding := _find_raised(findings, Kind.CPU_HIGH)) is not None:
        facts = _build_cpu_evidence(track, bases[Kind.CPU_HIGH], calm, activity, limits)
        findings[findings.index(finding)] = finding._replace(evidence=(*finding.evidence, *facts))
    over = gauges.get(Kind.MEMORY_HIGH, Gauge())
    high = next((each for each in findings if each.kind is Kind.MEMORY_HIGH), None)
    memory, memory_findings = judge_memory(
        add_memory_sample(track.memory, sample, over, tuned), sample, over, high, limits, tuned
    )
    cpu_high = gauges.get(Kind.CPU_HIGH, Gauge())
    after = UsageTracker(
        last=sample,
        started=track.started,
        gauges=gauges,
        bases={kind: base for kind, base in bases.items() if gauges[kind].since is not None},
        activity=(track.activity or activity) if cpu_high.since is not None else None,
        idle_since=idle_since,
        idle_longest=calm,
        memory=memory,
    )
    return UsageReading(after, cpu, (*(each for each in findings if each is not high), *memory_findings))


def _iter_values(
    track: UsageTracker,
    last: Sample,
    sample: Sample,
    cpu: float | None,
    limits: ResourceLimits,
    tuned: MonitorSettings,
) -> Iterator[_Value]:
    if cpu is not None:
        yield _Value(Kind.CPU_HIGH, cpu / (limits.cpu or 1.0), tuned.cpu)
    if cpu is not None and sample.periods:
        yield _measure_throttling(track.bases.get(Kind.CPU_THROTTLED, last), sample, limits, tuned)
    if limits.memory > 0:
        yield _Value(
            Kind.MEMORY_HIGH,
            sample.memory / limits.memory * 100,
            tuned.memory,
            build_memory_evidence(sample, limits),
        )
    if limits.pids > 0 and sample.pids is not None:
        facts = (Evidence("pids_limit", limits.pids),)
        yield _Value(Kind.PIDS_HIGH, sample.pids / limits.pids * 100, tuned.pids, facts)
    if sample.descriptors is not None and sample.descriptors_limit:
        facts = (Evidence("files_limit", sample.descriptors_limit),)
        share = sample.descriptors / sample.descriptors_limit * 100
        yield _Value(Kind.FD_HIGH, share, tuned.fds, facts)


def _measure_throttling(
    since: Sample, sample: Sample, limits: ResourceLimits, tuned: MonitorSettings
) -> _Value:
    """Return the average throttling since it began, because throttling comes in bursts. A process that uses
    its whole limit is throttled too, and is already reported as cpu_high."""
    periods, used = (
        sample.periods - since.periods,
        (compute_cpu_percent(since, sample) or 0.0) / (limits.cpu or 1.0),
    )
    throttled_percent = (sample.throttled - since.throttled) / periods * 100 if periods > 0 else 0.0
    value = throttled_percent if used < tuned.cpu * RELEASE_SHARE else 0.0
    return _Value(Kind.CPU_THROTTLED, value, tuned.throttled, (Evidence("cpu", round(used, 1), "%"),))


EVIDENCE_NAMES: Final = {
    Kind.CPU_HIGH: "cpu",
    Kind.CPU_THROTTLED: "throttled",
    Kind.MEMORY_HIGH: "memory",
    Kind.PIDS_HIGH: "pids",
    Kind.FD_HIGH: "open_files",
}
"""Name of each kind's value in evidence, in percent."""


def _build_evidence(value: _Value) -> tuple[Evidence, ...]:
    return (
        Evidence(EVIDENCE_NAMES[value.kind], round(value.now, 1), "%"),
        Evidence("threshold", round(value.threshold, 1), "%"),
        *value.facts,
    )


def _find_raised(findings: Iterable[UsageFinding], kind: Kind) -> UsageFinding | None:
    return next((each for each in findings if each.kind is kind and each.phase is Phase.RAISED), None)


def _update_idle(
    track: UsageTracker,
    last: Sample,
    sample: Sample,
    cpu: float | None,
    limits: ResourceLimits,
    tuned: MonitorSettings,
) -> tuple[float | None, float]:
    """Return since when CPU has been low, and the longest time for which it is known to have been low: by
    samples, or by the total CPU that the process has used."""
    if cpu is None:
        return None, track.idle_longest
    if cpu / (limits.cpu or 1.0) < tuned.cpu * CALM_SHARE:
        since = last.time if track.idle_since is None else track.idle_since
        return since, max(track.idle_longest, sample.time - since)
    if Kind.CPU_HIGH in track.bases:
        return None, track.idle_longest
    return None, max(track.idle_longest, _estimate_calm_seconds(track, last, limits, tuned))


def _estimate_calm_seconds(
    track: UsageTracker, last: Sample, limits: ResourceLimits, tuned: MonitorSettings
) -> float:
    """Return the seconds for which CPU must have been low, because otherwise the process would have used more
    by now."""
    low = tuned.cpu * CALM_SHARE / 100 * (limits.cpu or 1.0)
    if track.started <= 0 or low <= 0:
        return 0.0
    return max(last.time - track.started - last.cpu / low, 0.0)


def _build_cpu_evidence(
    track: UsageTracker, base: Sample, calm: float, activity: Activity | None, limits: ResourceLimits
) -> Iterator[Evidence]:
    """Yield what tells a loop from work: what the process did before, and what it has done since `base`."""
    yield Evidence("calm", round(calm, 1), "s")
    age = base.time - track.started
    if track.started > 0 and age > 0:
        yield Evidence("average", round(base.cpu / age * 100 / (limits.cpu or 1.0), 1), "%")
    if limits.has_cpu_limit:
        yield Evidence("cpu_limit", limits.cpu)
    if track.activity is not None and activity is not None:
        yield from compare_activity(track.activity, activity)


def _find_killed_child(last: Sample | None, sample: Sample) -> tuple[UsageFinding, ...]:
    """Report that the kernel killed a process other than the main one, so that the container continues."""
    before = None if last is None else last.oom_kills
    if before is None or sample.oom_kills is None or sample.oom_kills <= before:
        return ()
    return (UsageFinding(Kind.OOM, Phase.RAISED, sample.time, (Evidence("survived", True),)),)
