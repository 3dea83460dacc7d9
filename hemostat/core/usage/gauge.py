"""Decides when a measured value has been too high for too long.

A gauge is raised when its value has stayed at or above the threshold for the whole window. It is cleared when
the value has stayed below RELEASE_SHARE of the threshold for as long. In between nothing changes.
"""

from math import isfinite, nan
from typing import Final

import msgspec

from hemostat.core.model import Sample
from hemostat.events import Phase

RELEASE_SHARE: Final = 0.9
"""Hysteresis: a raised gauge is cleared only below this share of its threshold."""

MAX_GAP_SECONDS: Final = 5.0
"""Maximum seconds (or a window, if longer) between two samples for one to stand for the whole time."""


class Gauge(msgspec.Struct, frozen=True):
    """State of one value relative to its threshold. Times are epoch seconds."""

    raised: bool = False
    since: float | None = None
    """Since when every value has contradicted the present state; None if the last one did not."""


def update_gauge(
    gauge: Gauge, value: float, threshold: float, *, window: float, interval_start: float, now: float
) -> tuple[Gauge, Phase | None]:
    """Return the gauge after a value measured from `interval_start` to `now`, and the transition if any.
    Values that are not finite are ignored. After a gap, and if the clock was set back, the window starts
    again."""
    if not (isfinite(value) and isfinite(now)):
        return gauge, None
    contradicts = value < threshold * RELEASE_SHARE if gauge.raised else value >= threshold
    if not contradicts:
        return Gauge(gauge.raised), None
    since = gauge.since
    if since is None or not since <= interval_start:
        since = interval_start if now - interval_start <= max(window, MAX_GAP_SECONDS) else now
    if now - since < window:
        return Gauge(gauge.raised, since), None
    return Gauge(not gauge.raised), Phase.CLEARED if gauge.raised else Phase.RAISED


def compute_cpu_percent(before: Sample, after: Sample) -> float | None:
    """Return the CPU between two samples, 100 = one core as in Docker; None if they cannot be compared."""
    elapsed, used = after.time - before.time, after.cpu - before.cpu
    percent = used / elapsed * 100 if elapsed > 0 and used >= 0 else nan
    return percent if isfinite(percent) else None


def compute_share(value: float, limit: float | None) -> float:
    return value / limit if limit else value
