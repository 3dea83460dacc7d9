"""Whether an action is still needed, and whether it has helped, at the limits."""

import pytest

from hemostat.core.ledger.rows import Attempt
from hemostat.core.model import ContainerInfo, HealthCheck, Sample
from hemostat.core.remediation.verify import (
    compute_run_seconds,
    compute_startup_seconds,
    describe_disk_shortage,
    describe_remaining_excess,
    find_late_reason,
    find_needless_reason,
    find_stale_restart_reason,
)
from hemostat.events import Action, Container, Evidence, Kind, Reason
from tests.support.samples import NOW, WEB, alert, needed

MIB = 1 << 20


def info(**fields) -> ContainerInfo:
    return ContainerInfo(**{"ref": WEB, "status": "running", "started_at": NOW - 100, **fields})


# --- late requests ----------------------------------------------------------------------------------


def test_action_on_a_removed_container_is_late():
    assert find_late_reason(needed(), None) is Reason.GONE
    host = alert(container=Container(id="", name="h"))
    assert find_late_reason(needed(alert=host), None) is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "exited"}, None),
        ({"status": "created"}, None),
        ({"status": "running"}, Reason.RECOVERED),
        ({"status": "restarting"}, Reason.RECOVERED),
        ({"status": "paused"}, Reason.STOPPED),
        ({"status": "exited", "started_at": NOW}, None),
        ({"status": "exited", "started_at": NOW + 1}, Reason.STOPPED),
    ],
)
def test_start_after_a_restart_is_needed_while_the_container_is_down(fields, reason):
    request = needed(action=Action.START, rung=1)
    assert find_late_reason(request, info(**fields)) is reason


def test_start_as_the_first_action_is_judged_as_a_restart():
    created = info(status="created")
    assert find_late_reason(needed(action=Action.START, rung=0), created) is Reason.STOPPED
    assert find_late_reason(needed(action=Action.RESTART, rung=1), created) is Reason.STOPPED


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        (Kind.ORDERED, {"status": "exited"}, None),
        (Kind.EXITED, {"status": "dead"}, None),
        (Kind.OOM, {"status": "exited", "started_at": NOW + 1}, Reason.STOPPED),
        (Kind.OOM, {"status": "exited", "started_at": NOW}, None),
        (Kind.EXITED, {"status": "created"}, Reason.STOPPED),
        (Kind.EXITED, {"status": "restarting"}, Reason.RECOVERED),
        (Kind.UNHEALTHY, {"health": "unhealthy"}, None),
        (Kind.UNHEALTHY, {"health": "healthy"}, Reason.RECOVERED),
        (Kind.UNHEALTHY, {"health": "unhealthy", "started_at": NOW + 1}, Reason.RECOVERED),
        (Kind.HUNG, {"health": "healthy", "started_at": NOW}, None),
        (Kind.HUNG, {"status": "paused"}, Reason.STOPPED),
    ],
)
def test_action_is_needed_by_the_present_state(kind, fields, reason):
    assert find_needless_reason(alert(kind=kind), info(**fields)) is reason


@pytest.mark.parametrize(
    ("fields", "changes", "reason"),
    [
        ({"status": "exited", "finished_at": NOW + 60}, {}, None),
        ({"status": "exited", "finished_at": NOW + 60.1}, {}, Reason.STOPPED),
        ({"status": "exited", "finished_at": NOW + 99}, {"action": Action.EXEC}, None),
        ({"status": "exited", "finished_at": NOW + 99, "started_at": NOW - 99}, {}, None),
        ({"health": "healthy"}, {}, Reason.RECOVERED),
    ],
)
def test_interrupted_restart_is_resumed_unless_a_person_stopped_it(fields, changes, reason):
    plain = {"key": "k", "container": "web", "action": Action.RESTART, "by": "r", "time": NOW}
    attempt = Attempt(**{**plain, "lease": NOW + 60, "started_at": NOW - 100, **changes})
    assert find_stale_restart_reason(alert(kind=Kind.UNHEALTHY), info(**fields), attempt) is reason


def test_run_before_the_alert_is_not_negative():
    assert compute_run_seconds(alert(), info()) == 100.0
    assert compute_run_seconds(alert(), info(started_at=NOW + 5)) == 0.0
    assert compute_run_seconds(alert(), info(started_at=0.0)) == 0.0


def test_startup_has_the_start_period_and_all_retries():
    check = HealthCheck(interval=10.0, timeout=5.0, retries=3, start_period=20.0)
    assert compute_startup_seconds(info(check=check)) == 65.0
    assert compute_startup_seconds(info()) == 0.0
    assert compute_startup_seconds(info(check=HealthCheck(start_period=9999.0))) == 3600.0


# --- what remains -----------------------------------------------------------------------------------


def shortage(freed: int, disk: float = 95.0, free: float = 50 * MIB) -> str:
    facts = (Evidence("disk", disk, "%"), Evidence("threshold", 90.0, "%"), Evidence("disk_free", free, "B"))
    return describe_disk_shortage(alert(kind=Kind.DISK_HIGH, evidence=facts), freed)


def test_disk_must_fall_below_its_threshold():
    """5 % are free and 50 MiB: 5 % are to be freed."""
    assert shortage(30 * MIB) == "20.0 MiB more must be freed"
    assert shortage(51 * MIB) == ""
    assert shortage(0) == "50.0 MiB more must be freed"
    assert shortage(0, disk=80.0).endswith("more must be freed"), "nothing was freed"
    assert shortage(1, disk=100.0, free=0.0) == ""


def excess(kind: Kind, after: dict, threshold: float = 80.0, **fields) -> str:
    plain = {"container_id": "c", "cpu": 0.0, "memory": 0}
    before = Sample(**{**plain, "time": 0.0})
    later = Sample(**{**plain, "time": 1.0, **after})
    told = alert(kind=kind, evidence=(Evidence("threshold", threshold, "%"),))
    return describe_remaining_excess(told, info(**fields), before, later, 100 * MIB)


@pytest.mark.parametrize(
    ("kind", "after", "fields", "text"),
    [
        (Kind.CPU_HIGH, {"cpu": 0.8}, {}, "its CPU is still at 80 %"),
        (Kind.CPU_HIGH, {"cpu": 0.79}, {}, ""),
        (Kind.CPU_HIGH, {"cpu": 0.4}, {"cpu_limit": 0.5}, "its CPU is still at 80 %"),
        (Kind.CPU_HIGH, {"cpu": -1.0}, {}, ""),
        (Kind.MEMORY_LEAK, {"memory": 80 * MIB}, {}, "its memory is still at 80 %"),
        (Kind.MEMORY_LEAK, {"memory": 79 * MIB}, {}, ""),
        (Kind.MEMORY_LEAK, {"memory": 40 * MIB}, {"memory_limit": 50 * MIB}, "its memory is still at 80 %"),
        (Kind.PIDS_HIGH, {"pids": 40}, {"pids_limit": 50}, "it still has 80 % of its processes"),
        (Kind.PIDS_HIGH, {"pids": 39}, {"pids_limit": 50}, ""),
        (Kind.PIDS_HIGH, {"pids": None}, {"pids_limit": 50}, ""),
        (Kind.PIDS_HIGH, {"pids": 40}, {}, ""),
        (Kind.EXITED, {"cpu": 9.0, "memory": 99 * MIB, "pids": 40}, {"pids_limit": 40}, ""),
    ],
)
def test_condition_remains_at_its_threshold(kind, after, fields, text):
    assert excess(kind, after, **fields) == text
