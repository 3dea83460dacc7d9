"""Where a host and its containers stand towards the limits: what is used up, what is open, what is held back.

The rules of core.remediation.policy are told by the same functions, so that a screen cannot differ from a
decision.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from hemostat.core.backoff import compute_backoff, count_restart_streak
from hemostat.core.ledger.controls import ALL_CONTAINERS, Pause
from hemostat.core.ledger.leases import is_leased
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.remediation import circuit_breaker
from hemostat.core.remediation.circuit_breaker import BreakerState
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Outcome

FREE_OUTCOMES: Final = frozenset({Outcome.NOT_APPLICABLE, Outcome.DRY_RUN, Outcome.REFUSED})
"""Outcomes for which nothing was done to the container, and so no budget is spent."""


class RestartBudget(msgspec.Struct, frozen=True):
    """Actions within the window, of so many. `until` is when the next one may be (epoch seconds), 0 where it
    may be now: the window must move on, or the cooldown pass."""

    used: int
    limit: int
    until: float = 0.0

    @property
    def spent(self) -> bool:
        return self.used >= self.limit


class ContainerLimitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Of one container. `backoff` is until when the last action is rested from (epoch seconds), 0 for not at
    all; `attempt` what is being done to it."""

    breaker: BreakerState
    budget: RestartBudget
    backoff: float = 0.0
    pause: Pause | None = None
    attempt: Attempt | None = None


class HostLimitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Of one host. `pause` is of everything; `running` how many actions are under way; `containers` are those
    of which there is anything to say."""

    breaker: BreakerState
    budget: RestartBudget
    breaker_project: str | None = None
    """The project that an open breaker holds back; None where it holds back all of them."""
    pause: Pause | None = None
    running: int = 0
    containers: Mapping[str, ContainerLimitStatus] = {}

    def of(self, container: str) -> ContainerLimitStatus:
        return self.containers.get(container) or ContainerLimitStatus(
            breaker=BreakerState(), budget=self.budget, pause=self.pause
        )


def compute_host_status(book: LedgerSnapshot, limits: ResponderSettings, now: float) -> HostLimitStatus:
    """From a survey of the host (ports.Ledger): its `attempts` are those of all containers."""
    own: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in book.attempts:
        own[attempt.container].append(attempt)
    named = {*own, *book.controls.pauses} - {ALL_CONTAINERS}
    host, project = find_worst_host_breaker(book, limits, now)
    return HostLimitStatus(
        breaker=host,
        breaker_project=project,
        budget=RestartBudget(0, limits.budget),
        pause=book.controls.paused(ALL_CONTAINERS, now),
        running=sum(is_leased(attempt, now, book.controls) for attempt in book.running),
        containers={
            name: _compute_container_status(name, own[name], book, limits, now) for name in sorted(named)
        },
    )


def _compute_container_status(
    name: str, attempts: Sequence[Attempt], book: LedgerSnapshot, limits: ResponderSettings, now: float
) -> ContainerLimitStatus:
    ends, _ = compute_backoff_end(attempts, limits, now)
    held = (each for each in attempts if each.outcome is None and is_leased(each, now, book.controls))
    return ContainerLimitStatus(
        breaker=compute_container_breaker(name, attempts, book, limits, now),
        budget=compute_budget(attempts, limits, now),
        backoff=ends if ends > now else 0.0,
        pause=book.controls.paused(name, now),
        attempt=next(held, None),
    )


def compute_budget(attempts: Iterable[Attempt], limits: ResponderSettings, now: float) -> RestartBudget:
    """Of one container's attempts, oldest first: `limits.budget` of them within the window start a cooldown
    at the last of them."""
    times = [attempt.time for attempt in attempts if attempt.outcome not in FREE_OUTCOMES]
    within = [time for time in times if now - time < limits.budget_window]
    if limits.budget == 0:
        return RestartBudget(len(within), 0)
    if len(within) >= limits.budget:
        until = within[-limits.budget] + limits.budget_window
        return RestartBudget(len(within), limits.budget, max(until, within[-1] + limits.cooldown))
    spent = (
        last + limits.cooldown
        for first, last in zip(times, times[limits.budget - 1 :], strict=False)
        if last - first < limits.budget_window and now - last < limits.cooldown
    )
    return RestartBudget(len(within), limits.budget, next(spent, 0.0))


def compute_backoff_end(
    attempts: Iterable[Attempt], limits: ResponderSettings, now: float
) -> tuple[float, float]:
    """Until when (epoch seconds) the last of one container's attempts is rested from, and for how long in
    all (seconds); zeros for not at all."""
    ends = [a.finished or a.time for a in attempts if a.outcome not in FREE_OUTCOMES]
    wait = compute_backoff(
        count_restart_streak(ends, now, limits.backoff_reset), limits.backoff, limits.backoff_max
    )
    if not ends or abs(now - ends[-1]) >= wait:  # a clock that was set back makes nobody wait for longer
        return 0.0, 0.0
    return min(ends[-1], now) + wait, wait


def compute_container_breaker(
    name: str, attempts: Sequence[Attempt], book: LedgerSnapshot, limits: ResponderSettings, now: float
) -> BreakerState:
    since = book.controls.reset(name)
    return circuit_breaker.compute_container_state(
        attempts, limits.breaker_failures, limits.breaker_open, since=since, now=now
    )


def compute_host_breaker(
    book: LedgerSnapshot, limits: ResponderSettings, now: float, project: str | None
) -> BreakerState:
    """The host's breaker as it stands for this project; None: for one that has failed at nothing."""
    return _compute_host_breaker(_find_host_failures(book), limits, now, project)


def find_worst_host_breaker(
    book: LedgerSnapshot, limits: ResponderSettings, now: float
) -> tuple[BreakerState, str | None]:
    """As it stands for the project that it holds back the longest; and that project, where it does not hold
    back all of them."""
    failed = _find_host_failures(book)
    projects = dict.fromkeys([None, *(each.project for each in failed)])
    views = {project: _compute_host_breaker(failed, limits, now, project) for project in projects}
    project = max(views, key=lambda name: (views[name].until, views[name].failures))
    worst = views[project]
    return worst, project if worst.open and not views[None].open else None


def _find_host_failures(book: LedgerSnapshot) -> list[Attempt]:
    return circuit_breaker.find_host_failures(book.ended, book.controls.resets.get(ALL_CONTAINERS, 0.0))


def _compute_host_breaker(
    failed: Sequence[Attempt], limits: ResponderSettings, now: float, project: str | None
) -> BreakerState:
    failures, open_for = limits.host_breaker_failures, limits.breaker_open
    return circuit_breaker.compute_host_state(failed, project, failures, open_for, now=now)
