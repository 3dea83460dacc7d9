"""Decides whether the floor of a value rises, and when it reaches the limit.

Memory of garbage-collected heaps is a sawtooth: only the troughs show what is really in use. The floor is
kept as the least value of each of BUCKETS_PER_WINDOW parts of a window. It rises if, over the whole window,

1. it ends higher than it began in MIN_STEADY_TAU of all pairs of times: Kendall's tau, the statistic of the
   Mann-Kendall test for a trend (Mann 1945, Kendall 1975);
2. its slope, the median of the slopes of all pairs (Theil 1950, Sen 1968), makes up a share of the limit in a
   window, in the later half too: a cache that is filling slows down;
3. no single step makes up most of the rise: data loaded once is no trend;
4. if the value fell on the way, all of this holds for the troughs, at least three of them; if it did not
   fall, it is higher than any height from which it has come down before: a tooth may be longer than the
   window.

Values are not negative. After values that cannot be compared (clocks set back, long gaps, NaN) the trend
begins again.
"""

from itertools import combinations, pairwise
from math import inf, isfinite
from statistics import median
from typing import Final, NamedTuple

import msgspec

Points = tuple[tuple[float, float], ...]
"""Times and values, by time."""

BUCKETS_PER_WINDOW: Final = 30
MIN_STEADY_TAU: Final = 0.75
MIN_TREND_POINTS: Final = 3
"""Minimum number of points of a trend."""
MAX_STEP_SHARE: Final = 0.6
"""Maximum share of the rise that a single step may make up."""
MIN_WINDOW_SHARE: Final = 0.9
"""Share of the window that must have been measured. Troughs must span half of the window."""
MIN_DROP_SHARE: Final = 0.1
"""Share of the range by which a value must fall to end a tooth."""
MIN_FALL_SHARE: Final = 0.05
"""Share of its height by which a value must fall to count as fallen."""
MIN_TROUGH_RISE_SHARE: Final = 0.25
"""Share of the range by which the troughs must have risen for the teeth to count as noise."""
MAX_CEILING_WINDOWS: Final = 12
"""Windows after which a height is forgotten."""


class Trend(msgspec.Struct, frozen=True):
    """`points` is the floor of the newest buckets. `crest` is the height of the present tooth. `ceiling` is
    the greatest height from which the value has fallen, at the time `ceiling_at`."""

    points: Points = ()
    latest: float = -inf
    bucket_start: float = -inf
    """When the newest bucket began."""
    crest: float = 0.0
    ceiling: float = 0.0
    ceiling_at: float = -inf


class Rise(NamedTuple):
    """`slope` is in units a second, `floor` is the floor now, `seconds_left` is until the limit."""

    slope: float
    floor: float
    seconds_left: float


def extend_trend(trend: Trend, time: float, value: float, *, window: float) -> Trend:
    """Return the trend with one more value. `window` (seconds) must be the same each time."""
    if not (isfinite(time) and isfinite(value)) or time == trend.latest:
        return trend
    if not 0 < time - trend.latest <= window:
        return Trend(((time, value),), time, time, value)
    points, bucket_start = trend.points, trend.bucket_start
    if time - bucket_start >= window / BUCKETS_PER_WINDOW:
        points, bucket_start = (*_drop_old_points(points, time - window), (time, value)), time
    elif value < points[-1][1]:
        points = (*points[:-1], (time, value))
    crest, ceiling, down = trend.crest, trend.ceiling, trend.ceiling_at
    if time - down > MAX_CEILING_WINDOWS * window:
        ceiling = 0.0
    if value < crest * (1 - MIN_FALL_SHARE):
        if crest >= ceiling:
            ceiling, down = crest, time
        crest = value
    return Trend(points, time, bucket_start, max(crest, value), ceiling, down)


def find_rise(trend: Trend, limit: float, *, window: float, share: float = 0.05) -> Rise | None:
    """Return how the floor rises; None if it does not, or by less than `share` of the limit in a window."""
    points = trend.points
    least = limit * share
    if (
        not (0 < limit < inf)
        or len(points) < MIN_TREND_POINTS
        or trend.latest - points[0][0] < window * MIN_WINDOW_SHARE
    ):
        return None
    values = [value for _, value in points]
    if max(values) - min(values) < least / 2:
        return None
    floor = _find_floor(trend)
    if len(floor) < MIN_TREND_POINTS or floor[-1][0] - floor[0][0] < window / 2:
        return None
    slope = find_steady_slope(floor)
    if slope is None or slope * window < least:
        return None
    now = floor[-1][1] + slope * (trend.latest - floor[-1][0])
    return Rise(slope, now, max(limit - now, 0.0) / slope)


def is_sawtooth(trend: Trend) -> bool:
    """Return whether the value falls back by itself: within the window, or earlier from about this height,
    and by more than a little on its way up."""
    if not trend.points:
        return False
    values = [value for _, value in trend.points]
    span, floor = max(values) - min(values), _find_floor(trend)
    if find_steady_slope(floor) is not None and floor[-1][1] - floor[0][1] >= MIN_TROUGH_RISE_SHARE * span:
        return False
    if span >= MIN_FALL_SHARE * max(values) and _find_troughs(trend.points) is not None:
        return True
    return trend.ceiling >= trend.crest * (1 - MIN_FALL_SHARE) > 0


def _find_floor(trend: Trend) -> Points:
    """Rule 4: return the points that count."""
    low = _find_troughs(trend.points)
    if low is None:
        return trend.points if trend.crest > trend.ceiling else ()
    return low


def _drop_old_points(points: Points, since: float) -> Points:
    """Return the points without the older ones, except the one that spans the beginning."""
    first = 0
    while first + 1 < len(points) and points[first + 1][0] <= since:
        first += 1
    return points[first:]


def _find_troughs(points: Points) -> Points | None:
    """Return the lowest point of every tooth except the first, whose beginning was not measured, and of the
    last only if the value has risen since; None if the value never fell."""
    values = [value for _, value in points]
    drop = (max(values) - min(values)) * MIN_DROP_SHARE if values else 0.0
    troughs: list[tuple[float, float]] = []
    falling, teeth, high, low = False, 0, -inf, (0.0, inf)
    for point in points:
        if falling:
            low = min(low, point, key=lambda p: p[1])
            if point[1] - low[1] >= drop > 0:
                troughs.append(low)
                falling, high = False, point[1]
        elif high - point[1] >= drop > 0:
            falling, low, teeth = True, point, teeth + 1
        high = max(high, point[1])
    return tuple(troughs) if teeth else None


def find_steady_slope(floor: Points) -> float | None:
    """Return the slope of a floor that rises steadily, also in its later half; None for any other floor."""
    if len(floor) < MIN_TREND_POINTS:
        return None
    pairs = list(combinations(floor, 2))
    tau = sum((b[1] > a[1]) - (b[1] < a[1]) for a, b in pairs) / len(pairs)
    height = floor[-1][1] - floor[0][1]
    if tau < MIN_STEADY_TAU or max(b[1] - a[1] for a, b in pairwise(floor)) > MAX_STEP_SHARE * height:
        return None
    second_half = floor[len(floor) // 2 :]
    return min(
        _compute_median_slope(pairs),
        _compute_median_slope(list(combinations(second_half, 2)))
        if len(second_half) >= MIN_TREND_POINTS
        else inf,
    )


def _compute_median_slope(pairs: list[tuple[tuple[float, float], tuple[float, float]]]) -> float:
    return median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs)
