"""States how a failing container became well: facts of the alert that clears its incident.

The engine counts the restarts of its restart policy since somebody last started the container. A later
process with such restarts is the engine's; one without was started by a person, another program or HemoStat.
"""

from enum import StrEnum
from typing import Final

from hemostat.core.detection.incidents import Incident
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.events import Evidence, Kind

RECOVERY_FACT: Final = "recovery"
LASTED_FACT: Final = "lasted"
STARTED_KINDS: Final = frozenset({Kind.EXITED, Kind.OOM, Kind.CRASH_LOOP})
"""Kinds whose failure is over once a process runs again. The settling time that follows is no part of it."""


class Recovery(StrEnum):
    """How a container became well."""

    ITSELF = "itself"
    """The same process recovered."""
    RESTART_POLICY = "restart_policy"
    START = "start"
    """A person, another program or HemoStat started it."""


def describe_recovery(incident: Incident, container: WatchedContainer, now: float) -> tuple[Evidence, ...]:
    """Return how the container became well, and for how many seconds the latest occurrence had lasted."""
    ended = _find_end(incident, container, now)
    lasted = round(max(0.0, ended - incident.since), 1)
    return Evidence(RECOVERY_FACT, _find_recovery(incident, container)), Evidence(LASTED_FACT, lasted, "s")


def _find_recovery(incident: Incident, container: WatchedContainer) -> Recovery:
    info = container.info
    if info.started_at <= incident.since:
        return Recovery.ITSELF
    return Recovery.RESTART_POLICY if info.restart_count else Recovery.START


def _find_end(incident: Incident, container: WatchedContainer, now: float) -> float:
    started, passed = container.info.started_at, container.health.passed_at
    if incident.kind in STARTED_KINDS and started > incident.since:
        return started
    if incident.kind is Kind.UNHEALTHY and passed is not None and passed > incident.since:
        return passed
    return now
