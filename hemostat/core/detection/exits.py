"""Decides when the end of a container is a failure.

Rule 1. An exit is a failure if the exit code is not 0 and no user stopped or killed the container through the
        engine (core.detection.stop_intent). If an owner (core.detection.restart_owner) starts the container
        again, only a loop raises an alert.
Rule 2. An exit that a user may have requested counts as requested.
Rule 3. `loop_deaths` failures within `loop_window` are a crash loop, regardless of who restarts the
        container.
"""

from collections.abc import Sequence
from typing import Final

from hemostat.core.detection.restart_owner import find_orchestrator, is_restarted_by_docker
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.monitor import MonitorSettings, is_job
from hemostat.events import Kind

DEAD_STATUSES: Final = frozenset({"exited", "dead"})


STALE_DEATH_SECONDS: Final = 600.0
"""Age in seconds from which a missed death is not reported: by then users have dealt with it."""


SIGKILL_EXIT_CODE: Final = 137


TERMINATION_EXIT_CODES: Final = frozenset({0, 130, 143})
"""Exit codes of a container that ended normally: by itself, by SIGINT or by SIGTERM."""


MAX_EARLIER_DEATH_SECONDS: Final = 24 * 3600.0
"""Age in seconds from which a failure before the first look is not reported."""


def classify_exit(exit_code: int, *, oom: bool) -> Kind:
    """Rule 1. `oom`: whether the kernel killed a process of this run because memory ran out."""
    return Kind.OOM if oom and exit_code == SIGKILL_EXIT_CODE else Kind.EXITED


def stays_down(info: ContainerInfo) -> bool:
    """Return whether the container is down, and the engine neither restarts nor removes it. A container that
    waits for Docker's restart has the status `restarting`."""
    return info.status in DEAD_STATUSES and not info.auto_remove


def is_crash_loop(deaths: Sequence[float], tuned: MonitorSettings, now: float) -> bool:
    """Rule 3. `deaths` are the times of failures (epoch seconds)."""
    return sum(abs(now - death) < tuned.loop_window for death in deaths) >= tuned.loop_deaths


def classify_missed_exit(info: ContainerInfo, *, seen_until: float) -> Kind | None:
    """Rule 2, for a container found dead whose death the monitor missed. A user may have sent a SIGKILL, and
    a user may have stopped a container that Docker would otherwise have restarted."""
    if not stays_down(info) or info.finished_at <= seen_until or is_restarted_by_docker(info, info.exit_code):
        return None
    if info.oom_killed and info.exit_code == SIGKILL_EXIT_CODE:
        return Kind.OOM
    return (
        None
        if info.exit_code in TERMINATION_EXIT_CODES or info.exit_code == SIGKILL_EXIT_CODE
        else Kind.EXITED
    )


def has_failed_before(info: ContainerInfo, now: float) -> bool:
    """Return whether a container that was dead before the first look failed recently."""
    is_failure = info.exit_code not in TERMINATION_EXIT_CODES | {SIGKILL_EXIT_CODE} or bool(info.error)
    down = stays_down(info) and find_orchestrator(info.ref) is None and not is_job(info.ref)
    return is_failure and down and 0 <= now - info.finished_at < MAX_EARLIER_DEATH_SECONDS
