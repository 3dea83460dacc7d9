"""Learns a container's usual CPU and memory share, so that one that always runs at 90 % raises no alert.

The baseline is the time-weighted mean share: at first of all values, later of about the last window, with
exponentially less weight for older values. Nothing is learned while an alert is raised: a failure must not
become usual. The threshold is MARGIN_POINTS above the baseline, never below the configured threshold, never
above the ceiling. Until a whole window was measured, the threshold is the ceiling.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Final

import msgspec

from hemostat.core.settings.monitor import MonitorSettings
from hemostat.events import Kind

MARGIN_POINTS: Final = 5.0
MAX_INTERVALS: Final = 3
"""Maximum number of intervals that one value stands for. Longer gaps were not measured."""
TENTHS: Final = 10


class Baseline(msgspec.Struct, frozen=True, omit_defaults=True):
    """`levels` are mean shares in percent over the last `observed` seconds, at most a window. `latest` is the
    time of the last value."""

    levels: dict[Kind, float] = {}
    observed: float = 0.0
    latest: float | None = None


def learn(baseline: Baseline, shares: Mapping[Kind, float], now: float, tuned: MonitorSettings) -> Baseline:
    """Return the baseline with one more value of each kind, in percent of its limit."""
    if not (isfinite(now) and all(map(isfinite, shares.values()))):
        return baseline
    elapsed = 0.0 if baseline.latest is None else min(now - baseline.latest, MAX_INTERVALS * tuned.interval)
    if elapsed <= 0:
        return msgspec.structs.replace(baseline, latest=now)
    weight = elapsed / (baseline.observed + elapsed)
    before = {**shares, **baseline.levels}
    levels = {kind: before[kind] + (share - before[kind]) * weight for kind, share in shares.items()}
    return Baseline(levels, min(baseline.observed + elapsed, tuned.baseline_window), now)


def raise_thresholds(tuned: MonitorSettings, baseline: Baseline) -> MonitorSettings:
    """Return the thresholds of a container with this baseline."""
    if not tuned.baseline:
        return tuned
    cpu = _raise_threshold(tuned.cpu, Kind.CPU_HIGH, tuned, baseline)
    return msgspec.structs.replace(
        tuned, cpu=cpu, memory=_raise_threshold(tuned.memory, Kind.MEMORY_HIGH, tuned, baseline)
    )


def _raise_threshold(configured: float, kind: Kind, tuned: MonitorSettings, baseline: Baseline) -> float:
    level = baseline.levels.get(kind)
    is_learned = level is not None and baseline.observed >= tuned.baseline_window
    raised_threshold = level + MARGIN_POINTS if level is not None and is_learned else tuned.baseline_ceiling
    return max(configured, min(raised_threshold, tuned.baseline_ceiling))


def round_baseline(baseline: Baseline, tuned: MonitorSettings) -> Baseline:
    """Return the baseline to store, in whole percent and tenths of the window, so that it seldom changes."""
    tenths = int(baseline.observed / tuned.baseline_window * TENTHS)
    levels = {kind: float(round(level)) for kind, level in baseline.levels.items()}
    return Baseline(levels, min(tenths, TENTHS) * tuned.baseline_window / TENTHS)
