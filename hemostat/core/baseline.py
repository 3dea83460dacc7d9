"""What a container is used to, so that one that always runs at 90 % is no news.

Learned is the mean of its share, weighted by time: at first of all that was seen, later of the last window or
so, older values counting exponentially less. Nothing is to be raised before one whole window has been seen,
and nothing is learned while something is: a failure must not become what it is used to. The threshold is
MARGIN points above what was learned, never below the configured one, and never pushed above the ceiling.
"""

from math import isfinite
from typing import Final

import msgspec

MARGIN: Final = 5.0
TENTHS: Final = 10
"""One value stands for a tenth of the window at most: what was between two far apart, nobody saw."""


class Baseline(msgspec.Struct, frozen=True):
    """`level` is the mean share in percent over the last `observed` seconds, one window at most; `latest` is
    the time of the last value."""

    level: float = 0.0
    observed: float = 0.0
    latest: float | None = None


class Kept(msgspec.Struct, frozen=True):
    """A baseline as the monitor remembers it: rounded, so that it seldom changes. `level` is in percent,
    `tenths` those of the window that have been observed."""

    level: int = 0
    tenths: int = 0


def learn(baseline: Baseline, share: float, now: float, *, window: float, raised: bool = False) -> Baseline:
    """The baseline with one more value, in percent, of which an alert is `raised` or not."""
    if not (isfinite(share) and isfinite(now)):
        return baseline
    elapsed = 0.0 if baseline.latest is None else min(now - baseline.latest, window / TENTHS)
    if raised or elapsed <= 0:
        return Baseline(baseline.level, baseline.observed, now)
    weight = elapsed / (baseline.observed + elapsed)
    level = baseline.level + (share - baseline.level) * weight
    return Baseline(level, min(baseline.observed + elapsed, window), now)


def threshold(
    baseline: Baseline, configured: float, *, window: float, ceiling: float, margin: float = MARGIN
) -> float | None:
    """The threshold in percent; None while the container has not been observed for a window yet."""
    if baseline.observed < window:
        return None
    return max(configured, min(ceiling, baseline.level + margin))


def keep(baseline: Baseline, *, window: float) -> Kept:
    tenths = int(baseline.observed / window * TENTHS) if window > 0 else TENTHS
    return Kept(round(baseline.level), min(tenths, TENTHS))


def recall(kept: Kept, *, window: float) -> Baseline:
    return Baseline(float(kept.level), window * kept.tenths / TENTHS)
