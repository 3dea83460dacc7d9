"""The status of a host and its containers against the limits: budgets, breakers, pauses and back-off.

The functions are the ones that core.remediation.policy uses, so that a screen cannot differ from a decision.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hemostat.core.backoff import compute_backoff, count_restart_streak
from hemostat.core.ledger.controls import ALL_CONTAINERS, Pause
from hemostat.core.ledger.leases import is_leased
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.remediation import circuit_breaker
from hemostat.core.remediation.circuit_breaker import BreakerState
from hemostat.core.remediation.restart_budget import RestartBudget, compute_budget, is_free
from hemostat.core.settings.responder import ResponderSettings


class ContainerLimitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Limit status of one container. `backoff` is when the back-off after the last action ends (epoch
    seconds), 0 without a back-off. `attempt` is the running attempt."""

    breaker: BreakerState
    budget: RestartBudget
    backoff: float = 0.0
    pause: Pause | None = None
    attempt: Attempt | None = None


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
    return ContainerLimitStatus(
        breaker=compute_container_breaker(name, attempts, book, limits, now),
        budget=compute_budget(attempts, limits, now),
        backoff=backoff_end if backoff_end > now else 0.0,
        pause=book.controls.find_pause(name, now),
        attempt=next(leased_attempts, None),
    )


def compute_backoff_end(
    attempts: Iterable[Attempt], limits: ResponderSettings, now: float
) -> tuple[float, float]:
    """When the back-off after a container's last attempt ends (epoch seconds), and its length (seconds);
    zeros without a back-off."""
    ends = [each.finished or each.time for each in attempts if not is_free(each)]
    wait = compute_backoff(
        count_restart_streak(ends, now, limits.backoff_reset), limits.backoff, limits.backoff_max
    )
    if not ends or abs(now - ends[-1]) >= wait:  # a clock set back must not extend the wait
        return 0.0, 0.0
    return min(ends[-1], now) + wait, wait


def compute_container_breaker(
    name: str, attempts: Sequence[Attempt], book: LedgerSnapshot, limits: ResponderSettings, now: float
) -> BreakerState:
    since = book.controls.get_reset_time(name)
    return circuit_breaker.compute_container_state(
        attempts, limits.breaker_failures, limits.breaker_open, since=since, now=now
    )


def compute_host_breaker(
    book: LedgerSnapshot, limits: ResponderSettings, now: float, project: str | None
) -> BreakerState:
    """The host's breaker for this project. None stands for a project without failures."""
    return _compute_host_breaker(_find_host_failures(book), limits, now, project)


def find_worst_host_breaker(
    book: LedgerSnapshot, limits: ResponderSettings, now: float
) -> tuple[BreakerState, str | None]:
    """The breaker for the project that it blocks longest, and that project; None as project if it blocks
    all."""
    failed = _find_host_failures(book)
    projects = dict.fromkeys([None, *(each.project for each in failed)])
    views = {project: _compute_host_breaker(failed, limits, now, project) for project in projects}
    project = max(views, key=lambda name: (views[name].until, views[name].failures))
    worst = views[project]
    return worst, project if worst.open and not views[None].open else None


def _find_host_failures(book: LedgerSnapshot) -> list[Attempt]:
    return circuit_breaker.find_host_failures(
        book.ended_attempts, book.controls.resets.get(ALL_CONTAINERS, 0.0)
    )


def _compute_host_breaker(
    failed: Sequence[Attempt], limits: ResponderSettings, now: float, project: str | None
) -> BreakerState:
    failures, open_for = limits.host_breaker_failures, limits.breaker_open
    return circuit_breaker.compute_host_state(failed, project, failures, open_for, now=now)
