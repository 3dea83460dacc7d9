"""What is known of each container, and which failures are reported."""

import msgspec
import pytest

from hemostat.core.dependencies.root_cause import HoldReason, HostState, RootCause
from hemostat.core.detection.healthcheck import HealthcheckState
from hemostat.core.detection.probe import Probing
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.restart_owner import EndedRun
from hemostat.core.detection.stop_intent import PendingExit, StopRequest
from hemostat.core.model import ContainerInfo, Mode
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.usage.baseline import Baseline
from hemostat.core.usage.gauge import Gauge
from hemostat.events import Container, Evidence, Kind

NOW = 10_000.0
BASELINE = Baseline({Kind.CPU_HIGH: 50.0}, 3600.0)


def info(name: str = "web", **fields) -> ContainerInfo:
    plain = {"ref": Container(id=name, name=name), "status": "running", "started_at": NOW - 100}
    return ContainerInfo(**{**plain, **fields})


def create(*infos: ContainerInfo, **settings) -> ContainerRegistry:
    registry = ContainerRegistry(MonitorSettings(**settings), HostState(name="h"))
    for each in infos:
        registry.upsert(each, NOW)
    return registry


# --- containers -------------------------------------------------------------------------------------


def test_same_process_keeps_what_is_known_of_it():
    registry = create(info(health="unhealthy", failing_streak=9))
    first = registry.get("web")
    assert registry.upsert(info(health="healthy"), NOW + 5) is first
    assert first.health.passed_at == (first.health.passed_at or NOW + 5)
    first.health = HealthcheckState()
    registry.upsert(info(health="healthy"), NOW + 7)
    registry.upsert(info(health="healthy"), NOW + 9)
    assert first.health == HealthcheckState(passed_at=NOW + 7)
    first.health = HealthcheckState()
    registry.upsert(info(health="unhealthy"), NOW + 11)
    assert first.health == HealthcheckState()


def test_next_process_keeps_the_baseline_and_that_it_was_reached():
    registry = create(info())
    first = registry.get("web")
    first.baseline, first.probe_state = BASELINE, Probing(failures=2, reached=True, succeeded=True)
    second = registry.upsert(info(started_at=NOW), NOW)
    assert second is not first
    assert (second.baseline, second.probe_state) == (BASELINE, Probing(reached=True))


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"health": "healthy"}, HealthcheckState(passed_at=NOW)),
        ({"health": "unhealthy"}, HealthcheckState(failing_since=NOW, passed_at=NOW - 100)),
        ({"health": "starting"}, HealthcheckState()),
        ({}, HealthcheckState()),
    ],
)
def test_new_container_has_the_health_that_the_engine_reports(fields, state):
    assert create(info(**fields)).get("web").health == state


def test_open_incidents_of_the_same_process_stay_raised():
    registry = create(info())
    for kind in (Kind.UNHEALTHY, Kind.CPU_HIGH, Kind.HUNG):
        facts = [Evidence("never_reached", True)] if kind is Kind.HUNG else []
        registry.open_incident(registry.get("web"), kind, NOW - 50, 0.0, facts, RootCause())
    again = create()
    again.restore(registry.dump_state())
    container = again.upsert(info(health="unhealthy"), NOW)
    assert container.health.failing_since == NOW - 50
    assert container.usage.gauges == {Kind.CPU_HIGH: Gauge(raised=True)}
    assert (container.probe_state.raised, container.probe_state.never_reached) == (True, True)
    later = again.upsert(info(health="unhealthy", started_at=NOW - 49), NOW)
    assert (later.health.failing_since, later.usage.gauges) == (NOW, {})
    assert not later.probe_state.raised


def test_state_survives_a_restart_of_the_monitor():
    registry = create(info(), info("db"))
    registry.stops["web"] = StopRequest(time=NOW, until=NOW + 5)
    registry.deaths["web"], registry.ooms["web"] = (NOW,), NOW
    registry.runs["web"] = (EndedRun(ended=NOW, exit_code=0, seconds=1.0),)
    pending = PendingExit(exit_code=1, time=NOW, due=NOW + 1)
    registry.pending_exits["web"] = registry.awaited_restarts["db"] = pending
    registry.has_kill_events = registry.is_podman = True
    registry.mode, registry.clean_ends = Mode("dry-run"), {"web": 3}
    registry.get("web").baseline = BASELINE
    registry.get("web").probe_state = Probing(reached=True)
    registry.relations.observed_since = NOW - 9
    registry.open_incident(registry.get("web"), Kind.EXITED, NOW, 0.0, (), RootCause())
    registry.open_incident(registry.get("db"), Kind.EXITED, NOW, 0.0, (), RootCause())
    registry.incidents.close_incidents("db")
    registry.incidents.expire(NOW + 1)
    state = registry.dump_state()
    assert (state.reached, list(state.habits)) == (("web",), ["web"])
    again = create()
    again.restore(state)
    for each in (info(), info("db")):
        again.upsert(each, NOW)
    assert again.dump_state() == state
    assert again.get("web").probe_state.reached
    assert not again.get("db").probe_state.reached


def test_removed_container_leaves_nothing():
    registry = create(info())
    pending = PendingExit(exit_code=1, time=NOW, due=NOW + 1)
    registry.stops["web"] = StopRequest(time=NOW, until=NOW + 5)
    registry.deaths["web"], registry.ooms["web"], registry.clean_ends["web"] = (NOW,), NOW, 1
    registry.runs["web"] = (EndedRun(ended=NOW, exit_code=0, seconds=1.0),)
    registry.pending_exits["web"] = registry.awaited_restarts["web"] = pending
    registry.open_incident(registry.get("web"), Kind.EXITED, NOW, 0.0, (), RootCause())
    assert registry.list_known_ids() == {"web"}
    assert [alert.kind for _, alert in registry.remove("web")] == [Kind.EXITED]
    empty = msgspec.structs.replace(create().dump_state(), began=registry.relations.observed_since)
    assert registry.dump_state() == empty
    assert (registry.get("web"), registry.list_known_ids(), list(registry)) == (None, set(), [])


# --- failures ---------------------------------------------------------------------------------------


def report(registry: ContainerRegistry, name: str = "web", kind: Kind = Kind.EXITED, now: float = NOW):
    return [alert for _, alert in registry.report_failure(registry.get(name), kind, since=now, now=now)]


def test_failure_of_a_container_that_stops_is_not_reported():
    registry = create(info())
    registry.stops["web"] = StopRequest(time=NOW - 1, until=NOW + 5)
    registry.get("web").usage = msgspec.structs.replace(
        registry.get("web").usage, gauges={Kind.CPU_HIGH: Gauge(raised=True)}
    )
    assert report(registry, kind=Kind.CPU_HIGH) == []
    assert registry.get("web").usage.gauges == {}, "it is found again"
    assert len(report(registry, kind=Kind.CPU_HIGH, now=NOW + 5.1)) == 1


def test_death_after_a_stop_signal_is_reported_if_it_was_not_requested():
    registry = create(info(status="exited"))
    registry.stops["web"] = StopRequest(time=NOW - 1, until=NOW + 5)
    assert len(report(registry)) == 1


def test_storm_is_reported_once_with_its_containers():
    registry = create(*(info(f"c{number}") for number in range(9)), storm_count=3, storm_window=10.0)
    alerts = [alert for number in range(4) for alert in report(registry, f"c{number}")]
    assert [(alert.kind, alert.root) for alert in alerts] == [
        (Kind.EXITED, ""),
        (Kind.EXITED, ""),
        (Kind.STORM, ""),
        (Kind.EXITED, "h"),
        (Kind.EXITED, "h"),
    ]
    assert (alerts[2].container.is_host, alerts[2].since) == (True, NOW)
    facts = {fact.name: fact.value for fact in alerts[2].evidence}
    assert facts == {"storm": 3, "containers": "c0, c1, c2", "kinds": "exited 3"}
    assert alerts[3].evidence == (Evidence("storm", 3),)
    assert registry.is_in_storm(registry.get("c8"), NOW)


@pytest.mark.parametrize(
    ("kind", "facts", "recovering"),
    [
        (Kind.EXITED, (), True),
        (Kind.HUNG, (), True),
        (Kind.HUNG, (Evidence("never_reached", True),), False),
        (Kind.CPU_HIGH, (), False),
    ],
)
def test_container_with_a_failure_recovers_until_its_incident_ends(kind, facts, recovering):
    registry = create(info())
    registry.open_incident(registry.get("web"), kind, NOW, 0.0, facts, RootCause())
    assert ("web" in registry.collect_observations(NOW).recovering_ids) is recovering


def test_watching_counts_from_its_beginning():
    registry = create()
    assert not registry.has_watched(0.0, NOW)
    registry.watching_since = NOW
    assert registry.has_watched(10.0, NOW + 10)
    assert not registry.has_watched(10.0, NOW + 9.9)


def test_containers_that_wait_are_listed():
    registry = create(info(), info("db"), info("api", health="unhealthy"), info("cron", health="healthy"))
    cause = RootCause("x", HoldReason.DEPENDENCY)
    registry.open_incident(registry.get("web"), Kind.HUNG, NOW, 0.0, (), cause)
    registry.open_incident(registry.get("db"), Kind.HUNG, NOW, 0.0, (), RootCause("h", HoldReason.HOST))
    registry.get("api").awaits_check = registry.get("cron").awaits_check = True
    assert registry.list_waiting_ids() == {"web", "api"}


def test_crash_loop_of_another_container_is_not_its_own():
    registry = create(info(), info("db"))
    registry.open_incident(registry.get("db"), Kind.CRASH_LOOP, NOW, 0.0, (), RootCause())
    registry.open_incident(registry.get("web"), Kind.EXITED, NOW, 0.0, (), RootCause())
    assert registry.is_looping(registry.get("db").info)
    assert not registry.is_looping(registry.get("web").info)
