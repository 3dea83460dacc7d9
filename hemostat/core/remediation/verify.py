"""Health of a container: before an action, whether the action is still needed; after it, whether it
helped."""

from enum import Enum
from typing import Final

from hemostat.core.ledger.leases import get_lease_end
from hemostat.core.ledger.rows import Attempt
from hemostat.core.model import ContainerInfo, Sample
from hemostat.core.units import show_size
from hemostat.core.usage.gauge import compute_cpu_percent, compute_share
from hemostat.events import Action, HealthAlert, Kind, Reason, RemediationNeeded

DEAD_STATES: Final = frozenset({"exited", "dead"})
DOWN_STATES: Final = DEAD_STATES | {"created"}
"""States in which there is nothing to stop."""

MAX_STARTUP_SECONDS: Final = 3600.0

SAMPLED_KINDS: Final = frozenset({Kind.CPU_HIGH, Kind.MEMORY_LEAK, Kind.PIDS_HIGH})
"""Kinds whose condition one more pair of samples shows. Open files are sampled too seldom."""


class HealthVerdict(Enum):
    WELL = "well"
    NOT_YET = "not yet"
    ILL = "ill"


def find_late_reason(request: RemediationNeeded, info: ContainerInfo | None) -> Reason | None:
    """Why the requested action would come too late, given the container's present state; None if it would
    not. Actions on the host are never late. `info` is None if the container was removed."""
    if request.alert.container.is_host:
        return None
    if info is None:
        return Reason.GONE
    if request.action is Action.START and request.rung > 0:
        return find_needless_start_reason(request.alert, info)
    return find_needless_reason(request.alert, info)


def find_needless_reason(alert: HealthAlert, info: ContainerInfo) -> Reason | None:
    """Why an action on this alert is no longer needed, given the container's present state; None if it is
    needed.

    A process that started after the condition began is not the one that had it. Orders are always needed.
    """
    if alert.kind is Kind.ORDERED:
        return None
    if alert.kind in {Kind.EXITED, Kind.OOM}:
        if info.status in DEAD_STATES:
            # The container has run since. A person may have stopped it, and a failure raises its own alert.
            return Reason.STOPPED if info.started_at > alert.since else None
        return Reason.RECOVERED if info.is_running or info.status == "restarting" else Reason.STOPPED
    if not info.is_running:
        return Reason.STOPPED
    recovered = alert.kind is Kind.UNHEALTHY and info.health != "unhealthy"
    return Reason.RECOVERED if recovered or info.started_at > alert.since else None


def compute_run_seconds(alert: HealthAlert, info: ContainerInfo) -> float:
    """Seconds that the container's process had run before the alert's condition began."""
    return max(0.0, alert.since - info.started_at) if info.started_at else 0.0


def find_needless_start_reason(alert: HealthAlert, info: ContainerInfo) -> Reason | None:
    """Why the second half of HemoStat's restart is no longer needed; None if the container is as the restart
    left it."""
    if info.is_running or info.status == "restarting":
        return Reason.RECOVERED
    return None if info.status in DOWN_STATES and info.started_at <= alert.since else Reason.STOPPED


def compute_startup_seconds(info: ContainerInfo) -> float:
    """Return the seconds after a start within which the engine may call the container unhealthy, at most
    MAX_STARTUP_SECONDS. An action waits that long."""
    check = info.check
    if check is None:
        return 0.0
    allowed = check.start_period + (check.interval + check.timeout) * check.retries
    return min(allowed, MAX_STARTUP_SECONDS)


def find_stale_restart_reason(alert: HealthAlert, info: ContainerInfo, attempt: Attempt) -> Reason | None:
    """Why an interrupted restart must not be resumed, given the container's present state; None if it may be,
    or was carried out. An exit within the lease may be the restart's own stop."""
    if attempt.action is not Action.RESTART or info.started_at > attempt.started_at:
        return None
    if info.status not in DEAD_STATES:
        return find_needless_reason(alert, info)
    return Reason.STOPPED if info.finished_at > get_lease_end(attempt) else None


def assess_health(info: ContainerInfo, now: float) -> tuple[HealthVerdict, str]:
    """The container's health as the engine reports it at `now` (epoch seconds), and why. A health check that
    the engine does not run says nothing."""
    if info.status in DEAD_STATES:
        return HealthVerdict.ILL, f"it exited again with code {info.exit_code}"
    if not info.is_running:
        return HealthVerdict.NOT_YET, f"it is {info.status}"
    if info.health == "unhealthy":
        return HealthVerdict.ILL, "its health check fails again"
    if info.health == "starting" and not info.is_check_overdue(now):
        return HealthVerdict.NOT_YET, "its health check has not passed yet"
    return HealthVerdict.WELL, ""


def describe_disk_shortage(alert: HealthAlert, freed: int) -> str:
    """What is missing for the host's disk to fall below its threshold; empty if nothing is."""
    share, threshold = alert.get_number("disk"), alert.get_number("threshold", 100.0)
    size = alert.get_number("disk_free") / (1 - share / 100) if share < 100 else 0.0  # noqa: PLR2004
    missing = size * (share - threshold) / 100 - freed
    return f"{show_size(missing)} more must be freed" if missing > 0 or not freed else ""


def describe_remaining_excess(
    alert: HealthAlert, info: ContainerInfo, before: Sample, after: Sample, host_memory: int
) -> str:
    """What is still too high between two samples of the new process; empty if nothing is."""
    threshold = alert.get_number("threshold", 100.0)
    if alert.kind is Kind.CPU_HIGH:
        percent = compute_cpu_percent(before, after)
        if percent is not None and compute_share(percent, info.cpu_limit) >= threshold:
            return f"its CPU is still at {compute_share(percent, info.cpu_limit):.0f} %"
    if alert.kind is Kind.MEMORY_LEAK:
        full = after.memory / (info.memory_limit or host_memory) * 100
        if full >= threshold:
            return f"its memory is still at {full:.0f} %"
    if alert.kind is Kind.PIDS_HIGH and after.pids is not None and info.pids_limit:
        used = after.pids / info.pids_limit * 100
        if used >= threshold:
            return f"it still has {used:.0f} % of its processes"
    return ""
