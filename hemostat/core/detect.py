"""When a container has failed: thresholds that must hold, and deaths that nobody asked for.

Rule 1. A gauge is raised when its value has stayed at or above the threshold for the whole window, and
        cleared when it has stayed below RELEASE of the threshold as long. In between nothing changes.
Rule 2. A death is a failure when the exit code is not 0 and nobody stopped or killed the container through
        the engine (core.intent). Where its owner (core.owner) starts it again, only a loop is an alert.
Rule 3. What cannot be told from a person's wish is taken for one.
Rule 4. `loop_deaths` failures within `loop_window` are a crash loop, whoever starts the container again.
"""

from collections.abc import Sequence
from math import isfinite, nan
from typing import Final

import msgspec

from hemostat.core.model import ContainerInfo, Sample
from hemostat.core.owner import orchestrator, restarts_itself
from hemostat.core.thresholds import Thresholds, is_job
from hemostat.events import Kind, Phase

RELEASE: Final = 0.9
"""Hysteresis: a raised gauge is over only below this share of its threshold."""

GAP: Final = 5.0
"""Seconds between two samples, or a window if that is longer, of which the one speaks for the whole time."""

DEAD: Final = frozenset({"exited", "dead"})

STALE: Final = 600.0
"""Seconds after which a death that nobody saw is history: by then a person has come to terms with it."""

SIGKILLED: Final = 137
TERMINATED: Final = frozenset({0, 130, 143})
"""Exit codes of a container that ended when asked to, by itself, SIGINT or SIGTERM."""

REMEMBERED_DEATH: Final = 24 * 3600.0
"""Seconds after which a failure from before the first look is not worth telling."""


class Gauge(msgspec.Struct, frozen=True):
    """Where one value stands towards its threshold. Times are epoch seconds."""

    raised: bool = False
    since: float | None = None
    """Since when every value has contradicted the present state; None if the last one did not."""


def read_gauge(
    gauge: Gauge, value: float, threshold: float, *, window: float, begun: float, now: float
) -> tuple[Gauge, Phase | None]:
    """Rule 1, for one value measured from `begun` to `now`: the new gauge, and the transition if any. What is
    no number is passed over. After a gap, and where the clock was set back, the window begins anew."""
    if not (isfinite(value) and isfinite(now)):
        return gauge, None
    contradicts = value < threshold * RELEASE if gauge.raised else value >= threshold
    if not contradicts:
        return Gauge(gauge.raised), None
    since = gauge.since
    if since is None or not since <= begun:
        since = begun if now - begun <= max(window, GAP) else now
    if now - since < window:
        return Gauge(gauge.raised, since), None
    return Gauge(not gauge.raised), Phase.CLEARED if gauge.raised else Phase.RAISED


def cpu_percent(before: Sample, after: Sample) -> float | None:
    """Docker's convention, 100 = one core, between two samples; None where they cannot be compared."""
    elapsed, used = after.time - before.time, after.cpu - before.cpu
    percent = used / elapsed * 100 if elapsed > 0 and used >= 0 else nan
    return percent if isfinite(percent) else None


def share(value: float, limit: float | None) -> float:
    return value / limit if limit else value


def failure(exit_code: int, *, oom: bool) -> Kind:
    """Rule 2. `oom`: whether the kernel has killed a process in it, in this run, for want of memory."""
    return Kind.OOM if oom and exit_code == SIGKILLED else Kind.EXITED


def stays_down(info: ContainerInfo) -> bool:
    """Whether it is down, and the engine neither starts it again nor removes it: one that waits for Docker's
    restart is `restarting`."""
    return info.status in DEAD and not info.auto_remove


def looping(deaths: Sequence[float], tuned: Thresholds, now: float) -> bool:
    """Rule 4. `deaths` are the times of failures (epoch seconds)."""
    return sum(abs(now - death) < tuned.loop_window for death in deaths) >= tuned.loop_deaths


def missed_failure(info: ContainerInfo, *, seen_until: float) -> Kind | None:
    """Rule 3, for a container found dead whose death nobody saw: a SIGKILL may have been a person's, and so
    may the end of one that Docker would have started again."""
    if not stays_down(info) or info.finished_at <= seen_until or restarts_itself(info, info.exit_code):
        return None
    if info.oom_killed and info.exit_code == SIGKILLED:
        return Kind.OOM
    return None if info.exit_code in TERMINATED or info.exit_code == SIGKILLED else Kind.EXITED


def failed_before(info: ContainerInfo, now: float) -> bool:
    """Whether a container that was dead before the first look had failed, and of late."""
    ended = info.exit_code not in TERMINATED | {SIGKILLED} or bool(info.error)
    down = stays_down(info) and orchestrator(info.ref) is None and not is_job(info.ref)
    return ended and down and 0 <= now - info.finished_at < REMEMBERED_DEATH
