"""When a circuit breaker is open, half open and closed, and when a budget and a back-off end."""

import pytest

from hemostat.core.ledger.controls import ALL_CONTAINERS, Controls
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.remediation.circuit_breaker import (
    BreakerState,
    compute_container_breaker,
    compute_host_breaker,
    find_worst_host_breaker,
    is_host_fault,
)
from hemostat.core.remediation.restart_budget import (
    RestartBudget,
    compute_backoff_end,
    compute_budget,
    is_free,
)
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Outcome

NOW = 10_000.0
LIMITS = ResponderSettings(breaker_failures=3, host_breaker_failures=3, breaker_open=100.0)


def attempt(time: float, outcome: Outcome | None = Outcome.FAILED, **fields) -> Attempt:
    plain = {"key": f"k{time}", "container": "web", "action": Action.RESTART, "by": "r"}
    plain |= {"lease": time + 60, "finished": time if outcome else None}
    return Attempt(**{**plain, "time": time, "outcome": outcome, **fields})


def compute(*attempts: Attempt, now: float = NOW, reset: float = 0.0) -> BreakerState:
    book = LedgerSnapshot(version=1, controls=Controls(resets={"web": reset}))
    return compute_container_breaker("web", attempts, book, LIMITS, now)


FAILED = tuple(attempt(NOW - 30 + 10 * number) for number in range(3))


def test_breaker_opens_after_failures_in_a_row():
    assert compute(*FAILED[:2]) == BreakerState(2)
    assert compute(*FAILED) == BreakerState(3, open=True, until=NOW + 90)
    healed = attempt(NOW - 15, Outcome.HEALED)
    assert compute(*FAILED[:2], healed, FAILED[2]) == BreakerState(1)


def test_open_breaker_is_half_open_in_the_end():
    assert compute(*FAILED, now=NOW + 89.9).open
    assert compute(*FAILED, now=NOW + 90) == BreakerState(3, half_open=True, until=NOW + 90)


def test_breaker_counts_from_the_end_of_an_attempt():
    late = attempt(NOW - 30, finished=NOW)
    assert compute(late, *FAILED[1:]).until == NOW + 100
    assert compute(attempt(NOW - 30, finished=None), *FAILED[1:]).until == NOW + 90


def test_failures_before_a_reset_do_not_count():
    assert compute(*FAILED, reset=NOW - 30) == BreakerState(2)
    assert compute(*FAILED, reset=NOW - 30.1) == BreakerState(3, open=True, until=NOW + 90)


@pytest.mark.parametrize(
    "ignored",
    [
        attempt(NOW - 5, Outcome.REFUSED),
        attempt(NOW - 5, Outcome.NOT_APPLICABLE),
        attempt(NOW - 5, None),
        attempt(NOW - 5, action=Action.STOP),
        attempt(NOW - 5, Outcome.HEALED, action=Action.STOP),
    ],
)
def test_attempt_without_a_result_of_healing_does_not_count(ignored):
    assert compute(*FAILED[:2], ignored) == BreakerState(2)


# --- the host ---------------------------------------------------------------------------------------


def host(*attempts: Attempt, project: str | None = "shop", reset: float = 0.0, now: float = NOW):
    book = LedgerSnapshot(
        version=1, ended_attempts=attempts, controls=Controls(resets={ALL_CONTAINERS: reset})
    )
    return compute_host_breaker(book, LIMITS, now, project)


def fault(time: float, container: str, project: str = "shop") -> Attempt:
    return attempt(time, container=container, project=project, host_fault=True)


def test_host_breaker_counts_failures_of_the_host():
    three = (fault(NOW - 30, "a"), fault(NOW - 20, "b"), fault(NOW - 10, "a"))
    assert host(*three) == BreakerState(3, open=True, until=NOW + 90)
    assert host(*three[:2]) == BreakerState(2)
    own_fault = attempt(NOW - 5, container="c", project="shop")
    assert host(*three[:2], own_fault) == BreakerState(2)
    assert host(*three, reset=NOW - 30) == BreakerState(2)


def test_host_breaker_needs_two_containers():
    assert not host(*(fault(NOW - 30 + number, "a") for number in range(5))).open


def test_success_on_the_host_closes_its_breaker():
    three = (fault(NOW - 30, "a"), fault(NOW - 20, "b"), fault(NOW - 10, "a"))
    assert host(*three, attempt(NOW - 5, Outcome.HEALED)) == BreakerState(0)


def test_other_projects_count_in_part_only():
    others = tuple(fault(NOW - 60 + number, f"c{number}", "other") for number in range(5))
    assert host(*others) == BreakerState(2)
    assert host(*others, project="other").open
    assert host(*others, fault(NOW - 10, "a")).open


def test_only_own_failures_extend_the_open_time():
    three = (fault(NOW - 60, "a"), fault(NOW - 50, "b"), fault(NOW - 40, "c"))
    assert host(*three, fault(NOW - 20, "x", "other")).until == NOW + 60
    assert host(*three, fault(NOW - 20, "d")).until == NOW + 80


def test_worst_breaker_names_the_project_that_it_blocks():
    three = (fault(NOW - 30, "a"), fault(NOW - 20, "b"), fault(NOW - 10, "a"))
    worst, project = find_worst_host_breaker(LedgerSnapshot(version=1, ended_attempts=three), LIMITS, NOW)
    assert (worst.until, project) == (NOW + 90, "shop")
    shared = (*three, fault(NOW - 9, "x", "other"), fault(NOW - 8, "y", "other"))
    worst, project = find_worst_host_breaker(LedgerSnapshot(version=1, ended_attempts=shared), LIMITS, NOW)
    assert (worst.open, project) == (True, None)
    assert find_worst_host_breaker(LedgerSnapshot(version=1), LIMITS, NOW) == (BreakerState(), None)


@pytest.mark.parametrize(
    ("error", "is_fault"),
    [
        ("write /x: no space left on device", True),
        ("start web: timed out", True),
        ("read-only file system: unknown", True),
        ("dial unix /run/containerd/containerd.sock: refused", True),
        ("failed to create shim task: x", True),
        ("OCI runtime create failed: no space left on device", False),
        ("no such file: timed out", False),
        ("port is already allocated", False),
        ("the command 'timed out'", False),
    ],
)
def test_error_of_the_engine_points_to_the_host(error, is_fault):
    assert is_host_fault(error) is is_fault


# --- budgets and back-off ---------------------------------------------------------------------------


BUDGET = ResponderSettings(budget=3, budget_window=100.0, cooldown=50.0)


def budget(*ages: float, **fields) -> RestartBudget:
    limits = ResponderSettings(budget=3, budget_window=100.0, **{"cooldown": 50.0, **fields})
    return compute_budget([attempt(NOW - age) for age in ages], limits, NOW)


def test_budget_is_spent_by_its_last_action():
    assert budget(60, 30) == RestartBudget(2, 3)
    spent = budget(90, 60, 30)
    assert (spent, spent.is_spent) == (RestartBudget(3, 3, NOW + 20), True)
    assert budget(90, 60, 30, cooldown=5.0).until == NOW + 10
    assert not budget(60, 30).is_spent


def test_cooldown_lasts_when_the_window_has_moved_on():
    assert budget(100, 60, 30) == RestartBudget(2, 3, NOW + 20)
    assert budget(140, 90, 50) == RestartBudget(2, 3)
    assert budget(130, 60, 30) == RestartBudget(2, 3), "they were not within one window"


def test_budget_of_none_counts_without_an_end():
    assert compute_budget([attempt(NOW)], ResponderSettings(budget=0), NOW) == RestartBudget(1, 0)


@pytest.mark.parametrize(
    ("outcome", "acted", "free"),
    [
        (Outcome.REFUSED, False, True),
        (Outcome.DRY_RUN, False, True),
        (Outcome.NOT_APPLICABLE, False, True),
        (Outcome.NOT_APPLICABLE, True, False),
        (Outcome.FAILED, False, False),
        (None, False, False),
    ],
)
def test_attempt_without_an_action_is_free(outcome, acted, free):
    row = attempt(NOW, outcome, acted=acted)
    assert is_free(row) is free
    assert compute_budget([row], BUDGET, NOW).used == (0 if free else 1)


BACKOFF = ResponderSettings(backoff=10.0, backoff_max=40.0, backoff_reset=300.0)


def back_off(*ages: float, now: float = NOW, outcome: Outcome | None = Outcome.FAILED) -> tuple[float, float]:
    return compute_backoff_end([attempt(NOW - age, outcome) for age in ages], BACKOFF, now)


def test_back_off_grows_with_the_attempts_in_a_row():
    assert back_off() == (0.0, 0.0)
    assert back_off(5) == (NOW + 5, 10.0)
    assert back_off(10) == (0.0, 0.0)
    assert back_off(50, 5) == (NOW + 15, 20.0)
    assert back_off(60, 50, 40, 5) == (NOW + 35, 40.0)
    assert back_off(400, 5) == (NOW + 5, 10.0)
    assert back_off(5, outcome=Outcome.REFUSED) == (0.0, 0.0)
    assert back_off(5, outcome=None) == (NOW + 5, 10.0)


def test_clock_set_back_does_not_extend_a_back_off():
    assert back_off(0, now=NOW - 5) == (NOW + 5, 10.0)
    assert back_off(0, now=NOW - 10) == (0.0, 0.0)
