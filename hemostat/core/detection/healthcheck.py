"""Tracks Docker's health checks over time, and decides when a failing check is an alert or flapping.

A failing check is an alert at once, unless `unhealthy_for` sets a delay. A container that recovered by itself
recently gets the whole window to recover again. A check that changes repeatedly is flapping: restarting does
not repair a fault that comes and goes by itself.
"""

import msgspec

from hemostat.core.settings.monitor import MonitorSettings

CALM_DIVISOR = 2
"""Flapping ends when the changes within the window are fewer than the required number divided by this."""


class HealthcheckState(msgspec.Struct, frozen=True):
    """Check results of one process, in epoch seconds. `failing_since` is when the check began to fail, None
    while it passes. `passed_at` is when the check last began to pass, None before the first pass. `changes`
    are the times of changes in either direction."""

    failing_since: float | None = None
    passed_at: float | None = None
    changes: tuple[float, ...] = ()


def record_result(health: HealthcheckState, *, healthy: bool, time: float, window: float) -> HealthcheckState:
    """Return the state after a result from the engine. The first pass after a start is not a change."""
    if healthy == (health.failing_since is None):
        return (
            msgspec.structs.replace(health, passed_at=time)
            if healthy and health.passed_at is None
            else health
        )
    recent = tuple(change for change in health.changes if abs(time - change) < window)
    changes = (*recent, time)
    return (
        HealthcheckState(None, time, changes)
        if healthy
        else HealthcheckState(time, health.passed_at, changes)
    )


def has_settled(health: HealthcheckState, tuned: MonitorSettings, now: float) -> bool:
    """Return whether the check has passed long enough for its failure to be over."""
    passes = health.failing_since is None and health.passed_at is not None
    return passes and now - (health.passed_at or 0.0) >= tuned.settle


def has_come_back(health: HealthcheckState, since: float) -> bool:
    """Return whether the check fails again after the failure that began at `since`: it passed meanwhile, or
    another process fails."""
    return health.failing_since is not None and health.failing_since > since


def get_alert_delay(health: HealthcheckState, tuned: MonitorSettings) -> float:
    """Return the seconds for which a check must fail before it is an alert."""
    recovered = len(health.changes) > 1
    return max(tuned.unhealthy_for, tuned.window) if recovered else tuned.unhealthy_for


def is_due(health: HealthcheckState, tuned: MonitorSettings, now: float, wait: float = 0.0) -> bool:
    """Return whether the check has failed long enough to be an alert. `wait`: seconds that the engine gets
    for an action of its own."""
    delay = max(wait, get_alert_delay(health, tuned))
    return health.failing_since is not None and now - health.failing_since >= delay


def is_flapping(health: HealthcheckState, tuned: MonitorSettings, now: float) -> bool:
    return _count_changes(health, tuned, now) >= tuned.flap_changes


def is_calm(health: HealthcheckState, tuned: MonitorSettings, now: float) -> bool:
    """Return whether a check that flapped has stopped flapping."""
    return _count_changes(health, tuned, now) * CALM_DIVISOR < tuned.flap_changes


def _count_changes(health: HealthcheckState, tuned: MonitorSettings, now: float) -> int:
    return sum(abs(now - change) < tuned.flap_window for change in health.changes)
