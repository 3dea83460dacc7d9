"""The limits' status of containers: screens show what decisions use."""

import time

import pytest

from hemostat.core.ledger.controls import Controls, Pause
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.remediation.circuit_breaker import BreakerState
from hemostat.core.remediation.decision import Act, DecisionInput, Refuse, Wait
from hemostat.core.remediation.limit_status import HostLimitStatus, compute_host_status
from hemostat.core.remediation.policy import decide
from hemostat.core.remediation.restart_budget import RestartBudget
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Reason
from tests.support.attempts import LEASE, attempt, failed
from tests.support.samples import NOW, alert, needed

LIMITS = ResponderSettings()


def look(
    *attempts: Attempt, limits: ResponderSettings = LIMITS, controls: Controls | None = None
) -> HostLimitStatus:
    running = tuple(each for each in attempts if each.outcome is None)
    ended = tuple(each for each in attempts if each.outcome is not None)
    book = LedgerSnapshot(
        version=1,
        attempts=attempts,
        running_attempts=running,
        ended_attempts=ended,
        controls=controls or Controls(),
    )
    return compute_host_status(book, limits, NOW)


def test_container_without_actions_has_its_full_budget():
    own = look(attempt(5.0, container="db")).get_container_status("web")
    assert (own.budget, own.breaker, own.backoff, own.pause, own.attempt) == (
        RestartBudget(0, 3),
        BreakerState(),
        0.0,
        None,
        None,
    )


def test_each_container_has_its_own_budget():
    seen = look(attempt(1000.0), attempt(20.0, container="db"), attempt(10.0, container="db"))
    assert (seen.get_container_status("web").budget, seen.get_container_status("db").budget) == (
        RestartBudget(1, 3),
        RestartBudget(2, 3),
    )
    assert (seen.get_container_status("web").backoff, seen.get_container_status("db").backoff) == (
        0.0,
        NOW - 9 + 20,
    )


def test_spent_budget_and_cooldown_have_an_end_time():
    spent = look(*(attempt(ago) for ago in (3000.0, 2000.0, 1000.0))).get_container_status("web")
    assert spent.budget == RestartBudget(3, 3, NOW + 2600)
    resting = look(*(attempt(ago) for ago in (5000.0, 4000.0, 3000.0))).get_container_status("web")
    assert resting.budget == RestartBudget(1, 3, NOW + 600)


def test_circuit_breakers_are_open_then_half_open():
    fresh = look(*(failed(ago, host_fault=True) for ago in (300.0, 200.0, 100.0)))
    assert fresh.get_container_status("web").breaker == BreakerState(3, open=True, until=NOW - 99 + 600)
    assert fresh.breaker == BreakerState(3), "the host's needs failures of several containers"
    old = look(*(failed(ago) for ago in (900.0, 800.0, 700.0))).get_container_status("web").breaker
    assert (old.open, old.half_open) == (False, True)
    closed = look(*(failed(ago) for ago in (300.0, 200.0)), controls=Controls(resets={"web": NOW - 1}))
    assert closed.get_container_status("web").breaker == BreakerState()


def test_host_breaker_is_shown_with_its_project():
    evil = [failed(float(n), container=f"e{n}", project="evil", host_fault=True) for n in range(50, 20, -5)]
    seen = look(*evil)
    assert (seen.breaker.open, seen.breaker_project) == (True, "evil")
    few = look(*evil[:3])
    assert (few.breaker.failures, few.breaker.open, few.breaker_project) == (3, False, None)
    others = [failed(20.0 - n, container=f"o{n}", project=f"p{n}", host_fault=True) for n in range(3)]
    everyone = look(*evil, *others)
    assert (everyone.breaker.open, everyone.breaker_project) == (True, None)


@pytest.mark.parametrize("containers", [1, 20])
def test_overview_time_is_linear_in_the_attempts(containers):
    """A screen and each reading of the metrics ask for all that the ledger keeps."""

    def seconds(number: int) -> float:
        attempts = [
            failed(float(n), container=f"c{n % containers}", project=f"p{n % 5}", host_fault=True)
            for n in range(number)
        ]
        begin = time.thread_time()
        look(*attempts)
        return time.thread_time() - begin

    seconds(100)
    assert seconds(1000) < 30 * seconds(100) + 0.02


def test_pause_is_shown_where_it_applies():
    pause, over = Pause(by="ann", at=NOW - 9), Pause(by="ann", at=NOW - 9, until=NOW - 1)
    seen = look(controls=Controls(pauses={"web": pause, "db": over}))
    assert (seen.pause, seen.get_container_status("web").pause, seen.get_container_status("db").pause) == (
        None,
        pause,
        None,
    )
    everything = look(controls=Controls(pauses={"*": pause}))
    assert everything.pause == everything.get_container_status("whichever").pause == pause
    assert everything.containers == {}


def test_running_action_is_shown_until_its_lease_ends():
    acting, dropped = attempt(1.0, outcome=None), attempt(500.0, outcome=None, container="db")
    seen = look(dropped, acting)
    assert (
        seen.get_container_status("web").attempt,
        seen.get_container_status("db").attempt,
        seen.running,
    ) == (acting, None, 1)


@pytest.mark.parametrize(
    "attempts",
    [
        (),
        tuple(attempt(ago) for ago in (3000.0, 2000.0, 1000.0)),
        tuple(attempt(ago) for ago in (5000.0, 4000.0, 3000.0)),
        tuple(failed(ago) for ago in (2300.0, 1200.0, 100.0)),
        (attempt(5.0),),
        (attempt(30.0), attempt(15.0)),
        (attempt(1.0, outcome=None),),
    ],
)
def test_shown_limits_are_those_of_the_decision(attempts):
    own = look(*attempts).get_container_status("web")
    book = LedgerSnapshot(
        version=1, attempts=attempts, running_attempts=attempts[-1:], alerted_container="web"
    )
    request = needed(alert=alert(since=NOW - 1))
    decision = decide(request, "i1", DecisionInput(book=book), LIMITS, by="a", lease=LEASE, now=NOW)
    if own.budget.until:
        assert isinstance(decision, Refuse)
        assert decision.reason in {Reason.BUDGET_SPENT, Reason.COOLDOWN}
    elif own.breaker.open:
        assert isinstance(decision, Refuse)
        assert decision.reason is Reason.BREAKER_OPEN
    else:
        assert isinstance(decision, Wait if own.backoff or own.attempt else Act)


def test_orders_have_a_budget_of_their_own():
    status = look(attempt(50.0, ordered=True), attempt(20.0)).get_container_status("web")
    assert (status.budget.used, status.orders) == (1, RestartBudget(1, LIMITS.orders_budget))
    assert look(attempt(20.0)).get_container_status("web").orders is None
