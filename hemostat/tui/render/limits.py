"""The limits that may delay a container's next action, as text. Pure."""

from collections.abc import Set as AbstractSet

from hemostat.core.ledger.controls import Pause
from hemostat.core.remediation.limit_status import ContainerLimitStatus, HostLimitStatus
from hemostat.tui.render.text import BAD, BUSY, FAINT, format_countdown

Cell = tuple[str, str]
"""Text and style."""


def format_breaker(limit_status: ContainerLimitStatus | None, now: float) -> Cell:
    """`closed`, `OPEN 04:12`, `half-open`."""
    if limit_status is None:
        return "-", FAINT
    breaker = limit_status.breaker
    if breaker.open and breaker.until > now:
        return f"OPEN {format_countdown(breaker.until - now)}", BAD
    return ("half-open", BUSY) if breaker.open or breaker.half_open else ("closed", FAINT)


def format_budget(limit_status: ContainerLimitStatus | None, now: float) -> Cell:
    """Actions done and allowed, `2/3`. If the budget is spent, with the time left, `3/3 41:10`."""
    if limit_status is None:
        return "-", FAINT
    budget = limit_status.budget
    used = f"{budget.used}/{budget.limit}"
    if budget.until > now:
        return f"{used} {format_countdown(budget.until - now)}", BAD
    return used, BUSY if budget.used else FAINT


def list_blocks(
    limit_status: ContainerLimitStatus | None, now: float, columns: AbstractSet[str]
) -> list[str]:
    """Limits that block the next action, `breaker 04:12`, `cooldown 41:10`, without those in the
    columns `columns`.
    """
    if limit_status is None:
        return []
    breaker_text, style = format_breaker(limit_status, now)
    blocks = (
        [f"breaker {breaker_text.removeprefix('OPEN ')}"]
        if "breaker" not in columns and style != FAINT
        else []
    )
    waits = limit_status.budget.until
    return blocks + (
        [f"cooldown {format_countdown(waits - now)}"] if "budget" not in columns and waits > now else []
    )


def find_own_pause(
    limit_status: ContainerLimitStatus | None, overview: HostLimitStatus | None
) -> Pause | None:
    """The pause of this container alone. A pause of everything is shown once, for all."""
    if limit_status is None or overview is None or limit_status.pause == overview.pause:
        return None
    return limit_status.pause


def format_pause(pause: Pause, now: float) -> str:
    """`paused 04:12`, `paused`."""
    return "paused" if pause.until is None else f"paused {format_countdown(pause.until - now)}"


def find_countdown_second(limit_status: ContainerLimitStatus | None, now: float) -> int:
    """The second of a running countdown, for change detection. 0 without a countdown."""
    if limit_status is None:
        return 0
    breaker_until = limit_status.breaker.until if limit_status.breaker.open else 0.0
    quiet = (limit_status.pause and limit_status.pause.until) or 0.0
    times = (breaker_until, quiet, limit_status.budget.until)
    return int(now) if any(end > now for end in times) else 0
