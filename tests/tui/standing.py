"""Where containers stand, made up."""

from collections.abc import Mapping

from hemostat.core.remediation.circuit_breaker import BreakerState
from hemostat.core.remediation.limit_status import ContainerLimitStatus, HostLimitStatus
from hemostat.core.remediation.restart_budget import RestartBudget

CLEAR = ContainerLimitStatus(breaker=BreakerState(), budget=RestartBudget(0, 3))


def standing(
    *, open_until: float | None = None, used: int = 0, until: float = 0.0, half_open: bool = False
) -> ContainerLimitStatus:
    """Of three actions, `used`."""
    held = BreakerState(3, open=open_until is not None, half_open=half_open, until=open_until or 0.0)
    return ContainerLimitStatus(breaker=held, budget=RestartBudget(used, 3, until))


def host(known: Mapping[str, ContainerLimitStatus]) -> HostLimitStatus:
    return HostLimitStatus(breaker=BreakerState(), budget=RestartBudget(0, 3), containers=known)
