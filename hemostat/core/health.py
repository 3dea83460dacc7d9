"""Docker's health checks over time: when a failing one is an alert, and when it is only flapping.

A failing check is an alert at once, unless `unhealthy_for` says to wait. A container that has come round by
itself of late is given the whole window to do it again. What changes all the time is flapping: restarting
does not mend what comes and goes by itself.
"""

import msgspec

from hemostat.core.thresholds import Thresholds

CALM = 2
"""Flapping is over when fewer than this part of the changes that made it are within the window."""


class Health(msgspec.Struct, frozen=True):
    """Of one process. `failing` is since when its check has failed, None while it passes; `changes` are the
    times at which it turned, either way. Epoch seconds."""

    failing: float | None = None
    changes: tuple[float, ...] = ()


def turned(health: Health, *, healthy: bool, time: float, window: float) -> Health:
    """Told by the engine. The first pass after a start is no change."""
    if healthy == (health.failing is None):
        return health
    recent = tuple(change for change in health.changes if abs(time - change) < window)
    return Health(None if healthy else time, (*recent, time))


def wait(health: Health, tuned: Thresholds) -> float:
    """Seconds for which a check must fail before it is an alert."""
    recovered = len(health.changes) > 1
    return max(tuned.unhealthy_for, tuned.window) if recovered else tuned.unhealthy_for


def is_due(health: Health, tuned: Thresholds, now: float) -> bool:
    """Whether it has failed long enough to be an alert."""
    return health.failing is not None and now - health.failing >= wait(health, tuned)


def flaps(health: Health, tuned: Thresholds, now: float) -> bool:
    return _changes(health, tuned, now) >= tuned.flap_changes


def is_calm(health: Health, tuned: Thresholds, now: float) -> bool:
    """Whether what flapped does so no more."""
    return _changes(health, tuned, now) * CALM < tuned.flap_changes


def _changes(health: Health, tuned: Thresholds, now: float) -> int:
    return sum(abs(now - change) < tuned.flap_window for change in health.changes)
