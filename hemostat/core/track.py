"""One container's running process under the samples: rates, gauges, and what they show.

A track begins anew with every start of the container: counters and gauges of the process before mean nothing.
Memory that has risen for the whole leak window and will be full within the horizon is a leak. So is memory
that is high and rises in a process that has been known for as long, and does not fall back on its own: a
young one may be warming up.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from hemostat.core.activity import Activity, compare
from hemostat.core.detect import RELEASE, Gauge, cpu_percent, read_gauge
from hemostat.core.model import Sample
from hemostat.core.thresholds import Thresholds
from hemostat.core.trend import WHOLE, Rise, Trend, extend, rise, toothed
from hemostat.events import Evidence, Kind, Phase

GAUGED: Final = frozenset(
    {Kind.CPU_HIGH, Kind.CPU_THROTTLED, Kind.MEMORY_HIGH, Kind.MEMORY_LEAK, Kind.PIDS_HIGH, Kind.FD_HIGH}
)
RISING: Final = 0.01
"""Growth while memory is high, as a share of the limit, from which on it is rising."""
CALM: Final = 0.5
"""Share of the threshold below which CPU is low."""
HALF: Final = 0.5
"""Share of the limit below which memory may rise as it likes: a process that warms up does."""


class Track(msgspec.Struct, frozen=True):
    """`bases` holds, by kind, the first sample at which the value was too high; `high` is the trend of memory
    since it is too high, `long` over the whole leak window; `leaking` whether a leak has been told."""

    last: Sample | None = None
    started: float = 0.0
    """When the process began, epoch seconds; 0 where unknown."""
    gauges: dict[Kind, Gauge] = {}
    bases: dict[Kind, Sample] = {}
    activity: Activity | None = None
    """What its processes had done when CPU became too high."""
    idle_since: float | None = None
    idle_longest: float = 0.0
    """Seconds for which CPU is known to have been low at some time in this life of the process."""
    high: Trend = Trend()
    long: Trend = Trend()
    leaking: bool = False

    def calm(self, kind: Kind) -> bool:
        """Whether the value is neither too high nor on its way there."""
        if kind is Kind.MEMORY_LEAK:
            return not self.leaking and self.calm(Kind.MEMORY_HIGH)
        gauge = self.gauges.get(kind, Gauge())
        return not gauge.raised and gauge.since is None


class Limits(NamedTuple):
    """Of one container: `cpu` in cores, 1 where there is no limit; `memory` in bytes, 0 where unknown; `pids`
    0 where there is none."""

    cpu: float
    memory: int
    pids: int = 0
    has_cpu_limit: bool = False


class Finding(NamedTuple):
    kind: Kind
    phase: Phase
    since: float
    evidence: tuple[Evidence, ...] = ()


class Reading(NamedTuple):
    """`cpu` in percent, 100 = one core; None on the first sample."""

    track: Track
    cpu: float | None
    findings: tuple[Finding, ...]


class _Value(NamedTuple):
    kind: Kind
    now: float
    threshold: float
    facts: tuple[Evidence, ...] = ()


def begin(raised: Collection[Kind], started: float = 0.0) -> Track:
    """A track for a process of which these kinds have been alerted already."""
    gauges = {kind: Gauge(raised=True) for kind in raised if kind in GAUGED}
    if Kind.MEMORY_LEAK in gauges:
        gauges[Kind.MEMORY_HIGH] = gauges.pop(Kind.MEMORY_LEAK)
        return Track(gauges=gauges, started=started, leaking=True)
    return Track(gauges=gauges, started=started)


def interrupted(track: Track) -> Track:
    """The track of a process that was paused or goes on: what was measured before cannot be continued."""
    return Track(
        gauges=track.gauges, started=track.started, leaking=track.leaking, idle_longest=track.idle_longest
    )


def wants_activity(track: Track, sample: Sample, limits: Limits, tuned: Thresholds) -> bool:
    """Whether it is worth knowing what the processes do with their CPU: as it becomes too high, and when it
    has been so for the whole window."""
    gauge = track.gauges.get(Kind.CPU_HIGH, Gauge())
    if track.last is None or gauge.raised:
        return False
    cpu = cpu_percent(track.last, sample)
    if cpu is None or cpu / (limits.cpu or 1.0) < tuned.cpu:
        return False
    return track.activity is None or gauge.since is None or sample.time - gauge.since >= tuned.window


def observe(
    track: Track, sample: Sample, limits: Limits, tuned: Thresholds, activity: Activity | None = None
) -> Reading:
    """`activity` is what the processes have done so far, where `wants_activity` asks for it."""
    last = track.last
    cpu = None if last is None else cpu_percent(last, sample)
    if last is None or cpu is None:
        return Reading(msgspec.structs.replace(track, last=sample), None, _child_killed(last, sample))
    idle_since, calm = _rest(track, last, sample, cpu / (limits.cpu or 1.0), limits, tuned)
    gauges, bases, findings = dict(track.gauges), {}, list(_child_killed(last, sample))
    for value in _values(track, last, sample, cpu, limits, tuned):
        kind = value.kind
        before = track.gauges.get(kind, Gauge())
        gauge, phase = read_gauge(
            before, value.now, value.threshold, window=tuned.window, begun=last.time, now=sample.time
        )
        gauges[kind] = gauge
        if gauge.since is not None or phase is not None:
            bases[kind] = track.bases.get(kind, sample)
        if phase is not None:
            since = last.time if before.since is None else before.since
            findings.append(Finding(kind, phase, since, _evidence(value)))
    if (found := _found(findings, Kind.CPU_HIGH)) is not None:
        about = _about_cpu(track, bases[Kind.CPU_HIGH], calm, activity, limits)
        findings[findings.index(found)] = found._replace(evidence=(*found.evidence, *about))
    used = sample.memory - sample.cache
    over = gauges.get(Kind.MEMORY_HIGH, Gauge())
    aloft = over.since is not None or over.raised
    cpu_high = gauges[Kind.CPU_HIGH]
    after = Track(
        last=sample,
        started=track.started,
        gauges=gauges,
        bases={kind: base for kind, base in bases.items() if gauges[kind].since is not None},
        activity=(track.activity or activity) if cpu_high.since is not None else None,
        idle_since=idle_since,
        idle_longest=calm,
        high=extend(track.high, sample.time, used, window=tuned.window) if aloft else Trend(),
        long=extend(track.long, sample.time, used, window=tuned.leak_window),
        leaking=track.leaking,
    )
    return _judge_memory(after, limits, tuned, cpu, tuple(findings))


def _values(
    track: Track, last: Sample, sample: Sample, cpu: float, limits: Limits, tuned: Thresholds
) -> Iterator[_Value]:
    used = cpu / (limits.cpu or 1.0)
    yield _Value(Kind.CPU_HIGH, used, tuned.cpu)
    if sample.periods:
        yield _throttled(track.bases.get(Kind.CPU_THROTTLED, last), sample, limits, tuned)
    if limits.memory > 0:
        yield _Value(
            Kind.MEMORY_HIGH, sample.memory / limits.memory * 100, tuned.memory, _memory(sample, limits)
        )
    if limits.pids > 0 and sample.pids is not None:
        facts = (Evidence("pids_limit", limits.pids),)
        yield _Value(Kind.PIDS_HIGH, sample.pids / limits.pids * 100, tuned.pids, facts)
    if sample.descriptors is not None and sample.descriptors_limit:
        facts = (Evidence("files_limit", sample.descriptors_limit),)
        share = sample.descriptors / sample.descriptors_limit * 100
        yield _Value(Kind.FD_HIGH, share, tuned.fds, facts)


def _throttled(since: Sample, sample: Sample, limits: Limits, tuned: Thresholds) -> _Value:
    """On average since it began, for what is held back comes in bursts. One that uses its whole limit is held
    back too: that is told as cpu_high already."""
    periods, used = sample.periods - since.periods, (cpu_percent(since, sample) or 0.0) / (limits.cpu or 1.0)
    held = (sample.throttled - since.throttled) / periods * 100 if periods > 0 else 0.0
    value = held if used < tuned.cpu * RELEASE else 0.0
    return _Value(Kind.CPU_THROTTLED, value, tuned.throttled, (Evidence("cpu", round(used, 1), "%"),))


NAMES: Final = {
    Kind.CPU_HIGH: "cpu",
    Kind.CPU_THROTTLED: "throttled",
    Kind.MEMORY_HIGH: "memory",
    Kind.PIDS_HIGH: "pids",
    Kind.FD_HIGH: "open_files",
}
"""What the value of each kind is called in evidence, in percent."""


def _evidence(value: _Value) -> tuple[Evidence, ...]:
    return (
        Evidence(NAMES[value.kind], round(value.now, 1), "%"),
        Evidence("threshold", round(value.threshold, 1), "%"),
        *value.facts,
    )


def _found(findings: Iterable[Finding], kind: Kind) -> Finding | None:
    return next((each for each in findings if each.kind is kind and each.phase is Phase.RAISED), None)


def _rest(
    track: Track, last: Sample, sample: Sample, used: float, limits: Limits, tuned: Thresholds
) -> tuple[float | None, float]:
    """Since when CPU has been low, and the longest time for which it is known to have been: seen by us, or by
    the CPU that the process has used in all."""
    if used < tuned.cpu * CALM:
        since = last.time if track.idle_since is None else track.idle_since
        return since, max(track.idle_longest, sample.time - since)
    if Kind.CPU_HIGH in track.bases:
        return None, track.idle_longest
    return None, max(track.idle_longest, _calm_by_average(track, last, limits, tuned))


def _calm_by_average(track: Track, last: Sample, limits: Limits, tuned: Thresholds) -> float:
    """Seconds for which CPU must have been low, or the process would have used more of it by now."""
    low = tuned.cpu * CALM / 100 * (limits.cpu or 1.0)
    if track.started <= 0 or low <= 0:
        return 0.0
    return max(last.time - track.started - last.cpu / low, 0.0)


def _about_cpu(
    track: Track, base: Sample, calm: float, activity: Activity | None, limits: Limits
) -> Iterator[Evidence]:
    """What tells a loop from work: what the process did before, and what it has done since `base`."""
    yield Evidence("calm", round(calm, 1), "s")
    age = base.time - track.started
    if track.started > 0 and age > 0:
        yield Evidence("average", round(base.cpu / age * 100 / (limits.cpu or 1.0), 1), "%")
    if limits.has_cpu_limit:
        yield Evidence("cpu_limit", limits.cpu)
    if track.activity is not None and activity is not None:
        yield from compare(track.activity, activity)


def _memory(sample: Sample, limits: Limits) -> tuple[Evidence, ...]:
    facts = [Evidence("memory_bytes", sample.memory, "B"), Evidence("memory_limit", limits.memory, "B")]
    if sample.cache:
        facts.append(Evidence("cache", sample.cache, "B"))
    if sample.pressure is not None:
        facts.append(Evidence("pressure", sample.pressure, "%"))
    return tuple(facts)


def _child_killed(last: Sample | None, sample: Sample) -> tuple[Finding, ...]:
    """The kernel has killed a process in the container, and not the main one: the container goes on."""
    before = None if last is None else last.oom_kills
    if before is None or sample.oom_kills is None or sample.oom_kills <= before:
        return ()
    return (Finding(Kind.OOM, Phase.RAISED, sample.time, (Evidence("survived", True),)),)


def _judge_memory(
    track: Track, limits: Limits, tuned: Thresholds, cpu: float, findings: tuple[Finding, ...]
) -> Reading:
    """Tell a leak from memory that is merely high; only one of the two is told at a time."""
    sample, leaking = track.last, track.leaking
    over = track.gauges.get(Kind.MEMORY_HIGH, Gauge())
    found = next((each for each in findings if each.kind is Kind.MEMORY_HIGH), None)
    rest = [each for each in findings if each is not found]
    rising = _rising(track, limits, tuned, raised=found is not None and found.phase is Phase.RAISED)
    if sample is None or (found is None and rising is None and not leaking):
        return Reading(track, cpu, findings)
    if leaking and rising is None and not over.raised:
        rest.append(Finding(Kind.MEMORY_LEAK, Phase.CLEARED, sample.time))
        leaking = False
    elif rising is not None and not leaking:
        since = found.since if found else track.long.points[0][0]
        rest.append(Finding(Kind.MEMORY_LEAK, Phase.RAISED, since, _leak(sample, limits, tuned, rising)))
        leaking = True
    elif found is not None and (not leaking or found.phase is Phase.CLEARED):
        rest.append(_with(found, _manner(track, limits)))
    return Reading(msgspec.structs.replace(track, leaking=leaking), cpu, tuple(rest))


def _rising(track: Track, limits: Limits, tuned: Thresholds, *, raised: bool) -> Rise | None:
    """The rise of memory that is to be told of: just as it has become too high, or for long and soon full."""
    if track.last is None or limits.memory <= 0:
        return None
    floor = track.last.memory - track.last.cache
    if raised and _is_seasoned(track, tuned) and not toothed(track.long):
        climb = _climb(track, limits)
        if climb is not None:
            return climb
    if floor < HALF * limits.memory:
        return None
    rose = rise(track.long, limits.memory, window=tuned.leak_window)
    return rose if rose is not None and rose.left <= tuned.leak_horizon else None


def _climb(track: Track, limits: Limits) -> Rise | None:
    """The rise since memory is too high."""
    points = track.high.points
    span = points[-1][0] - points[0][0] if points else 0.0
    return rise(track.high, limits.memory, window=span, share=RISING) if span > 0 else None


def _is_seasoned(track: Track, tuned: Thresholds) -> bool:
    """Whether the process has been known for long enough to tell how its memory behaves."""
    points = track.long.points
    return bool(points) and track.long.latest - points[0][0] >= WHOLE * tuned.leak_window


def _leak(sample: Sample, limits: Limits, tuned: Thresholds, rose: Rise) -> tuple[Evidence, ...]:
    return (
        Evidence("memory", round(sample.memory / limits.memory * 100, 1), "%"),
        Evidence("threshold", round(tuned.memory, 1), "%"),
        *_memory(sample, limits),
        Evidence("growth", round(rose.slope, 1), "B/s"),
        Evidence("full_in", round(rose.left, 1), "s"),
    )


def _manner(track: Track, limits: Limits) -> str:
    """In what way memory that is too high is no leak."""
    if toothed(track.long):
        return "falls_back"
    return "warming_up" if _climb(track, limits) else "steady"


def _with(finding: Finding, manner: str) -> Finding:
    return finding._replace(evidence=(*finding.evidence, Evidence("manner", manner)))
