"""Decides whether memory that rises or is high is a leak, and what to report until that is known.

Memory that has risen for the whole leak window and will be full within the horizon is a leak. So is memory
that is high, rises in a process known for that long, and does not fall back by itself. A young process may be
warming up: its growth is reported, and judged again as it continues. It counts as a leak when memory is
nearly full, has grown steadily for the whole known time, and will be full before the process is known for
long enough.
"""

from typing import Final

import msgspec

from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.model import Sample
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.usage.findings import ResourceLimits, UsageFinding
from hemostat.core.usage.gauge import Gauge
from hemostat.core.usage.growth import Growth, is_levelling_off, measure_growth
from hemostat.core.usage.trend import MIN_WINDOW_SHARE, Trend, extend_trend, find_rise, is_sawtooth
from hemostat.events import Evidence, Kind, Phase

MIN_RISE_SHARE: Final = 0.01
"""Growth as a share of the limit from which on high memory is rising."""
MIN_LEAK_SHARE: Final = 0.5
"""Share of the limit below which rising memory is no leak: a process that warms up rises too."""
NEARLY_FULL_PERCENT: Final = 95.0
"""Percent of the limit."""
MIN_KNOWN_SHARE: Final = 0.4
"""Share of the leak window. A young process must be known for that long to count as leaking, and a leak must
have stopped for that long to be over."""


MIN_SLOWING_SHARE: Final = 0.2
"""Share of the leak window for which growth must be known to count as slowing down."""


class LeakJudgement(msgspec.Struct, frozen=True):
    """The last conclusion about high memory, at `time`, when it was at `share` percent."""

    time: float
    share: float
    fills: bool = False
    """Whether it was expected to be full soon."""
    known: bool = True
    """Whether it was known whether memory grows."""


class MemoryTrend(msgspec.Struct, frozen=True):
    """`high` is the trend since memory became too high, `long` that over the leak window. `is_leaking`:
    whether a leak was reported."""

    high: Trend = Trend()
    long: Trend = Trend()
    is_leaking: bool = False
    judgement: LeakJudgement | None = None
    pending_since: float | None = None
    """Since when memory is high without an alert (epoch seconds), because its growth is not known yet."""

    @property
    def seen_seconds(self) -> float:
        """Seconds for which the process is known, at most the leak window."""
        return self.long.latest - self.long.points[0][0] if self.long.points else 0.0


def restore_memory_trend(
    memory: MemoryTrend,
    points: tuple[MetricPoint, ...],
    started_at: float,
    cache: int,
    tuned: MonitorSettings,
) -> MemoryTrend:
    """Return the trend with the points that an earlier monitor stored for this process. `cache` is the
    current file cache in bytes, which the stored points include."""
    long = Trend()
    for point in points:
        if point.memory is not None and point.time >= started_at:
            long = extend_trend(long, point.time, max(point.memory - cache, 0), window=tuned.leak_window)
    return msgspec.structs.replace(memory, long=long)


def add_memory_sample(
    memory: MemoryTrend, sample: Sample, over: Gauge, tuned: MonitorSettings
) -> MemoryTrend:
    """Return the trend with one more sample. `over` is the gauge of high memory."""
    used = sample.memory - sample.cache
    aloft = over.since is not None or over.raised
    return MemoryTrend(
        high=extend_trend(memory.high, sample.time, used, window=tuned.window) if aloft else Trend(),
        long=extend_trend(memory.long, sample.time, used, window=tuned.leak_window),
        is_leaking=memory.is_leaking,
        judgement=memory.judgement if over.raised else None,
        pending_since=memory.pending_since if over.raised else None,
    )


def judge_memory(
    memory: MemoryTrend,
    sample: Sample,
    over: Gauge,
    finding: UsageFinding | None,
    limits: ResourceLimits,
    tuned: MonitorSettings,
) -> tuple[MemoryTrend, list[UsageFinding]]:
    """Tell a leak from memory that is only high. Only one of the two is reported at a time. `finding` is the
    transition of high memory."""
    if memory.is_leaking:
        return _judge_leak(memory, sample, limits, tuned, finding)
    raised = finding is not None and finding.phase is Phase.RAISED
    due = raised or (over.raised and _is_due(memory, sample, limits, tuned))
    leak = _find_leak(memory, sample, limits, tuned, due=due)
    if leak is not None:
        since = finding.since if finding else memory.long.points[0][0]
        leak_finding = UsageFinding(
            Kind.MEMORY_LEAK, Phase.RAISED, since, _build_leak_evidence(sample, limits, tuned, leak)
        )
        return msgspec.structs.replace(memory, is_leaking=True, pending_since=None), [leak_finding]
    if finding is not None and not raised:
        return memory, [finding]
    return _judge_high(memory, sample, finding, limits, tuned) if due else (memory, [])


def _judge_leak(
    memory: MemoryTrend,
    sample: Sample,
    limits: ResourceLimits,
    tuned: MonitorSettings,
    finding: UsageFinding | None,
) -> tuple[MemoryTrend, list[UsageFinding]]:
    """Clear a leak when this monitor has seen no growth for MIN_KNOWN_SHARE of the leak window."""
    cleared = [finding] if finding is not None and finding.phase is Phase.CLEARED else []
    if memory.seen_seconds < MIN_KNOWN_SHARE * tuned.leak_window:
        return memory, cleared
    recent = memory.long.latest - (MIN_KNOWN_SHARE + 0.1) * tuned.leak_window
    growth = measure_growth(memory.long, limits.memory, horizon=tuned.leak_horizon, since=recent)
    if growth.slope != 0.0 or growth.seen_seconds < MIN_KNOWN_SHARE * tuned.leak_window:
        return memory, cleared
    over = UsageFinding(Kind.MEMORY_LEAK, Phase.CLEARED, sample.time)
    return msgspec.structs.replace(memory, is_leaking=False), [*cleared, over]


def _is_due(memory: MemoryTrend, sample: Sample, limits: ResourceLimits, tuned: MonitorSettings) -> bool:
    """Return whether to judge memory again: half of the remaining share is used, memory is nearly full, or
    what was unknown may be known by now."""
    last, share = memory.judgement, _compute_memory_percent(sample, limits)
    if last is None:
        return True
    if share >= NEARLY_FULL_PERCENT and sample.time - last.time >= tuned.window:
        return True
    if share >= last.share + (100 - last.share) / 2:
        return True
    first_time = memory.long.points[0][0] if memory.long.points else last.time
    return not last.known and sample.time - last.time >= last.time - first_time


def _find_leak(
    memory: MemoryTrend, sample: Sample, limits: ResourceLimits, tuned: MonitorSettings, *, due: bool
) -> Growth | None:
    """Return the rise of memory that is a leak; None if no rise is."""
    long, window = memory.long, tuned.leak_window
    if due and not is_sawtooth(long):
        growth = _find_late_rise(memory, limits, tuned) or _find_early_leak(memory, sample, limits, tuned)
        if growth is not None:
            return growth
    if sample.memory - sample.cache < MIN_LEAK_SHARE * limits.memory:
        return None
    rose = find_rise(long, limits.memory, window=window)
    if rose is None or rose.seconds_left > tuned.leak_horizon or is_levelling_off(long.points, limits.memory):
        return None
    return Growth(memory.seen_seconds, rose.slope, rose.seconds_left)


def _find_late_rise(memory: MemoryTrend, limits: ResourceLimits, tuned: MonitorSettings) -> Growth | None:
    """Return the rise since memory became high, in a process known for the leak window."""
    points = memory.high.points
    if memory.seen_seconds < MIN_WINDOW_SHARE * tuned.leak_window or not points:
        return None
    span = points[-1][0] - points[0][0]
    rose = find_rise(memory.high, limits.memory, window=span, share=MIN_RISE_SHARE)
    return Growth(span, rose.slope, rose.seconds_left) if rose else None


def _find_early_leak(
    memory: MemoryTrend, sample: Sample, limits: ResourceLimits, tuned: MonitorSettings
) -> Growth | None:
    """Return the rise of a young process whose memory will be full before it is known for long enough."""
    if _compute_memory_percent(sample, limits) < NEARLY_FULL_PERCENT:
        return None
    growth = measure_growth(memory.long, limits.memory, horizon=tuned.leak_horizon)
    early = growth.seconds_left < MIN_WINDOW_SHARE * tuned.leak_window - growth.seen_seconds
    long = growth.seen_seconds >= MIN_KNOWN_SHARE * tuned.leak_window
    sure = growth.is_growing and growth.is_steady and not growth.is_slowing
    return growth if sure and early and long else None


def _judge_high(
    memory: MemoryTrend,
    sample: Sample,
    finding: UsageFinding | None,
    limits: ResourceLimits,
    tuned: MonitorSettings,
) -> tuple[MemoryTrend, list[UsageFinding]]:
    """Classify how memory is high. It is raised as soon as it is known whether it grows, at the latest after
    another window, and again when it turns out to grow."""
    manner, growth = _classify_growth(memory, limits, tuned)
    if finding is None and memory.pending_since is not None:
        finding = UsageFinding(
            Kind.MEMORY_HIGH, Phase.RAISED, memory.pending_since, _build_level_evidence(sample, limits, tuned)
        )
    if finding is not None and _may_wait(finding, growth, sample, limits, tuned):
        return msgspec.structs.replace(memory, pending_since=finding.since), []
    last = memory.judgement
    judgement = LeakJudgement(
        sample.time,
        _compute_memory_percent(sample, limits),
        _fills_soon(growth, tuned),
        growth.slope is not None,
    )
    memory = msgspec.structs.replace(memory, judgement=judgement, pending_since=None)
    if finding is None and (last is None or last.fills or not _fills_soon(growth, tuned)):
        return memory, []
    if finding is None:
        since = memory.high.points[0][0] if memory.high.points else sample.time
        finding = UsageFinding(
            Kind.MEMORY_HIGH, Phase.RAISED, since, _build_level_evidence(sample, limits, tuned)
        )
    facts = [*finding.evidence, *_build_growth_evidence(growth, tuned), Evidence("manner", manner)]
    return memory, [finding._replace(evidence=tuple(facts))]


def _may_wait(
    finding: UsageFinding, growth: Growth, sample: Sample, limits: ResourceLimits, tuned: MonitorSettings
) -> bool:
    """Return whether to measure longer before an alert: a busy host gives too few samples in a window. Memory
    that fell meanwhile may be over."""
    early, share = sample.time < finding.since + 2 * tuned.window, _compute_memory_percent(sample, limits)
    return share < tuned.memory or (growth.slope is None and early and share < NEARLY_FULL_PERCENT)


def _fills_soon(growth: Growth, tuned: MonitorSettings) -> bool:
    return (
        growth.is_growing
        and not _is_slowing_down(growth, tuned)
        and growth.seconds_left <= tuned.leak_horizon
    )


def _is_slowing_down(growth: Growth, tuned: MonitorSettings) -> bool:
    """Return whether growth is known to settle. A few seconds of slower growth do not rule out a leak."""
    return growth.is_slowing and growth.seen_seconds >= MIN_SLOWING_SHARE * tuned.leak_window


def _classify_growth(
    memory: MemoryTrend, limits: ResourceLimits, tuned: MonitorSettings
) -> tuple[str, Growth]:
    growth = _choose_growth(memory, limits, tuned)
    if is_sawtooth(memory.long):
        return "falls_back", Growth(growth.seen_seconds, 0.0)
    if growth.is_growing:
        return (
            "growing" if memory.seen_seconds >= MIN_WINDOW_SHARE * tuned.leak_window else "too_early",
            growth,
        )
    return ("steady" if growth.slope == 0.0 else "unknown"), growth


def _choose_growth(memory: MemoryTrend, limits: ResourceLimits, tuned: MonitorSettings) -> Growth:
    """Return the growth over the whole known time, or otherwise since memory became high. A process that is
    known for the whole leak window and grows by neither counts as steady."""
    long_growth, high_growth = (
        measure_growth(trend, limits.memory, horizon=tuned.leak_horizon)
        for trend in (memory.long, memory.high)
    )
    if long_growth.is_growing or high_growth.is_growing:
        return long_growth if long_growth.is_growing else high_growth
    if memory.seen_seconds >= MIN_WINDOW_SHARE * tuned.leak_window:
        return Growth(memory.seen_seconds, 0.0)
    return (
        high_growth
        if long_growth.slope is None and high_growth.seen_seconds >= long_growth.seen_seconds
        else long_growth
    )


def _compute_memory_percent(sample: Sample, limits: ResourceLimits) -> float:
    return sample.memory / limits.memory * 100 if limits.memory > 0 else 0.0


def _build_level_evidence(
    sample: Sample, limits: ResourceLimits, tuned: MonitorSettings
) -> tuple[Evidence, ...]:
    return (
        Evidence("memory", round(_compute_memory_percent(sample, limits), 1), "%"),
        Evidence("threshold", round(tuned.memory, 1), "%"),
        *build_memory_evidence(sample, limits),
    )


def _build_leak_evidence(
    sample: Sample, limits: ResourceLimits, tuned: MonitorSettings, growth: Growth
) -> tuple[Evidence, ...]:
    return (*_build_level_evidence(sample, limits, tuned), *_build_growth_evidence(growth, tuned))


def _build_growth_evidence(growth: Growth, tuned: MonitorSettings) -> list[Evidence]:
    facts = [Evidence("seen", round(growth.seen_seconds, 1), "s")]
    if growth.slope:
        facts += [
            Evidence("growth", round(growth.slope, 1), "B/s"),
            Evidence("full_in", round(growth.seconds_left, 1), "s"),
        ]
        if _is_slowing_down(growth, tuned):
            facts.append(Evidence("slowing_down", True))
        elif growth.seconds_left <= tuned.leak_horizon:
            facts.append(Evidence("full_soon", True))
    return facts


def build_memory_evidence(sample: Sample, limits: ResourceLimits) -> tuple[Evidence, ...]:
    facts = [Evidence("memory_bytes", sample.memory, "B"), Evidence("memory_limit", limits.memory, "B")]
    if limits.memory_of:
        facts.append(Evidence("limit_of", limits.memory_of))
    if sample.cache:
        facts.append(Evidence("cache", sample.cache, "B"))
    if sample.pressure is not None:
        facts.append(Evidence("pressure", sample.pressure, "%"))
    return tuple(facts)
