"""Where containers stand, made up."""

from collections.abc import Mapping

from hemostat.core.remediation.circuit_breaker import Breaker
from hemostat.core.remediation.limit_status import Budget, Overview, Standing

CLEAR = Standing(breaker=Breaker(), budget=Budget(0, 3))


def standing(
    *, open_until: float | None = None, used: int = 0, until: float = 0.0, half_open: bool = False
) -> Standing:
    """Of three actions, `used`."""
    held = Breaker(3, open=open_until is not None, half_open=half_open, until=open_until or 0.0)
    return Standing(breaker=held, budget=Budget(used, 3, until))


def host(known: Mapping[str, Standing]) -> Overview:
    return Overview(breaker=Breaker(), budget=Budget(0, 3), containers=known)
