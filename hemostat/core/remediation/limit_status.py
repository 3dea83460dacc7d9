"""The status of a host and its containers against the limits: budgets, breakers, pauses and back-off.

Computed by the functions that core.remediation.policy uses, so that a screen cannot differ from a decision.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from hemostat.core.ledger.controls import ALL_CONTAINERS, Pause
from hemostat.core.ledger.leases import is_leased
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.remediation.circuit_breaker import (
    BreakerState,
    compute_container_breaker,
    find_worst_host_breaker,
)
from hemostat.core.remediation.restart_budget import (
    RestartBudget,
    compute_backoff_end,
    compute_budget,
    compute_order_budget,
)
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Epoch
from hemostat.events.fields import renamed_to


class ContainerLimitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Limit status of one container. `backoff` is when the back-off after the last action ends (epoch
    seconds), 0 without a back-off. `attempt` is the running attempt. `orders` is the budget of orders, None
    without an order in its window."""

    breaker: BreakerState
    budget: RestartBudget
    backoff: Annotated[Epoch, renamed_to("backoff_until")] = 0.0
    pause: Pause | None = None
    attempt: Attempt | None = None
    orders: RestartBudget | None = None


class HostLimitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Limit status of one host. `pause` is the pause of all containers, `running` the number of running
    actions. `containers` holds only containers with attempts or pauses."""

    breaker: BreakerState
    budget: RestartBudget
    breaker_project: str | None = None
    """The project that an open breaker blocks; None if it blocks all projects."""
    pause: Pause | None = None
    running: int = 0
    containers: Mapping[str, ContainerLimitStatus] = {}

    def get_container_status(self, container: str) -> ContainerLimitStatus:
        return self.containers.get(container) or ContainerLimitStatus(
            breaker=BreakerState(), budget=self.budget, pause=self.pause
        )


def list_pauses(overviews: Mapping[str, HostLimitStatus]) -> list[tuple[str, Pause]]:
    """Return what is paused on any of these hosts: ALL_CONTAINERS first, then containers by name."""
    pauses: dict[str, Pause] = {}
    for overview in overviews.values():
        if overview.pause is not None:
            pauses[ALL_CONTAINERS] = overview.pause
        pauses |= {
            name: own.pause
            for name, own in overview.containers.items()
            if own.pause is not None and own.pause != overview.pause
        }
    names = sorted(pauses, key=lambda name: (name != ALL_CONTAINERS, name))
    return [(name, pauses[name]) for name in names]


def describe_paused(pauses: Sequence[tuple[str, Pause]]) -> str:
    """What is paused, as a part of the mode: `everything paused`, `2 containers paused`."""
    if not pauses:
        return ""
    if pauses[0][0] == ALL_CONTAINERS:
        return "everything paused"
    return "1 container paused" if len(pauses) == 1 else f"{len(pauses)} containers paused"


def compute_host_status(book: LedgerSnapshot, limits: ResponderSettings, now: float) -> HostLimitStatus:
    """The host's status from a survey (ports.Ledger), whose `attempts` are those of all containers."""
    own: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in book.attempts:
        own[attempt.container].append(attempt)
    names = {*own, *book.controls.pauses} - {ALL_CONTAINERS}
    host, project = find_worst_host_breaker(book, limits, now)
    return HostLimitStatus(
        breaker=host,
        breaker_project=project,
        budget=RestartBudget(0, limits.budget),
        pause=book.controls.find_pause(ALL_CONTAINERS, now),
        running=sum(is_leased(attempt, now, book.controls) for attempt in book.running_attempts),
        containers={
            name: _compute_container_status(name, own[name], book, limits, now) for name in sorted(names)
        },
    )


def _compute_container_status(
    name: str, attempts: Sequence[Attempt], book: LedgerSnapshot, limits: ResponderSettings, now: float
) -> ContainerLimitStatus:
    backoff_end, _ = compute_backoff_end(attempts, limits, now)
    leased_attempts = (
        each for each in attempts if each.outcome is None and is_leased(each, now, book.controls)
    )
    orders = compute_order_budget(attempts, limits, now)
    return ContainerLimitStatus(
        breaker=compute_container_breaker(name, attempts, book, limits, now),
        budget=compute_budget(attempts, limits, now),
        backoff=backoff_end if backoff_end > now else 0.0,
        pause=book.controls.find_pause(name, now),
        attempt=next(leased_attempts, None),
        orders=orders if orders.used else None,
    )
