"""What the health check of a container leads to."""

import msgspec
import pytest

from hemostat.core.dependencies.root_cause import HostState
from hemostat.core.detection import on_event
from hemostat.core.detection.healthcheck import HealthcheckState
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.model import ContainerInfo, EngineEvent
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.events import Container, HealthAlert, Kind, Phase

NOW = 10_000.0
WEB = Container(id="c", name="web")
RAISED, CLEARED = Phase.RAISED, Phase.CLEARED


class Host:
    def __init__(self, **fields) -> None:
        self.registry = ContainerRegistry(MonitorSettings(), HostState(name="h"))
        self.registry.watching_since = NOW - 10_000
        self.info = ContainerInfo(
            **{"ref": WEB, "status": "running", "health": "healthy", "started_at": NOW - 100, **fields}
        )
        self.container = self.registry.upsert(self.info, NOW)

    def check(self, action: str, now: float) -> list[HealthAlert]:
        """An event about the health check, and what follows."""
        self.info = msgspec.structs.replace(self.info, health=action)
        self.container = self.registry.upsert(self.info, now)
        on_event.record_health_event(self.container, EngineEvent(time=now, action=action, container=WEB))
        return self.judge(now)

    def judge(self, now: float) -> list[HealthAlert]:
        return [alert for _, alert in on_event.judge_health(self.registry, self.container, now)]


def test_failing_check_is_one_alert_since_its_first_failure():
    host = Host()
    (alert,) = host.check("unhealthy", NOW + 1)
    assert (alert.kind, alert.phase, alert.since) == (Kind.UNHEALTHY, RAISED, NOW + 1)
    assert host.judge(NOW + 2) == []


def test_failure_that_returns_is_reported_again():
    host = Host()
    host.check("unhealthy", NOW + 1)
    assert host.check("healthy", NOW + 2) == []
    assert host.check("unhealthy", NOW + 3) == [], "it may recover again by itself"
    assert host.judge(NOW + 12) == []
    assert [alert.since for alert in host.judge(NOW + 13)] == [NOW + 3]


@pytest.mark.parametrize("fields", [{"status": "exited"}, {"health": None}])
def test_container_that_does_not_run_or_has_no_check_is_no_alert(fields):
    host = Host(**fields)
    host.container.health = HealthcheckState(failing_since=NOW)
    assert host.judge(NOW + 1) == []


def test_changing_check_is_one_alert_instead():
    host, actions = Host(), ("unhealthy", "healthy")
    alerts = [alert for n in range(12) for alert in host.check(actions[n % 2], NOW + n)]
    kinds = [(alert.kind, alert.phase) for alert in alerts]
    assert kinds[:3] == [(Kind.UNHEALTHY, RAISED), (Kind.UNHEALTHY, CLEARED), (Kind.FLAPPING, RAISED)]
    assert kinds[3:] == []
    (flapping,) = (alert for alert in alerts if alert.kind is Kind.FLAPPING)
    changes = MonitorSettings().flap_changes
    assert (flapping.since, flapping.window) == (NOW, 300.0)
    assert [(fact.name, fact.value) for fact in flapping.evidence] == [("changes", changes)]


def test_flapping_ends_when_calm_for_as_long_as_was_watched():
    host, actions = Host(), ("unhealthy", "healthy")
    for number in range(12):
        host.check(actions[number % 2], NOW + number)
    assert host.judge(NOW + 300) == []
    host.registry.watching_since = NOW + 100
    assert host.judge(NOW + 399) == []
    assert [(alert.kind, alert.phase) for alert in host.judge(NOW + 400)] == [(Kind.FLAPPING, CLEARED)]


# --- inspected health and stop requests -------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"health": "healthy"}, HealthcheckState(passed_at=NOW)),
        ({"health": "unhealthy"}, HealthcheckState(failing_since=NOW, changes=(NOW,))),
        ({"health": "starting"}, HealthcheckState()),
        ({"health": None}, HealthcheckState()),
        ({"health": "unhealthy", "status": "exited"}, HealthcheckState()),
    ],
)
def test_inspected_health_counts_as_a_result(fields, state):
    container = Host(**fields).container
    container.health = HealthcheckState()
    on_event.record_inspected_health(container, NOW)
    assert container.health == state


def record(action: str, *, is_own_stop: bool = False, container: Container = WEB, **fields):
    host = Host(stop_timeout=30)
    event = EngineEvent(time=NOW, action=action, container=container, **fields)
    stop = on_event.record_stop_request(host.registry, event, is_own_stop=is_own_stop)
    return stop, host.registry.stops


def test_signal_is_recorded_with_the_containers_own_timeout():
    stop, stops = record("kill", signal=15)
    assert (stop.time, stop.until, stop.hold) == (NOW, NOW + 35, NOW + 90)
    assert stops == {"c": stop}


def test_stop_event_is_recorded_without_a_hold():
    stop, _ = record("stop")
    assert (stop.until, stop.hold) == (NOW + 5, 0.0)


def test_signal_to_an_unknown_container_has_the_default_timeout():
    stop, stops = record("kill", signal=15, container=Container(id="x", name="x"))
    assert stop.until == NOW + 15
    assert list(stops) == ["x"]


def test_own_stop_is_recorded_as_such():
    assert record("kill", is_own_stop=True, signal=15)[1]["c"].ours
    assert not record("kill", signal=15)[1]["c"].ours


def test_signal_with_another_purpose_is_no_stop_request():
    assert record("kill", signal=1) == (None, {})
