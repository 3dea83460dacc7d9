"""The limits that may delay a container's next action, as text. Pure."""

from collections.abc import Set as AbstractSet

from hemostat.core.ledger.controls import Pause
from hemostat.core.remediation.limit_status import ContainerLimitStatus, HostLimitStatus
from hemostat.tui.render.text import BAD, BUSY, FAINT, format_countdown

Cell = tuple[str, str]
"""Text and style."""


def format_breaker(standing: ContainerLimitStatus | None, now: float) -> Cell:
    """`closed`, `OPEN 04:12`, `half-open`."""
    if standing is None:
        return "-", FAINT
    found = standing.breaker
    if found.open and found.until > now:
        return f"OPEN {format_countdown(found.until - now)}", BAD
    return ("half-open", BUSY) if found.open or found.half_open else ("closed", FAINT)


def format_budget(standing: ContainerLimitStatus | None, now: float) -> Cell:
    """Actions done and allowed, `2/3`. If the budget is spent, with the time left, `3/3 41:10`."""
    if standing is None:
        return "-", FAINT
    found = standing.budget
    used = f"{found.used}/{found.limit}"
    if found.until > now:
        return f"{used} {format_countdown(found.until - now)}", BAD
    return used, BUSY if found.used else FAINT


def list_blocks(standing: ContainerLimitStatus | None, now: float, shown: AbstractSet[str]) -> list[str]:
    """Limits that block the next action, `breaker 04:12`, `cooldown 41:10`, without those in the
    columns `shown`.
    """
    if standing is None:
        return []
    held, style = format_breaker(standing, now)
    found = [f"breaker {held.removeprefix('OPEN ')}"] if "breaker" not in shown and style != FAINT else []
    waits = standing.budget.until
    return found + (
        [f"cooldown {format_countdown(waits - now)}"] if "budget" not in shown and waits > now else []
    )


def find_own_pause(standing: ContainerLimitStatus | None, overview: HostLimitStatus | None) -> Pause | None:
    """The pause of this container alone. A pause of everything is shown once, for all."""
    if standing is None or overview is None or standing.pause == overview.pause:
        return None
    return standing.pause


def format_pause(pause: Pause, now: float) -> str:
    """`paused 04:12`, `paused`."""
    return "paused" if pause.until is None else f"paused {format_countdown(pause.until - now)}"


def find_countdown_second(standing: ContainerLimitStatus | None, now: float) -> int:
    """The second of a running countdown, for change detection. 0 without a countdown."""
    if standing is None:
        return 0
    held = standing.breaker.until if standing.breaker.open else 0.0
    quiet = (standing.pause and standing.pause.until) or 0.0
    ends = (held, quiet, standing.budget.until)
    return int(now) if any(end > now for end in ends) else 0
