"""Whether an action is still needed, and whether it helped."""

import pytest

from hemostat.core.model import ContainerInfo, HealthCheck, Sample
from hemostat.core.remediation.verify import (
    HealthVerdict,
    assess_health,
    compute_startup_seconds,
    describe_remaining_excess,
    find_needless_reason,
)
from hemostat.events import Evidence, Kind, Reason
from tests.support.samples import NOW, WEB, alert


def info(**fields) -> ContainerInfo:
    return ContainerInfo(**{"ref": WEB, "status": "running", "started_at": NOW - 60, **fields})


@pytest.mark.parametrize(
    ("kind", "found", "why"),
    [
        (Kind.EXITED, info(status="exited"), None),
        (Kind.EXITED, info(status="dead"), None),
        (Kind.EXITED, info(), Reason.RECOVERED),
        (Kind.OOM, info(status="restarting"), Reason.RECOVERED),
        (Kind.EXITED, info(status="removing"), Reason.STOPPED),
        (Kind.EXITED, info(status="exited", started_at=NOW + 1), Reason.STOPPED),
        (Kind.OOM, info(status="exited", started_at=NOW + 1), Reason.STOPPED),
        (Kind.UNHEALTHY, info(health="unhealthy"), None),
        (Kind.UNHEALTHY, info(health="healthy"), Reason.RECOVERED),
        (Kind.UNHEALTHY, info(health="unhealthy", started_at=NOW + 1), Reason.RECOVERED),
        (Kind.UNHEALTHY, info(status="exited", health="unhealthy"), Reason.STOPPED),
        (Kind.CPU_HIGH, info(), None),
        (Kind.CPU_HIGH, info(started_at=NOW + 1), Reason.RECOVERED),
        (Kind.CPU_HIGH, info(status="paused"), Reason.STOPPED),
        (Kind.MEMORY_HIGH, info(status="exited"), Reason.STOPPED),
    ],
)
def test_action_is_needed_while_the_same_process_fails(kind, found, why):
    assert find_needless_reason(alert(kind=kind, since=NOW), found) is why


@pytest.mark.parametrize(
    ("found", "health"),
    [
        (info(), HealthVerdict.WELL),
        (info(health="healthy"), HealthVerdict.WELL),
        (info(health="starting"), HealthVerdict.NOT_YET),
        (info(health="unhealthy"), HealthVerdict.ILL),
        (info(status="exited", exit_code=3), HealthVerdict.ILL),
        (info(status="restarting"), HealthVerdict.NOT_YET),
        (info(status="paused"), HealthVerdict.NOT_YET),
    ],
)
def test_health_is_read_from_the_engine(found, health):
    assert assess_health(found, NOW)[0] is health


@pytest.mark.parametrize(
    ("started", "checked_at", "health"),
    [
        (NOW - 60, 0.0, HealthVerdict.WELL),
        (NOW - 60, NOW - 5, HealthVerdict.NOT_YET),
        (NOW - 60, NOW - 65, HealthVerdict.WELL),
        (NOW - 15, 0.0, HealthVerdict.NOT_YET),
    ],
)
def test_check_that_the_engine_never_runs_says_nothing(started, checked_at, health):
    check = HealthCheck(interval=5, timeout=5)
    found = info(health="starting", check=check, started_at=started, checked_at=checked_at)
    assert assess_health(found, NOW)[0] is health


def sample(time: float, cpu: float, memory: int = 0) -> Sample:
    return Sample(container_id="c1", time=time, cpu=cpu, memory=memory)


@pytest.mark.parametrize(
    ("kind", "found", "after", "high"),
    [
        (Kind.CPU_HIGH, info(), sample(1, 0.9), True),
        (Kind.CPU_HIGH, info(), sample(1, 0.1), False),
        (Kind.CPU_HIGH, info(cpu_limit=0.5), sample(1, 0.45), True),
        (Kind.MEMORY_LEAK, info(memory_limit=100), sample(1, 0, 90), True),
        (Kind.MEMORY_LEAK, info(memory_limit=100), sample(1, 0, 20), False),
        (Kind.MEMORY_LEAK, info(), sample(1, 0, 900), True),
        (Kind.EXITED, info(), sample(1, 0.9, 1000), False),
    ],
)
def test_condition_of_the_alert_must_have_ended(kind, found, after, high):
    told = alert(kind=kind, evidence=(Evidence("threshold", 85.0, "%"),))
    assert bool(describe_remaining_excess(told, found, sample(0, 0.0), after, host_memory=1000)) is high


def test_check_gets_its_start_period_and_retries():
    assert compute_startup_seconds(info(check=HealthCheck())) == 180.0
    assert (
        compute_startup_seconds(info(check=HealthCheck(interval=5, timeout=30, retries=2, start_period=180)))
        == 250.0
    )
    assert compute_startup_seconds(info(check=None)) == 0.0
