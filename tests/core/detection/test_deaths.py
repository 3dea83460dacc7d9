"""Which deaths are alerts, and what the alerts tell."""

import msgspec
import pytest

from hemostat.core.dependencies.root_cause import HostState
from hemostat.core.detection import deaths
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.stop_intent import PendingExit, StopRequest
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.model import ContainerInfo, EngineEvent
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.events import Container, Evidence, HealthAlert, Kind, Phase

NOW = 10_000.0
WEB = Container(id="c", name="web")
TASK = Container(id="c", name="web.1", labels={"com.docker.swarm.task.name": "web.1.x"})


class Host:
    """A host with one container, which died a second ago after 99 seconds, with exit code 1."""

    def __init__(self, **fields) -> None:
        self.registry = ContainerRegistry(MonitorSettings(), HostState(name="h"))
        self.registry.has_kill_events = True
        plain = {"ref": WEB, "status": "exited", "exit_code": 1}
        plain |= {"started_at": NOW - 100, "finished_at": NOW - 1}
        self.info = ContainerInfo(**{**plain, **fields})
        self.container = self.registry.upsert(self.info, NOW)

    def update(self, **fields) -> WatchedContainer:
        self.info = msgspec.structs.replace(self.info, **fields)
        self.container = self.registry.upsert(self.info, NOW)
        return self.container

    def die(self, exit_code: int | None = None, time: float = NOW - 1, now: float = NOW) -> list[HealthAlert]:
        event = EngineEvent(time=time, action="die", container=self.info.ref, exit_code=exit_code)
        return read(deaths.handle_death(self.registry, self.container, event, now))

    def die_again(self, *times: float) -> list[HealthAlert]:
        """Deaths of a process that is started each time, all without an earlier incident."""
        alerts: list[HealthAlert] = []
        for time in times:
            self.update(started_at=time - 1, finished_at=time)
            alerts = self.die(time=time, now=time)
        return alerts


def read(alerts) -> list[HealthAlert]:
    return [alert for _, alert in alerts]


def tell(alert: HealthAlert) -> dict[str, object]:
    return {fact.name: fact.value for fact in alert.evidence}


@pytest.mark.parametrize(("age", "is_reported"), [(600.0, True), (600.1, False)])
def test_death_is_reported_for_ten_minutes(age, is_reported):
    assert bool(Host().die(time=NOW - age)) is is_reported


def test_death_has_the_exit_code_and_the_run():
    (alert,) = Host().die()
    assert (alert.kind, alert.phase, alert.since) == (Kind.EXITED, Phase.RAISED, NOW - 1)
    assert alert.evidence == (Evidence("exit_code", 1), Evidence("ran", 99.0, "s"))


def test_exit_code_of_the_event_counts_before_that_of_the_inspection():
    assert tell(Host().die(7)[0])["exit_code"] == 7
    assert Host().die(0) == []


def test_death_after_a_start_of_unknown_time_tells_no_run():
    assert "ran" not in tell(Host(started_at=0.0).die()[0])
    assert tell(Host(started_at=NOW - 1).die()[0])["ran"] == 0.0
    assert "ran" not in tell(Host(started_at=NOW).die()[0])


def test_death_by_the_kernel_tells_the_memory_limit():
    host = Host(memory_limit=64)
    host.registry.ooms["c"] = NOW - 3
    (alert,) = host.die(137)
    assert (alert.kind, tell(alert)) == (Kind.OOM, {"exit_code": 137, "memory_limit": 64, "ran": 99.0})
    host = Host()
    host.registry.ooms["c"] = NOW - 3
    assert tell(host.die(137)[0]) == {"exit_code": 137, "ran": 99.0}


def test_death_after_a_kernel_kill_in_the_container_tells_it():
    host = Host(memory_limit=64)
    host.registry.ooms["c"] = NOW - 3
    (alert,) = host.die(1)
    assert (alert.kind, tell(alert)) == (Kind.EXITED, {"exit_code": 1, "ran": 99.0, "after_oom_kill": 2.0})


@pytest.mark.parametrize(("killed_at", "is_of_this_run"), [(NOW - 100, True), (NOW - 101, False)])
def test_kernel_kill_counts_in_its_own_run_only(killed_at, is_of_this_run):
    host = Host()
    host.registry.ooms["c"] = killed_at
    assert ("after_oom_kill" in tell(host.die(1)[0])) is is_of_this_run
    host = Host()
    host.registry.ooms["c"] = killed_at
    assert (host.die(137)[0].kind is Kind.OOM) is is_of_this_run


def test_error_of_the_engine_and_the_owner_are_told():
    host = Host(error="no such file, password=hunter2", ref=TASK)
    host.die()
    (alert,) = read(deaths.report_unreplaced(host.registry, NOW + 60))
    facts = tell(alert)
    assert facts["managed_by"] == "Swarm"
    assert facts["engine_says"].startswith("no such file")
    assert "hunter2" not in facts["engine_says"]


def test_death_of_a_job_tells_why_it_is_a_job():
    assert "job" not in tell(Host().die()[0])
    host = Host()
    host.registry.clean_ends["c"] = 50
    assert ("job" in tell(host.die()[0])) is bool(host.registry.explain_job(host.info))


# --- requested deaths -------------------------------------------------------------------------------


def test_clean_ends_are_counted_unless_requested_or_restarted():
    host = Host(exit_code=0)
    host.die()
    host.die()
    assert host.registry.clean_ends == {"c": 2}
    host = Host(exit_code=0)
    host.registry.stops["c"] = StopRequest(time=NOW - 2, until=NOW + 9)
    host.die()
    assert host.registry.clean_ends == {}
    host = Host(exit_code=0, restart_policy="always")
    host.die()
    assert host.registry.clean_ends == {}
    host = Host(exit_code=1)
    host.die()
    assert host.registry.clean_ends == {}


@pytest.mark.parametrize("ours", [True, False])
def test_requested_death_is_no_alert(ours):
    host = Host()
    host.registry.stops["c"] = StopRequest(time=NOW - 2, until=NOW + 9, ours=ours)
    assert host.die(137) == []
    assert host.registry.pending_exits == {}


def test_death_after_a_survived_signal_waits_for_a_stop_event():
    host = Host()
    host.registry.stops["c"] = StopRequest(time=NOW - 60, until=NOW - 50)
    assert host.die(3) == []
    assert host.registry.pending_exits == {"c": PendingExit(exit_code=3, time=NOW - 1, due=NOW + 1.5)}
    late = Host()
    late.registry.stops["c"] = StopRequest(time=NOW - 60, until=NOW - 50)
    assert late.die(3, time=NOW - 1.5)
    assert late.registry.stops == {}, "the container survived the signal"


def test_clean_end_and_kernel_kill_wait_for_no_stop_event():
    host = Host(exit_code=0)
    host.registry.stops["c"] = StopRequest(time=NOW - 60, until=NOW - 50)
    assert host.die() == []
    assert host.registry.pending_exits == {}
    host.registry.ooms["c"] = NOW - 3
    assert [alert.kind for alert in host.die(137)] == [Kind.OOM]


def test_podman_waits_even_after_a_kernel_kill():
    host = Host(oom_killed=True)
    host.registry.is_podman = True
    assert host.die(137) == []
    assert "c" in host.registry.pending_exits


# --- loops ------------------------------------------------------------------------------------------


def test_third_death_in_the_window_is_a_loop():
    (first, second) = Host().die_again(NOW, NOW + 10, NOW + 299)
    assert (first.kind, first.phase) == (Kind.EXITED, Phase.CLEARED)
    assert (second.kind, second.since, second.window) == (Kind.CRASH_LOOP, NOW + 299, 300.0)
    assert tell(second) == {"deaths": 3, "exit_code": 1, "ran": 1.0}


def test_deaths_at_the_end_of_the_window_are_no_loop():
    assert [alert.kind for alert in Host().die_again(NOW, NOW + 10, NOW + 300)] == [Kind.EXITED]


def test_loop_is_reported_once():
    assert Host().die_again(*(NOW + 10 * number for number in range(5))) == []


def test_number_of_remembered_deaths_is_bounded():
    host = Host()
    host.die_again(*(NOW + number for number in range(30)))
    assert host.registry.deaths["c"] == tuple(NOW + number for number in range(10, 30))


def test_restarted_container_dies_without_an_alert_until_it_loops():
    host = Host(restart_policy="always", status="restarting", restart_count=5)
    assert host.die_again(NOW, NOW + 100, NOW + 400) == []
    assert [run.seconds for run in host.registry.runs["c"]] == [1.0, 1.0, 1.0]
    assert host.die_again(NOW + 800) == []
    (alert,) = host.die_again(NOW + 1200)
    assert (alert.kind, alert.since, alert.window) == (Kind.CRASH_LOOP, NOW + 1200, 1201.0)
    assert tell(alert) == {"deaths": 5, "exit_code": 1, "ran": 1.0, "restarts": 5}


def test_runs_are_recorded_only_if_an_owner_restarts():
    host = Host()
    host.die()
    assert host.registry.runs == {}


def test_orchestrator_gets_its_time_before_the_alert():
    host = Host(ref=TASK)
    assert host.die() == []
    assert host.registry.awaited_restarts["c"].due == NOW + 30
    assert deaths.report_unreplaced(host.registry, NOW + 29.9) == []
    (alert,) = read(deaths.report_unreplaced(host.registry, NOW + 30))
    assert (alert.kind, alert.since) == (Kind.EXITED, NOW - 1)
    assert deaths.report_unreplaced(host.registry, NOW + 31) == []


def test_replaced_container_is_no_alert():
    host = Host(ref=TASK)
    host.die()
    ref = msgspec.structs.replace(TASK, id="d", labels={"com.docker.swarm.task.name": "web.1.y"})
    host.registry.upsert(ContainerInfo(ref=ref, status="running", started_at=NOW, created_at=NOW), NOW)
    assert deaths.report_unreplaced(host.registry, NOW + 30) == []
    assert host.registry.awaited_restarts == {}
