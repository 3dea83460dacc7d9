"""In what condition a dependency is for one of its dependents."""

import pytest

from hemostat.core.dependencies.state import DependencyState, Observations, describe, judge_dependency
from hemostat.core.model import ContainerInfo, HealthCheck
from hemostat.events import Container

START = 1000.0
"""When the dependent was started."""


def container(name: str, **state) -> ContainerInfo:
    known = {"status": "running", "started_at": START - 100, "finished_at": 0.0, **state}
    return ContainerInfo(ref=Container(id=name, name=name), **known)


APP = container("app", started_at=START)
STOPPED = Observations(stopped_ids={"db"})
UNOBSERVED = Observations(unobserved_ids={"db"})


def ended(code: int, at: float, **state) -> ContainerInfo:
    return container("db", status="exited", exit_code=code, finished_at=at, **state)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (container("db"), DependencyState.UP),
        (container("db", health="healthy"), DependencyState.UP),
        (container("db", health="unhealthy"), DependencyState.ILL),
        (container("db", health="starting"), DependencyState.ILL),
        (container("db", health="healthy", failing_streak=1), DependencyState.ILL),
        (container("db", status="created", started_at=0.0), DependencyState.NEVER_STARTED),
        (container("db", status="paused"), DependencyState.DOWN),
        (container("db", status="restarting"), DependencyState.DOWN),
        (ended(1, START + 5), DependencyState.DOWN),
        (ended(1, START - 5), DependencyState.DOWN),
    ],
)
def test_only_a_failed_dependency_holds_its_dependent(info, expected):
    assert judge_dependency(info, APP) is expected


@pytest.mark.parametrize("at", [START - 50, START + 1, START + 500])
def test_init_container_with_exit_0_is_complete(at):
    assert judge_dependency(ended(0, at), APP) is DependencyState.DONE


@pytest.mark.parametrize(
    ("state", "observed"),
    [
        ({}, STOPPED),
        ({"restart_policy": "unless-stopped"}, Observations()),
        ({"check": HealthCheck()}, Observations()),
        ({}, UNOBSERVED),
    ],
)
def test_service_with_exit_0_is_down(state, observed):
    assert judge_dependency(ended(0, START + 30, **state), APP, observed) is DependencyState.DOWN


def test_declared_service_is_never_complete():
    assert judge_dependency(ended(0, START + 30), APP, must_run=True) is DependencyState.DOWN


def test_unwatched_init_container_is_complete():
    assert judge_dependency(ended(0, START + 1), APP, UNOBSERVED) is DependencyState.DONE


@pytest.mark.parametrize(
    ("code", "observed", "expected"),
    [
        (143, STOPPED, DependencyState.STOPPED),
        (143, UNOBSERVED, DependencyState.STOPPED),
        (137, Observations(), DependencyState.DOWN),
        (1, UNOBSERVED, DependencyState.DOWN),
        (1, STOPPED, DependencyState.STOPPED),
    ],
)
def test_dependency_stopped_before_the_start_is_not_missing(code, observed, expected):
    assert judge_dependency(ended(code, START - 5), APP, observed) is expected


def test_dependency_stopped_after_the_start_is_missing():
    assert judge_dependency(ended(143, START + 5), APP, STOPPED) is DependencyState.DOWN


def test_crash_looping_dependent_misses_its_dependency():
    again = container("app", status="restarting", restart_count=3, started_at=START, finished_at=START + 1)
    assert judge_dependency(ended(143, START - 5), again, STOPPED) is DependencyState.DOWN
    settled = container("app", status="exited", restart_count=3, started_at=START, finished_at=START + 900)
    assert judge_dependency(ended(143, START - 5), settled, STOPPED) is DependencyState.STOPPED


@pytest.mark.parametrize(
    ("info", "recovering", "words"),
    [
        (ended(1, START), False, "db exited with code 1 3 s ago"),
        (container("db", status="paused"), False, "db is paused"),
        (container("db", health="healthy", failing_streak=1), False, "db failed its latest health check"),
        (container("db", health="unhealthy"), False, "db is unhealthy"),
        (container("db", health="healthy"), True, "db is recovering"),
    ],
)
def test_fault_of_the_dependency_is_named(info, recovering, words):
    assert describe(info, recovering=recovering, now=START + 3) == words
