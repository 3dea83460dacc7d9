"""Judges the state of a dependency, as one of its dependents experiences it.

Only a dependency that went down or fails holds a dependent back. Containers also end for good reasons: a
set-up container is done when it has ended with 0, and a dependent does not need a container that a user
stopped before the dependent was started.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import Final, NamedTuple

from hemostat.core.model import ContainerInfo
from hemostat.core.units import show_duration

ENDED_STATUSES: Final = frozenset({"exited", "dead"})
JOB_POLICIES: Final = frozenset({"no", "on-failure"})
"""Restart policies of containers that may end. With the other policies, Docker also restarts a container that
exited with 0."""
MIN_OVERLAP_SECONDS: Final = 2.0
"""Seconds for which a dependency whose end was not observed must have run beside its dependent to be a
service. A set-up container that is needed only as started may end after the dependent's start."""
SETTLED_SECONDS: Final = 60.0
"""Seconds after which a dependent that runs without its dependency does not need it to start."""


class DependencyState(StrEnum):
    NEVER_STARTED = "never started"
    UP = "up"
    ILL = "ill"
    DONE = "done"
    STOPPED = "stopped before"
    DOWN = "down"


FAULTY_STATES: Final = frozenset({DependencyState.ILL, DependencyState.DOWN})
"""States that hold a dependent back."""
MET_STATES: Final = frozenset({DependencyState.UP, DependencyState.DONE})
"""States of one replica that are enough for the whole service."""


class Observations(NamedTuple):
    """Containers by what was observed of them. `recovering_ids`: they run, and recover from a failure.
    `stopped_ids`: a user stopped them. `unobserved_ids`: a user may have stopped them, because their end was
    not observed. `unchecked_ids`: the engine does not run their health checks."""

    recovering_ids: Collection[str] = ()
    stopped_ids: Collection[str] = ()
    unobserved_ids: Collection[str] = ()
    unchecked_ids: Collection[str] = ()


NOTHING_OBSERVED: Final = Observations()


def judge_dependency(
    info: ContainerInfo,
    dependent: ContainerInfo,
    observed: Observations = NOTHING_OBSERVED,
    *,
    must_run: bool = False,
) -> DependencyState:
    """Return the state of the dependency `info` for `dependent`. `must_run`: the dependency is known to be a
    service, which is never done."""
    if info.is_running:
        return (
            DependencyState.ILL
            if _is_ill(info, observed) or info.ref.id in observed.recovering_ids
            else DependencyState.UP
        )
    if info.status == "created":
        return DependencyState.NEVER_STARTED
    if info.status not in ENDED_STATUSES:
        return DependencyState.DOWN
    if not must_run and _is_done(info, dependent, observed):
        return DependencyState.DONE
    return DependencyState.STOPPED if _was_stopped_before(info, dependent, observed) else DependencyState.DOWN


def _is_ill(info: ContainerInfo, observed: Observations) -> bool:
    """Return whether a running container is unhealthy or not ready. One failed health check is enough: it
    fails before the checks of the dependents do, and makes the container unhealthy only after them. A
    starting container is not ready."""
    if info.health == "starting":
        return info.ref.id not in observed.unchecked_ids
    return info.health == "unhealthy" or info.failing_streak > 0


def _is_done(info: ContainerInfo, dependent: ContainerInfo, observed: Observations) -> bool:
    if info.exit_code or info.restart_policy not in JOB_POLICIES or info.check is not None:
        return False
    if info.ref.id in observed.stopped_ids:
        return False
    beside = info.finished_at - max(info.started_at, dependent.started_at)
    return info.ref.id not in observed.unobserved_ids or beside <= MIN_OVERLAP_SECONDS


def _was_stopped_before(info: ContainerInfo, dependent: ContainerInfo, observed: Observations) -> bool:
    """Return whether a user stopped the container before the dependent's start. If Docker has restarted the
    dependent repeatedly since then, its first failure was earlier: the stop counts only if the dependent has
    run well since."""
    if not (
        info.ref.id in observed.stopped_ids
        or (info.ref.id in observed.unobserved_ids and _looks_stopped(info))
    ):
        return False
    if not 0 < info.finished_at < dependent.started_at:
        return False
    return dependent.restart_count == 0 or _get_lifetime(dependent) >= SETTLED_SECONDS


def _looks_stopped(info: ContainerInfo) -> bool:
    """Return whether the exit code is one of `docker stop` and `docker kill`: 0, SIGINT, SIGKILL, SIGTERM."""
    return not info.oom_killed and info.exit_code in {0, 130, 137, 143}


def _get_lifetime(info: ContainerInfo) -> float:
    """Return the seconds that the process has run; infinity while it runs."""
    return float("inf") if info.is_running else info.finished_at - info.started_at


def has_failed(info: ContainerInfo) -> bool:
    """Return whether a job that must complete failed: it ended with a code other than 0."""
    return info.exit_code != 0 and info.status in {*ENDED_STATUSES, "restarting"}


def describe_briefly(info: ContainerInfo) -> str:
    """Return what is wrong with a dependency, without how and when it ended, for an unlinked dependent."""
    return f"{info.ref.name} is not healthy" if info.is_running else f"{info.ref.name} is not running"


def describe(info: ContainerInfo, *, recovering: bool, now: float) -> str:
    """Return what is wrong with a dependency, in words: `db exited with code 1 3 s ago`."""
    name = info.ref.name
    if info.status in ENDED_STATUSES:
        ago = show_duration(max(0.0, now - info.finished_at))
        return f"{name} {info.status} with code {info.exit_code} {ago} ago"
    if not info.is_running:
        return f"{name} is {info.status}"
    if info.health == "healthy" and info.failing_streak > 0:
        return f"{name} failed its latest health check"
    if info.health in {"unhealthy", "starting"}:
        return f"{name} is {info.health}"
    return f"{name} is recovering" if recovering else f"{name} is {info.health or info.status}"
