"""One container's running process under the samples: rates, gauges, and what they show.

A track begins anew with every start of the container: counters and gauges of the process before mean nothing.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

import msgspec

from hemostat.core.detect import Gauge, Thresholds, cpu_percent, read_gauge
from hemostat.core.model import Sample
from hemostat.events import Evidence, Kind, Phase

GAUGED: Final = (Kind.CPU_HIGH, Kind.MEMORY_HIGH)


class Track(msgspec.Struct, frozen=True):
    """`bases` holds, by kind, the first sample at which the value was too high."""

    last: Sample | None = None
    gauges: dict[Kind, Gauge] = {}
    bases: dict[Kind, Sample] = {}

    def calm(self, kind: Kind) -> bool:
        """Whether the value is neither too high nor on its way there."""
        gauge = self.gauges.get(kind, Gauge())
        return not gauge.raised and gauge.since is None


class Limits(NamedTuple):
    """Of one container: `cpu` in cores, 1 where there is no limit; `memory` in bytes."""

    cpu: float
    memory: int


class Finding(NamedTuple):
    kind: Kind
    phase: Phase
    since: float
    evidence: tuple[Evidence, ...]


class Reading(NamedTuple):
    """`cpu` in percent, 100 = one core; None on the first sample."""

    track: Track
    cpu: float | None
    findings: tuple[Finding, ...]


def begin(raised: Collection[Kind]) -> Track:
    """A track for a process of which these kinds have been alerted already."""
    return Track(gauges={kind: Gauge(raised=True) for kind in raised if kind in GAUGED})


def busy(track: Track, sample: Sample, limits: Limits, tuned: Thresholds) -> bool:
    """Whether this sample shows too much CPU, so that it is worth knowing whether work arrives."""
    cpu = None if track.last is None else cpu_percent(track.last, sample)
    return cpu is not None and cpu / limits.cpu >= tuned.cpu


def observe(track: Track, sample: Sample, limits: Limits, tuned: Thresholds) -> Reading:
    last = track.last
    cpu = None if last is None else cpu_percent(last, sample)
    if last is None or cpu is None:
        return Reading(msgspec.structs.replace(track, last=sample), None, ())
    values = {
        Kind.CPU_HIGH: (cpu / limits.cpu, tuned.cpu),
        Kind.MEMORY_HIGH: (sample.memory / limits.memory * 100, tuned.memory),
    }
    gauges, bases, findings = {}, {}, []
    for kind, (value, threshold) in values.items():
        before = track.gauges.get(kind, Gauge())
        gauge, phase = read_gauge(
            before, value, threshold, window=tuned.window, begun=last.time, now=sample.time
        )
        base = track.bases.get(kind, sample)
        gauges[kind] = gauge
        if gauge.since is not None:
            bases[kind] = base
        if phase is not None:
            since = last.time if before.since is None else before.since
            evidence = _evidence(kind, value, threshold, base, sample, limits)
            findings.append(Finding(kind, phase, since, evidence))
    return Reading(Track(sample, gauges, bases), cpu, tuple(findings))


def _evidence(
    kind: Kind, value: float, threshold: float, base: Sample, sample: Sample, limits: Limits
) -> tuple[Evidence, ...]:
    elapsed = sample.time - base.time
    facts = [Evidence("threshold", round(threshold, 1), "%")]
    if kind is Kind.CPU_HIGH:
        facts.insert(0, Evidence("cpu", round(value, 1), "%"))
        if sample.received is not None and base.received is not None and elapsed > 0:
            facts.append(Evidence("received", round((sample.received - base.received) / elapsed, 1), "B/s"))
        return tuple(facts)
    growth = (sample.memory - base.memory) / elapsed if elapsed > 0 else 0.0
    return (
        Evidence("memory", round(value, 1), "%"),
        *facts,
        Evidence("memory_bytes", sample.memory, "B"),
        Evidence("memory_limit", limits.memory, "B"),
        Evidence("growth", round(growth, 1), "B/s"),
    )
