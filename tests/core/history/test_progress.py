"""What an action under way waits for."""

import pytest

from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.progress import describe_progress, find_progress
from hemostat.core.ledger.rows import Attempt
from hemostat.core.remediation.circuit_breaker import BreakerState
from hemostat.core.remediation.limit_status import ContainerLimitStatus, HostLimitStatus
from hemostat.core.remediation.restart_budget import RestartBudget
from hemostat.events import Action, State
from tests.support.samples import NOW, alert, complete, event, needed


def attempt(action: Action = Action.RESTART, **changes) -> Attempt:
    fields = {"started_at": NOW - 60, "stop_seconds": 10.0, "verify_seconds": 30.0, **changes}
    return Attempt(key="i1:1:0", container="web", action=action, time=NOW, by="r", lease=NOW + 99, **fields)


def state(since: float, health: str | None = None, status: str = "running") -> State:
    return State(status=status, health=health, started_at=NOW + since)


@pytest.mark.parametrize(
    ("under_way", "observed", "text"),
    [
        (attempt(), state(-60.0, "unhealthy"), "restarting: stopping it, up to 10 s"),
        (attempt(), None, "restarting: stopping it, up to 10 s"),
        (attempt(stop_seconds=0.0), state(-60.0, status="exited"), "restarting it"),
        (attempt(), state(5.0, "starting"), "restarted: its health check is awaited, up to 30 s"),
        (attempt(), state(5.0, "unhealthy"), "restarted: its health check is awaited, up to 30 s"),
        (attempt(), state(5.0), "restarted: HemoStat checks that it stays well, up to 30 s"),
        (attempt(), state(5.0, "healthy"), "restarted: HemoStat checks that it stays well, up to 30 s"),
        (attempt(verify_seconds=0.0), state(5.0, "starting"), "restarted: its health check is awaited"),
        (attempt(Action.START, stop_seconds=0.0), state(-60.0, status="exited"), "starting it"),
        (attempt(Action.STOP), state(-60.0), "stopping it, up to 10 s"),
        (attempt(Action.EXEC, stop_seconds=0.0), state(-60.0), "running its command"),
    ],
)
def test_progress_names_what_is_awaited(under_way, observed, text):
    assert describe_progress(under_way, observed) == text


def test_progress_is_that_of_the_incident_with_the_action():
    own = ContainerLimitStatus(breaker=BreakerState(), budget=RestartBudget(1, 3), attempt=attempt())
    limits = HostLimitStatus(breaker=BreakerState(), budget=RestartBudget(0, 3), containers={"web": own})

    def find(*data, incident: str = "i1", safety: HostLimitStatus | None = limits) -> str:
        (log,) = build_incident_logs(event(each, at, incident=incident) for at, each in enumerate(data))
        return find_progress(log, safety, state(-60.0))

    assert find(alert(), needed()) == "restarting: stopping it, up to 10 s"
    assert find(alert()) == ""
    assert find(alert(), needed(), complete()) == ""
    assert find(alert(), needed(), incident="i2") == ""
    assert find(alert(), needed(), safety=None) == ""
