"""When a container has failed: thresholds that must hold, and deaths that nobody asked for.

Rule 1. A gauge is raised when its value has stayed at or above the threshold for the whole window, and
        cleared when it has stayed below RELEASE of the threshold as long. In between nothing changes.
Rule 2. A death is a failure when the exit code is not 0 and nobody stopped or killed the container through
        the engine. Where Docker's own restart policy starts it again, only a loop of them is an alert.
Rule 3. What cannot be told from a person's wish is taken for one.
Rule 4. `loop_deaths` failures within `loop_window` are a crash loop, whoever starts the container again.
"""

from collections.abc import Sequence
from math import isfinite, nan
from typing import Final

import msgspec

from hemostat.core.model import ContainerInfo, EngineEvent, Sample
from hemostat.core.thresholds import Thresholds
from hemostat.events import Kind, Phase

RELEASE: Final = 0.9
"""Hysteresis: a raised gauge is over only below this share of its threshold."""

GAP: Final = 5.0
"""Seconds between two samples, or a window if that is longer, of which the one speaks for the whole time."""

STOP_SIGNALS: Final = frozenset({2, 3, 9, 15})
"""SIGINT, SIGQUIT, SIGKILL, SIGTERM: what `docker stop` and `docker kill` send to end a container."""

INTENT_LASTS: Final = 600.0
"""Seconds within which a death is taken for the answer to a stop signal: stop timeouts may be long."""

STALE: Final = 600.0
"""Seconds after which a death that nobody saw is history: by then a person has come to terms with it."""

SIGKILLED: Final = 137
TERMINATED: Final = frozenset({0, 130, 143})
"""Exit codes of a container that ended when asked to, by itself, SIGINT or SIGTERM."""


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


def intended(event: EngineEvent, stop_signal: int | None) -> bool:
    """Whether this `kill` asks the container to end. `stop_signal` is what `docker stop` sends it."""
    return event.action == "kill" and (event.signal is None or event.signal in {stop_signal, *STOP_SIGNALS})


def failure(info: ContainerInfo, exit_code: int, *, asked_at: float | None, died_at: float) -> Kind | None:
    """Rule 2, for a container that died with `exit_code`. `asked_at`: when somebody asked it to stop."""
    if exit_code == 0 or (asked_at is not None and died_at - asked_at < INTENT_LASTS):
        return None
    return Kind.OOM if info.oom_killed else Kind.EXITED


def stays_down(info: ContainerInfo) -> bool:
    """Whether nobody has started the container again, and Docker will neither do so nor remove it."""
    return info.status in {"exited", "dead"} and not (restarts_itself(info) or info.auto_remove)


def looping(deaths: Sequence[float], tuned: Thresholds, now: float) -> bool:
    """Rule 4. `deaths` are the times of failures (epoch seconds)."""
    return sum(abs(now - death) < tuned.loop_window for death in deaths) >= tuned.loop_deaths


def missed_failure(info: ContainerInfo, *, seen_until: float) -> Kind | None:
    """Rule 3, for a container found dead whose death nobody saw: a SIGKILL may have been a person's."""
    if not stays_down(info) or info.finished_at <= seen_until:
        return None
    if info.oom_killed:
        return Kind.OOM
    return None if info.exit_code in TERMINATED or info.exit_code == SIGKILLED else Kind.EXITED


def restarts_itself(info: ContainerInfo) -> bool:
    """Whether Docker's own restart policy brings the container back."""
    if info.restart_policy == "on-failure":
        return not info.max_retries or info.restart_count < info.max_retries
    return info.restart_policy in {"always", "unless-stopped"}
