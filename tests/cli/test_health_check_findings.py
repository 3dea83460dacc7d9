"""What `hemostat doctor` says about health checks that the engine does not run."""

import pytest

from hemostat.cli.doctor.engine_checks import judge_health_checks
from hemostat.cli.doctor.findings import Level
from hemostat.core.model import ContainerInfo, HealthCheck
from hemostat.events import Container

NOW = 1_000.0
CHECK = HealthCheck(interval=10.0, timeout=5.0, retries=3, start_period=20.0)
"""The first check has ended 35 s after the start."""


def web(**fields: object) -> ContainerInfo:
    plain = {"ref": Container(id="c", name="web"), "status": "running", "health": "starting", "check": CHECK}
    return ContainerInfo(**{**plain, "started_at": NOW - 46, **fields})


@pytest.mark.parametrize(("is_podman", "remedy"), [(True, "systemd"), (False, "docker inspect")])
def test_check_that_never_ran_is_a_warning(is_podman, remedy):
    result = judge_health_checks([web()], is_podman=is_podman, now=NOW)
    assert (result.level, "web" in result.message, remedy in result.hint) == (Level.WARNING, True, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"started_at": NOW - 45},
        {"health": "healthy"},
        {"checked_at": NOW - 10},
        {"check": None},
        {"status": "exited"},
    ],
)
def test_check_that_ran_or_is_not_due_is_no_warning(fields):
    assert judge_health_checks([web(**fields)], is_podman=True, now=NOW).level is Level.OK
