"""When an incident has ended, and when one that waited is raised again."""

import msgspec
import pytest

from hemostat.core.dependencies.root_cause import HoldReason, HostState, RootCause
from hemostat.core.detection import review
from hemostat.core.detection.healthcheck import HealthcheckState
from hemostat.core.detection.probe import Probing
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.restart_owner import get_workload_key
from hemostat.core.detection.stop_intent import StopRequest
from hemostat.core.model import ContainerInfo, Mode
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.events import Container, Evidence, HealthAlert, Kind, Phase

NOW = 10_000.0
WEB = Container(id="c", name="web")
TASK = Container(id="c", name="web.1", labels={"com.docker.swarm.task.name": "web.1.x"})
CLEARED = [Phase.CLEARED]
WAITS = RootCause("db", HoldReason.DEPENDENCY)


class Host:
    """A host with one container that has run since NOW, after a failure a second before."""

    def __init__(self, kind: Kind = Kind.EXITED, *, since: float = NOW - 1, cause=None, facts=(), **fields):
        self.registry = ContainerRegistry(MonitorSettings(), HostState(name="h"))
        self.registry.watching_since = NOW - 10_000
        plain = {"ref": WEB, "status": "running", "started_at": NOW}
        self.container = self.registry.upsert(ContainerInfo(**{**plain, **fields}), NOW)
        self.registry.open_incident(self.container, kind, since, 0.0, facts, cause or RootCause())

    def review(self, now: float) -> list[HealthAlert]:
        (incident,) = self.registry.incidents
        return [alert for _, alert in review.review_incident(self.registry, incident, now)]

    def phases(self, now: float) -> list[Phase]:
        return [alert.phase for alert in self.review(now)]


# --- ends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.EXITED, Kind.OOM, Kind.CRASH_LOOP, Kind.CPU_HIGH, Kind.MEMORY_LEAK])
def test_incident_ends_when_the_process_has_run_for_the_settling_time(kind):
    host = Host(kind)
    assert host.phases(NOW + 9.9) == []
    assert host.phases(NOW + 10) == CLEARED


def test_survived_kernel_kill_ends_the_settling_time_after_it():
    host = Host(Kind.OOM, since=NOW + 100)
    assert host.phases(NOW + 109.9) == []
    assert host.phases(NOW + 110) == CLEARED


@pytest.mark.parametrize(
    ("state", "is_over"),
    [
        (HealthcheckState(passed_at=NOW + 50), True),
        (HealthcheckState(passed_at=NOW + 50.1), False),
        (HealthcheckState(), False),
        (HealthcheckState(failing_since=NOW, passed_at=NOW), False),
    ],
)
def test_failing_check_ends_when_it_has_passed_for_the_settling_time(state, is_over):
    host = Host(Kind.UNHEALTHY)
    host.container.health = state
    assert host.phases(NOW + 60) == (CLEARED if is_over else [])


@pytest.mark.parametrize(
    ("state", "is_over"),
    [
        (Probing(succeeded=True), True),
        (Probing(succeeded=True, failures=1), False),
        (Probing(), False),
    ],
)
def test_hung_container_has_recovered_when_its_probe_passes(state, is_over):
    host = Host(Kind.HUNG)
    host.container.probe_state = state
    assert host.phases(NOW + 60) == (CLEARED if is_over else [])


@pytest.mark.parametrize("kind", [Kind.FLAPPING, Kind.DISK_HIGH])
def test_incident_with_an_end_of_its_own_is_not_ended_by_time(kind):
    assert Host(kind).phases(NOW + 9999) == []


def test_incident_of_a_container_that_is_gone_is_left_alone():
    host = Host()
    host.registry._containers.clear()
    assert host.phases(NOW + 9999) == []


def test_loop_ends_only_after_a_pause_of_the_deaths():
    host = Host(Kind.CRASH_LOOP)
    host.registry.deaths["c"] = (NOW - 3, NOW - 2, NOW - 1)
    assert host.phases(NOW + 296) == []
    assert host.phases(NOW + 297) == CLEARED


# --- containers that are down -----------------------------------------------------------------------


DOWN = {"status": "exited", "finished_at": NOW + 5}


@pytest.mark.parametrize("status", ["exited", "dead"])
def test_incident_of_a_running_container_ends_after_the_container(status):
    host = Host(Kind.UNHEALTHY, **{**DOWN, "status": status})
    assert host.phases(NOW + 15) == []
    assert host.phases(NOW + 15.1) == CLEARED


def test_incident_lasts_while_an_own_restart_takes_the_container_down():
    host = Host(Kind.UNHEALTHY, **DOWN)
    host.registry.stops["c"] = StopRequest(time=NOW, until=NOW + 9, ours=True)
    assert host.phases(NOW + 9999) == []


def test_crash_ends_when_a_user_has_stopped_the_container():
    host = Host(**DOWN)
    assert host.phases(NOW + 9999) == []
    host.registry.stops["c"] = StopRequest(time=NOW + 4, until=NOW + 9)
    assert host.phases(NOW + 14) == []
    assert host.phases(NOW + 14.1) == CLEARED


def test_crash_goes_on_after_a_signal_that_came_too_early():
    host = Host(**DOWN)
    host.registry.stops["c"] = StopRequest(time=NOW - 9, until=NOW + 4)
    assert host.phases(NOW + 9999) == []


def replace_task(kind: Kind = Kind.EXITED, ref: Container = TASK) -> Host:
    """A task that died at NOW - 1, and another one in its place that runs since NOW + 2."""
    host = Host(kind, ref=ref, status="exited", finished_at=NOW - 1)
    labels = {"com.docker.swarm.task.name": "web.1.y"} if ref.labels else {}
    info = ContainerInfo(
        ref=Container(id="d", name="web.1", labels=labels),
        status="running",
        started_at=NOW + 2,
        created_at=NOW + 2,
    )
    host.registry.upsert(info, NOW + 2)
    return host


def test_crash_ends_when_the_replacement_has_settled():
    host = replace_task()
    assert host.phases(NOW + 11.9) == []
    assert host.phases(NOW + 12) == CLEARED


def test_crash_without_an_orchestrator_has_no_replacement():
    assert replace_task(ref=WEB).phases(NOW + 60) == []


def test_replacement_that_is_down_or_loops_ends_nothing():
    host = replace_task()
    info = host.registry.get("d").info
    host.registry.upsert(msgspec.structs.replace(info, status="exited"), NOW + 3)
    assert host.phases(NOW + 60) == []
    host = replace_task(Kind.CRASH_LOOP)
    host.registry.deaths[get_workload_key(TASK)] = (NOW - 3, NOW - 2, NOW - 1)
    assert host.phases(NOW + 60) == []


# --- incidents that wait ----------------------------------------------------------------------------


def test_incident_whose_hold_is_gone_is_raised_after_the_settling_time():
    host = Host(Kind.UNHEALTHY, cause=WAITS, facts=[Evidence("check", "failed")])
    host.container.health = HealthcheckState(failing_since=NOW)
    assert host.review(NOW + 20) == []
    assert host.review(NOW + 29.9) == []
    (alert,) = host.review(NOW + 30)
    assert (alert.phase, alert.since, alert.root, alert.relapsed) == (Phase.RAISED, NOW + 30, "", False)
    assert alert.evidence == (Evidence("check", "failed"),)
    assert host.registry.unheld_since == {}
    assert host.review(NOW + 31) == []


def test_incident_that_passes_meanwhile_is_not_raised():
    host = Host(Kind.UNHEALTHY, cause=WAITS)
    host.container.health = HealthcheckState(passed_at=NOW + 55)
    assert host.review(NOW + 60) == []
    assert host.registry.unheld_since == {}


def test_stopped_container_is_not_raised_for_a_failing_check():
    host = Host(Kind.UNHEALTHY, cause=WAITS, status="exited", finished_at=NOW + 60)
    assert [host.review(NOW + 60), host.review(NOW + 70)] == [[], []]


def test_crash_that_waited_is_raised_though_the_container_is_down():
    host = Host(cause=WAITS, **DOWN)
    assert host.review(NOW + 60) == []
    assert [alert.kind for alert in host.review(NOW + 70)] == [Kind.EXITED]


# --- the mode of the responders ---------------------------------------------------------------------


def change(host: Host, *modes: str) -> list[HealthAlert]:
    alerts: list[HealthAlert] = []
    for mode in modes:
        alerts = [alert for _, alert in review.change_mode(host.registry, Mode(mode), NOW)]
    return alerts


@pytest.mark.parametrize("mode", ["dry-run", "off"])
def test_open_incidents_are_raised_again_after_a_mode_without_actions(mode):
    (alert,) = change(Host(facts=[Evidence("exit_code", 1)]), mode, "active")
    assert (alert.phase, alert.since, alert.occurrence) == (Phase.RAISED, NOW, 2)
    assert alert.evidence == (Evidence("exit_code", 1),)


@pytest.mark.parametrize(
    ("raised", "started", "count"), [(NOW - 5, NOW - 4, 1), (NOW - 5, NOW - 6, 0), (0.0, NOW - 4, 0)]
)
def test_incident_raised_after_the_responder_started_is_not_repeated(raised, started, count):
    host = Host()
    if raised:
        review.prepare_review(host.registry, raised)
    review.change_mode(host.registry, Mode("dry-run"), NOW)
    assert len(review.change_mode(host.registry, Mode("auto", (), started), NOW)) == count


@pytest.mark.parametrize("modes", [("active", "active"), ("", "active"), ("dry-run", "dry-run")])
def test_incidents_are_not_raised_again_for_another_change(modes):
    assert change(Host(), *modes) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": Kind.CRASH_LOOP},
        {"kind": Kind.FLAPPING},
        {"cause": WAITS},
        {"facts": [Evidence("exit_code", 1), Evidence("dead_before", True)]},
    ],
)
def test_incident_without_an_action_is_not_raised_after_a_dry_run(fields):
    assert change(Host(**fields), "dry-run", "active") == []


def test_incident_without_its_container_is_not_raised_after_a_dry_run():
    host = Host()
    host.registry._containers.clear()
    assert change(host, "dry-run", "active") == []


def test_review_watches_from_its_first_round_on():
    registry = ContainerRegistry(MonitorSettings(), HostState(name="h"))
    assert not registry.has_watched(0.0, NOW)
    review.prepare_review(registry, NOW)
    review.prepare_review(registry, NOW + 50)
    assert registry.has_watched(50.0, NOW + 50)
    assert not registry.has_watched(50.1, NOW + 50)
