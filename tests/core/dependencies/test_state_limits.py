"""The state of a dependency, and the root cause that follows, at their limits."""

import msgspec
import pytest

from hemostat.core.dependencies.graph import DependencyGraph
from hemostat.core.dependencies.root_cause import (
    HoldReason,
    HostState,
    find_root_cause,
    is_cpu_starved,
    should_await_check,
    update_host_state,
)
from hemostat.core.dependencies.state import (
    DependencyState,
    Observations,
    describe,
    describe_briefly,
    has_failed,
    judge_dependency,
)
from hemostat.core.model import ContainerInfo, HealthCheck, HostSample
from hemostat.events import Container, Evidence, Kind

NOW = 10_000.0


def info(name: str = "db", **fields) -> ContainerInfo:
    return ContainerInfo(**{"ref": Container(id=name, name=name), "status": "running", **fields})


def ended(**fields) -> ContainerInfo:
    """It ran for a minute, and ended with 0 a minute before NOW."""
    return info(**{"status": "exited", "started_at": NOW - 120, "finished_at": NOW - 60, **fields})


WEB = info("web", started_at=NOW)
STOPPED, UNOBSERVED = Observations(stopped_ids={"db"}), Observations(unobserved_ids={"db"})


@pytest.mark.parametrize(
    ("dependency", "state"),
    [
        (info(), DependencyState.UP),
        (info(health="healthy"), DependencyState.UP),
        (info(health="unhealthy"), DependencyState.ILL),
        (info(health="starting"), DependencyState.ILL),
        (info(health="healthy", failing_streak=1), DependencyState.ILL),
        (info(status="created"), DependencyState.NEVER_STARTED),
        (info(status="restarting"), DependencyState.DOWN),
        (ended(), DependencyState.DONE),
        (ended(status="dead"), DependencyState.DONE),
        (ended(restart_policy="on-failure"), DependencyState.DONE),
        (ended(exit_code=1), DependencyState.DOWN),
        (ended(restart_policy="always"), DependencyState.DOWN),
        (ended(check=HealthCheck()), DependencyState.DOWN),
    ],
)
def test_dependency_is_judged_by_its_state(dependency, state):
    assert judge_dependency(dependency, WEB) is state


def test_recovering_dependency_is_not_up():
    assert judge_dependency(info(), WEB, Observations(recovering_ids={"db"})) is DependencyState.ILL
    assert judge_dependency(info(), WEB, Observations(recovering_ids={"x"})) is DependencyState.UP


def test_starting_dependency_is_up_if_its_check_is_never_run():
    starting = info(health="starting")
    assert judge_dependency(starting, WEB, Observations(unchecked_ids={"db"})) is DependencyState.UP
    assert judge_dependency(starting, WEB, Observations(unchecked_ids={"x"})) is DependencyState.ILL


def test_service_is_never_done():
    assert judge_dependency(ended(), WEB, must_run=True) is DependencyState.DOWN


@pytest.mark.parametrize(("seconds", "state"), [(2.0, "done"), (2.1, "down")])
def test_unobserved_end_soon_after_the_dependents_start_is_done(seconds, state):
    dependency = ended(finished_at=NOW + seconds)
    assert judge_dependency(dependency, WEB, UNOBSERVED) == state
    late = ended(started_at=NOW + 50, finished_at=NOW + 50 + seconds)
    assert judge_dependency(late, WEB, UNOBSERVED) == state
    assert judge_dependency(dependency, WEB) == "done", "its end was observed"


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "stopped before"),
        ({"finished_at": NOW - 0.1}, "stopped before"),
        ({"finished_at": NOW}, "down"),
        ({"finished_at": 0.0}, "down"),
        ({"exit_code": 7}, "stopped before"),
    ],
)
def test_dependency_stopped_before_the_dependents_start_is_not_needed(fields, state):
    assert judge_dependency(ended(**fields), WEB, STOPPED) == state


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        *(({"exit_code": code}, "stopped before") for code in (130, 137, 143)),
        ({"exit_code": 0, "restart_policy": "always"}, "stopped before"),
        ({"exit_code": 1}, "down"),
        ({"exit_code": 137, "oom_killed": True}, "down"),
    ],
)
def test_unobserved_end_counts_as_a_stop_by_its_exit_code(fields, state):
    assert judge_dependency(ended(**fields), WEB, UNOBSERVED) == state


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"restart_count": 1, "status": "exited", "finished_at": NOW + 60}, "stopped before"),
        ({"restart_count": 1, "status": "exited", "finished_at": NOW + 59}, "down"),
        ({"restart_count": 0, "status": "exited", "finished_at": NOW + 1}, "stopped before"),
        ({"restart_count": 9}, "stopped before"),
    ],
)
def test_stop_counts_for_a_restarted_dependent_that_ran_well(fields, state):
    assert judge_dependency(ended(), msgspec.structs.replace(WEB, **fields), STOPPED) == state


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"status": "exited", "exit_code": 3, "finished_at": NOW - 5}, "db exited with code 3 5 s ago"),
        ({"status": "dead", "exit_code": 3, "finished_at": NOW + 5}, "db dead with code 3 0 ms ago"),
        ({"status": "paused"}, "db is paused"),
        ({"health": "healthy", "failing_streak": 1}, "db failed its latest health check"),
        ({"health": "unhealthy", "failing_streak": 1}, "db is unhealthy"),
        ({"health": "starting"}, "db is starting"),
        ({"health": "healthy"}, "db is healthy"),
        ({}, "db is running"),
    ],
)
def test_fault_of_a_dependency_is_named(fields, text):
    assert describe(info(**fields), recovering=False, now=NOW) == text


def test_recovering_dependency_is_named_so():
    assert describe(info(health="healthy"), recovering=True, now=NOW) == "db is recovering"
    assert describe_briefly(info()) == "db is not healthy"
    assert describe_briefly(ended()) == "db is not running"


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({"status": "exited", "exit_code": 1}, True),
        ({"status": "dead", "exit_code": 1}, True),
        ({"status": "restarting", "exit_code": 1}, True),
        ({"status": "exited", "exit_code": 0}, False),
        ({"status": "running", "exit_code": 1}, False),
    ],
)
def test_job_has_failed_by_its_exit_code(fields, failed):
    assert has_failed(info(**fields)) is failed


# --- the host's CPU ---------------------------------------------------------------------------------


def saturate(*samples: tuple[float, float | None], cores: int = 2) -> HostState:
    host = HostState(name="h", cores=cores)
    for time, busy in samples:
        host = update_host_state(host, HostSample(time=time, cpu=busy))
    return host


def test_host_is_saturated_from_its_first_busy_sample():
    assert saturate((1.0, 0.95), (2.0, 0.99)).saturated_since == 1.0
    assert saturate((1.0, 0.95), (2.0, 0.99)).busy_share == 0.99
    assert saturate((1.0, 0.94)).saturated_since is None
    assert saturate((1.0, 1.0), (2.0, 0.5), (3.0, 1.0)).saturated_since == 3.0
    assert saturate((1.0, 1.0), (2.0, None)).saturated_since is None


@pytest.mark.parametrize(
    ("seconds", "output", "cpu", "lacks_cpu"),
    [
        (3.0, "", 99.0, True),
        (2.9, "", 99.0, False),
        (1.0, "Health check exceeded timeout (5s)", 99.0, True),
        (0.9, "Health check exceeded timeout (5s)", 99.0, False),
        (3.0, "", 100.0, False),
        (3.0, "", None, True),
    ],
)
def test_container_is_lacks_cpu_on_a_saturated_host(seconds, output, cpu, lacks_cpu):
    host = saturate((NOW, 1.0))
    assert is_cpu_starved(info(health_output=output), host, cpu, NOW + seconds) is lacks_cpu
    assert not is_cpu_starved(info(), HostState(name="h"), cpu, NOW + 99)


@pytest.mark.parametrize(
    ("kind", "hold"), [(Kind.UNHEALTHY, HoldReason.HOST), (Kind.HUNG, HoldReason.HOST), (Kind.EXITED, None)]
)
def test_lack_of_cpu_explains_failing_checks_only(kind, hold):
    cause = find_root_cause(
        info(), kind, DependencyGraph.build([info()]), saturate((NOW, 0.956)), cpu=1.0, now=NOW + 9
    )
    assert cause.hold_reason is hold
    if hold:
        assert (cause.root, cause.evidence) == ("h", (Evidence("host_cpu", 95.6, "%"),))


# --- the next check of a dependency -----------------------------------------------------------------


CHECK = HealthCheck(interval=10.0, timeout=5.0)


@pytest.mark.parametrize(
    ("fields", "since", "waits"),
    [
        ({}, NOW, True),
        ({}, NOW - 14.9, True),
        ({}, NOW - 15, False),
        ({}, NOW + 1, False),
        ({"checked_at": NOW}, NOW, False),
        ({"checked_at": 0.0}, NOW, False),
        ({"health": "unhealthy"}, NOW, False),
        ({"check": None}, NOW, False),
        ({"status": "exited"}, NOW, False),
        ({"check": HealthCheck(interval=300.0, timeout=5.0)}, NOW - 59.9, True),
        ({"check": HealthCheck(interval=300.0, timeout=5.0)}, NOW - 60, False),
    ],
)
def test_next_check_of_a_healthy_dependency_is_awaited(fields, since, waits):
    dependency = info(**{"health": "healthy", "check": CHECK, "checked_at": NOW - 60.1, **fields})
    assert should_await_check(since, [info("x"), dependency], NOW) is waits
