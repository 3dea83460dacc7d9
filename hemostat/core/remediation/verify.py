"""Whether a container is well: before an action, whether it is still needed; after one, whether it helped."""

from enum import Enum
from typing import Final

from hemostat.core.ledger.leases import lease_end
from hemostat.core.ledger.rows import Attempt
from hemostat.core.model import ContainerInfo, Sample
from hemostat.core.units import show_size
from hemostat.core.usage.gauge import cpu_percent, share
from hemostat.events import Action, HealthAlert, Kind, Reason

DEAD: Final = frozenset({"exited", "dead"})
DOWN: Final = DEAD | {"created"}
"""Of which there is nothing to be stopped."""

SAMPLED: Final = frozenset({Kind.CPU_HIGH, Kind.MEMORY_LEAK, Kind.PIDS_HIGH})
"""Kinds whose condition one more pair of samples shows. Open files are read too seldom for that."""


class HealthVerdict(Enum):
    WELL = "well"
    NOT_YET = "not yet"
    ILL = "ill"


def needless(alert: HealthAlert, info: ContainerInfo) -> Reason | None:
    """Why an action on this alert would come too late, for the container as it is now; None if it would not.

    A process that started after the condition began is not the one that had it. What a person wants done is
    never needless.
    """
    if alert.kind is Kind.ORDERED:
        return None
    if alert.kind in {Kind.EXITED, Kind.OOM}:
        if info.status in DEAD:
            # It has run since: this end may be a person's wish, and a failure has an alert of its own.
            return Reason.STOPPED if info.started_at > alert.since else None
        return Reason.RECOVERED if info.running or info.status == "restarting" else Reason.STOPPED
    if not info.running:
        return Reason.STOPPED
    recovered = alert.kind is Kind.UNHEALTHY and info.health != "unhealthy"
    return Reason.RECOVERED if recovered or info.started_at > alert.since else None


def run_before(alert: HealthAlert, info: ContainerInfo) -> float:
    """How long the container's process had run before what the alert is about (seconds)."""
    return max(0.0, alert.since - info.started_at) if info.started_at else 0.0


def unfinished(alert: HealthAlert, info: ContainerInfo) -> Reason | None:
    """Why the second half of our restart is needed no more; None if the container is as that left it."""
    if info.running or info.status == "restarting":
        return Reason.RECOVERED
    return None if info.status in DOWN and info.started_at <= alert.since else Reason.STOPPED


def overtaken(alert: HealthAlert, info: ContainerInfo, attempt: Attempt) -> Reason | None:
    """Why a restart that was begun is not to be taken up, for the container as it is now; None if it is, or
    was carried out. An end within the lease may be the stop that the restart itself began with."""
    if attempt.action is not Action.RESTART or info.started_at > attempt.started_at:
        return None
    if info.status not in DEAD:
        return needless(alert, info)
    return Reason.STOPPED if info.finished_at > lease_end(attempt) else None


def state_of(info: ContainerInfo) -> tuple[HealthVerdict, str]:
    """How the container is by what the engine says, and why."""
    if info.status in DEAD:
        return HealthVerdict.ILL, f"it exited again with code {info.exit_code}"
    if not info.running:
        return HealthVerdict.NOT_YET, f"it is {info.status}"
    if info.health == "unhealthy":
        return HealthVerdict.ILL, "its health check fails again"
    if info.health == "starting":
        return HealthVerdict.NOT_YET, "its health check has not passed yet"
    return HealthVerdict.WELL, ""


def short_of(alert: HealthAlert, freed: int) -> str:
    """What is missing for the host's disk to be below its threshold again; empty if nothing is."""
    share, threshold = alert.number("disk"), alert.number("threshold", 100.0)
    size = alert.number("disk_free") / (1 - share / 100) if share < 100 else 0.0  # noqa: PLR2004
    missing = size * (share - threshold) / 100 - freed
    return f"{show_size(missing)} more must go" if missing > 0 or not freed else ""


def still_high(
    alert: HealthAlert, info: ContainerInfo, before: Sample, after: Sample, host_memory: int
) -> str:
    """What is still too high between two samples of the new process; empty if nothing is."""
    threshold = alert.number("threshold", 100.0)
    if alert.kind is Kind.CPU_HIGH:
        percent = cpu_percent(before, after)
        if percent is not None and share(percent, info.cpu_limit) >= threshold:
            return f"its CPU is still at {share(percent, info.cpu_limit):.0f} %"
    if alert.kind is Kind.MEMORY_LEAK:
        full = after.memory / (info.memory_limit or host_memory) * 100
        if full >= threshold:
            return f"its memory is still at {full:.0f} %"
    if alert.kind is Kind.PIDS_HIGH and after.pids is not None and info.pids_limit:
        used = after.pids / info.pids_limit * 100
        if used >= threshold:
            return f"it still has {used:.0f} % of its processes"
    return ""
