"""Docker's health checks over time: when a failing one is an alert, and when it is only flapping.

A failing check is an alert at once, unless `unhealthy_for` says to wait. A container that has come round by
itself of late is given the whole window to do it again. What changes all the time is flapping: restarting
does not mend what comes and goes by itself.
"""

import msgspec

from hemostat.core.settings.monitor import MonitorSettings

CALM_DIVISOR = 2
"""Flapping is over when fewer than this part of the changes that made it are within the window."""


class HealthcheckState(msgspec.Struct, frozen=True):
    """Of one process. `failing` is since when its check has failed, None while it does not; `passed` when it
    last began to pass, None before its first pass; `changes` are the times at which it turned, either way.
    Epoch seconds."""

    failing: float | None = None
    passed: float | None = None
    changes: tuple[float, ...] = ()


def record_result(health: HealthcheckState, *, healthy: bool, time: float, window: float) -> HealthcheckState:
    """Told by the engine. The first pass after a start is no change."""
    if healthy == (health.failing is None):
        return msgspec.structs.replace(health, passed=time) if healthy and health.passed is None else health
    recent = tuple(change for change in health.changes if abs(time - change) < window)
    changes = (*recent, time)
    return (
        HealthcheckState(None, time, changes) if healthy else HealthcheckState(time, health.passed, changes)
    )


def has_settled(health: HealthcheckState, tuned: MonitorSettings, now: float) -> bool:
    """Whether it passes, and has done so for long enough that its failure is over."""
    passes = health.failing is None and health.passed is not None
    return passes and now - (health.passed or 0.0) >= tuned.settle


def has_come_back(health: HealthcheckState, since: float) -> bool:
    """Whether it fails, and not for the first time since the failure that began at `since`: it passed
    meanwhile, or another process fails."""
    return health.failing is not None and health.failing > since


def get_alert_delay(health: HealthcheckState, tuned: MonitorSettings) -> float:
    """Seconds for which a check must fail before it is an alert."""
    recovered = len(health.changes) > 1
    return max(tuned.unhealthy_for, tuned.window) if recovered else tuned.unhealthy_for


def is_due(health: HealthcheckState, tuned: MonitorSettings, now: float) -> bool:
    """Whether it has failed long enough to be an alert."""
    return health.failing is not None and now - health.failing >= get_alert_delay(health, tuned)


def is_flapping(health: HealthcheckState, tuned: MonitorSettings, now: float) -> bool:
    return _count_changes(health, tuned, now) >= tuned.flap_changes


def is_calm(health: HealthcheckState, tuned: MonitorSettings, now: float) -> bool:
    """Whether what flapped does so no more."""
    return _count_changes(health, tuned, now) * CALM_DIVISOR < tuned.flap_changes


def _count_changes(health: HealthcheckState, tuned: MonitorSettings, now: float) -> int:
    return sum(abs(now - change) < tuned.flap_window for change in health.changes)
