"""The budget and the back-off of actions on one container: how many actions are used in the window, and when
the next is allowed."""

from collections.abc import Iterable
from typing import Final

import msgspec

from hemostat.core.backoff import compute_backoff, count_restart_streak
from hemostat.core.ledger.rows import Attempt
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Epoch, Outcome

FREE_OUTCOMES: Final = frozenset({Outcome.NOT_APPLICABLE, Outcome.DRY_RUN, Outcome.REFUSED})
"""Outcomes of requests that did nothing to the container and so use no budget."""


def is_free(attempt: Attempt) -> bool:
    """Whether the attempt uses no budget. An attempt without an outcome is not free."""
    return attempt.outcome in FREE_OUTCOMES and not attempt.acted


class RestartBudget(msgspec.Struct, frozen=True):
    """Actions within the window, and the limit. `until` is when the next action is allowed (epoch seconds),
    once the window has moved on or the cooldown has passed; 0 if an action is allowed now."""

    used: int
    limit: int
    until: Epoch = 0.0

    @property
    def is_spent(self) -> bool:
        return self.used >= self.limit


def compute_budget(attempts: Iterable[Attempt], limits: ResponderSettings, now: float) -> RestartBudget:
    """The budget of automatic actions from one container's attempts, oldest first. The cooldown starts at the
    last of `limits.budget` attempts within the window."""
    times = [attempt.time for attempt in attempts if not (attempt.ordered or is_free(attempt))]
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


def compute_order_budget(attempts: Iterable[Attempt], limits: ResponderSettings, now: float) -> RestartBudget:
    """The budget of orders from one container's attempts, oldest first. Orders have no cooldown."""
    times = [attempt.time for attempt in attempts if attempt.ordered and not is_free(attempt)]
    within = [time for time in times if now - time < limits.budget_window]
    is_spent = len(within) >= limits.orders_budget > 0
    until = within[-limits.orders_budget] + limits.budget_window if is_spent else 0.0
    return RestartBudget(len(within), limits.orders_budget, until)


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
