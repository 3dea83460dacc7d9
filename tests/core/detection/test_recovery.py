"""How a failing container became well, and how long it had failed."""

import pytest

from hemostat.core.dependencies.root_cause import HostState, RootCause
from hemostat.core.detection import review
from hemostat.core.detection.healthcheck import HealthcheckState
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.events import Container, Kind

NOW = 10_000.0
BEFORE, AFTER = NOW - 500, NOW + 30


@pytest.mark.parametrize(
    ("kind", "started_at", "restarts", "passed_at", "expected"),
    [
        (Kind.EXITED, AFTER, 0, None, ("start", 30.0)),
        (Kind.EXITED, AFTER, 2, None, ("restart_policy", 30.0)),
        (Kind.UNHEALTHY, BEFORE, 2, NOW + 40, ("itself", 40.0)),
        (Kind.UNHEALTHY, AFTER, 0, NOW + 45, ("start", 45.0)),
        (Kind.OOM, BEFORE, 0, None, ("itself", 100.0)),
        (Kind.CPU_HIGH, AFTER, 0, None, ("start", 100.0)),
    ],
)
def test_end_of_an_incident_says_how_the_container_recovered(kind, started_at, restarts, passed_at, expected):
    registry = ContainerRegistry(MonitorSettings(), HostState(name="h"))
    registry.watching_since = BEFORE
    health = None if passed_at is None else "healthy"
    info = ContainerInfo(
        ref=Container(id="c", name="web"),
        status="running",
        started_at=started_at,
        restart_count=restarts,
        health=health,
    )
    container = registry.upsert(info, NOW + 50)
    container.health = HealthcheckState(passed_at=passed_at)
    registry.open_incident(container, kind, NOW, 0.0, (), RootCause())
    (incident,) = registry.incidents
    ((_, alert),) = review.review_incident(registry, incident, NOW + 100)
    assert (alert.get_fact("recovery"), alert.get_fact("lasted")) == expected
