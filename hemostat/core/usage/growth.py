"""Measures how a level grows over the time observed so far, and reports what is not known as unknown.

core.usage.trend needs a history and is strict, because a restart follows from it. This module reports what is
known so far. It is robust against jitter (Theil's slope, Kendall's tau), and against data loaded at once at
the start.
"""

from itertools import combinations, pairwise
from statistics import median
from typing import Final, NamedTuple

from hemostat.core.usage.trend import Points, Trend, find_steady_slope

MIN_POINTS: Final = 4
MIN_STEP_SHARE: Final = 0.2
"""Minimum share of the range that a step must make up to count as data loaded at once. The step must also be
MIN_STEP_RATIO times the others."""
MIN_STEP_RATIO: Final = 5.0
"""Minimum ratio of such a step to the median step. Points before it do not count."""
MIN_TAU: Final = 0.6
"""Kendall's tau from which on the points rise."""
MIN_NOISE_RATIO: Final = 3.0
"""Minimum ratio of the growth to the median deviation from the line."""
MAX_SLOWING_RATIO: Final = 0.7
"""Growth slows down if the growth in the last third is below this share of that in the first third."""
MIN_LIMIT_SHARE: Final = 0.005
"""Minimum growth, as a share of the limit."""


class Growth(NamedTuple):
    """Growth over the last `seen_seconds`. `slope` is in units a second, 0 without growth, None while
    unknown. `seconds_left` is until the limit is reached. `is_steady`: it grows all along. `is_slowing`: it
    will settle below the limit if it continues to slow down at the same rate."""

    seen_seconds: float
    slope: float | None
    seconds_left: float = float("inf")
    is_steady: bool = False
    is_slowing: bool = False

    @property
    def is_growing(self) -> bool:
        return bool(self.slope)


def measure_growth(trend: Trend, limit: float, *, horizon: float, since: float = 0.0) -> Growth:
    """Measure the growth of the points from `since` on. A level is flat only if the limit cannot be reached
    within `horizon`."""
    points = _drop_before_step(tuple(point for point in trend.points if point[0] >= since))
    seen_seconds = trend.latest - points[0][0] if points else 0.0
    if len(points) < MIN_POINTS or seen_seconds <= 0 or limit <= 0:
        return Growth(seen_seconds, None)
    pairs = list(combinations(points, 2))
    slope = median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs)
    tau = sum((b[1] > a[1]) - (b[1] < a[1]) for a, b in pairs) / len(pairs)
    noise, grown, now = _measure_noise(points, slope), slope * seen_seconds, points[-1][1]
    if tau >= MIN_TAU and grown >= max(MIN_NOISE_RATIO * noise, MIN_LIMIT_SHARE * limit):
        steady = find_steady_slope(points) is not None
        return Growth(
            seen_seconds, slope, max(limit - now, 0.0) / slope, steady, is_levelling_off(points, limit)
        )
    possible = max(slope, 0.0) + MIN_NOISE_RATIO * noise / seen_seconds
    return Growth(seen_seconds, 0.0 if possible * horizon < limit - now else None)


def is_levelling_off(points: Points, limit: float) -> bool:
    """Return whether growth in the last third is so much less than in the first that it ends below the limit,
    as when a cache fills or a process warms up."""
    if len(points) < 2 * MIN_POINTS:
        return False
    third = len(points) // 3
    first = points[third][1] - points[0][1]
    last = points[-1][1] - points[-1 - third][1]
    if not 0 <= last < MAX_SLOWING_RATIO * first:
        return False
    ratio = float((last / first) ** 0.5)
    return points[-1][1] + last * ratio / (1 - ratio) < limit


def _drop_before_step(points: Points) -> Points:
    """Return the points without those before the last large step up or down."""
    values = [value for _, value in points]
    steps = [abs(b - a) for a, b in pairwise(values)]
    if not steps:
        return points
    great = max((max(values) - min(values)) * MIN_STEP_SHARE, median(steps) * MIN_STEP_RATIO)
    step_indices = [i for i, step in enumerate(steps, 1) if step > great > 0]
    return points[step_indices[-1] :] if step_indices else points


def _measure_noise(points: Points, slope: float) -> float:
    """Return the median distance from the line with this slope."""
    heights = [value - slope * time for time, value in points]
    middle = median(heights)
    return median(abs(height - middle) for height in heights)
