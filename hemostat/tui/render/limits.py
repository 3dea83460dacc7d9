"""The limits that may delay a container's next action, as text. Pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final

from rich.cells import cell_len

from hemostat.core.ledger.controls import ALL_CONTAINERS, Pause, describe_pause, is_pause_active
from hemostat.core.remediation.limit_status import ContainerLimitStatus, HostLimitStatus, list_pauses
from hemostat.core.text import escape_controls
from hemostat.tui.render.text import BAD, BUSY, FAINT, format_countdown

DAY_SECONDS: Final = 86400.0

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


NamedPause = tuple[str, Pause]
"""What is paused, a container's name or ALL_CONTAINERS, and its pause."""


def find_active_pauses(overviews: Mapping[str, HostLimitStatus], now: float) -> list[NamedPause]:
    """The pauses that are in force, that of everything first."""
    return [each for each in list_pauses(overviews) if is_pause_active(each[1], now)]


def describe_all_pauses(pauses: Sequence[NamedPause], now: float) -> list[str]:
    """Each pause in full: `web paused by ann@h for another 9 min (release)`."""
    return [describe_pause(f"{_name_scope(name)} paused", pause, now) for name, pause in pauses]


def summarize_pauses(pauses: Sequence[NamedPause], now: float, key: str, room: int) -> str:
    """The pauses in at most `room` cells, without a cut word; empty for none. `key` shows all of them.

    A single pause has its author and its reason, if they fit. Of several, as many as fit are named:
    `3 pauses: db until 16:05, web, +1 more: r`.
    """
    if not pauses:
        return ""
    end = f": {key}" if key else ""
    named = [escape_controls(f"{_name_scope(name)}{_format_end(pause, now)}") for name, pause in pauses]
    if len(pauses) == 1:
        ((name, pause),) = pauses
        lead = escape_controls(f"{_name_scope(name)} paused{_format_end(pause, now)}")
        by = escape_controls(f" by {pause.by}")
        why = escape_controls(f" ({pause.reason})") if pause.reason else ""
        candidates = [f"{lead}{by}{why}", f"{lead}{by}{end}", f"{lead}{end}", f"1 pause{end}"]
    else:
        candidates = [f"{len(pauses)} pauses: {', '.join(named)}"]
        for count in range(len(named) - 1, 0, -1):
            more = f"+{len(named) - count} more"
            candidates.append(f"{len(pauses)} pauses: {', '.join([*named[:count], more])}{end}")
        candidates.append(f"{len(pauses)} pauses{end}")
    return next((each for each in candidates if cell_len(each) <= room), candidates[-1])


def _name_scope(name: str) -> str:
    return "everything" if name == ALL_CONTAINERS else name


def _format_end(pause: Pause, now: float) -> str:
    """` until 16:05`, with the date if that is more than a day ahead; empty for a pause without an end."""
    if pause.until is None:
        return ""
    moment = datetime.fromtimestamp(pause.until).astimezone()
    return f" until {moment:%H:%M}" if pause.until - now < DAY_SECONDS else f" until {moment:%Y-%m-%d %H:%M}"


def find_countdown_second(limit_status: ContainerLimitStatus | None, now: float) -> int:
    """The second of a running countdown, for change detection. 0 without a countdown."""
    if limit_status is None:
        return 0
    breaker_until = limit_status.breaker.until if limit_status.breaker.open else 0.0
    quiet = (limit_status.pause and limit_status.pause.until) or 0.0
    times = (breaker_until, quiet, limit_status.budget.until)
    return int(now) if any(end > now for end in times) else 0
