"""Decides which windows of `responder.windows` are open. Pure, except for the machine's own time zone.

A window is compared with the clock on the wall. On a day on which the clock is changed, an hour that does not
exist is skipped, and one that exists twice belongs to the window both times.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from hemostat.core.settings.windows import (
    MINUTES_PER_DAY,
    WEEKDAYS,
    Window,
    find_time_zone,
    list_open_days,
    list_times,
)
from hemostat.core.text import list_names


def select_open_windows(windows: Sequence[Window], now: float) -> list[Window]:
    """The windows that are open at `now` (epoch seconds)."""
    return [each for each in windows if _find_end_minute(each, now) is not None]


def describe_window(window: Window, now: float) -> str:
    """An open window: its name, mode and projects, and when it closes. `now`: epoch seconds."""
    projects = f" for {list_names(window.projects)}" if window.projects else ""
    return f"{window.label}: {window.mode}{projects} until {format_end(window, now)}"


def format_end(window: Window, now: float) -> str:
    """The time at which an open window closes, with its time zone. `now`: epoch seconds."""
    minute = (_find_end_minute(window, now) or 0) % MINUTES_PER_DAY
    return f"{minute // 60:02}:{minute % 60:02} {_localize(window, now).tzname()}"


def find_last_change(windows: Sequence[Window], now: float) -> float:
    """When a window last opened or closed (epoch seconds), 0 without any. No later than `now`."""
    changes = (change for each in windows for change in _list_changes(each, now))
    return max((change for change in changes if change <= now), default=0.0)


_DAYS_BACK: Final = len(WEEKDAYS) + 1
"""A window has opened within a week, and may close on the day after."""


def _list_changes(window: Window, now: float) -> Iterator[float]:
    local = _localize(window, now)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    zone, days = find_time_zone(window.time_zone), list_open_days(window)
    for back in range(_DAYS_BACK + 1):
        day = midnight - timedelta(days=back)
        if day.weekday() in days:
            minutes = [minute for times in list_times(window) for minute in times]
            moments = [day + timedelta(minutes=each) for each in minutes]
            yield from (each.replace(tzinfo=zone).timestamp() for each in moments)


def _find_end_minute(window: Window, now: float) -> int | None:
    """The minute at which the window closes, from the beginning of the day on which it opened. None if it is
    closed."""
    local, days = _localize(window, now), list_open_days(window)
    minute = local.hour * 60 + local.minute
    ends = [
        end
        for days_ago in (0, 1)
        if (local.weekday() - days_ago) % len(WEEKDAYS) in days
        for begin, end in list_times(window)
        if begin <= minute + days_ago * MINUTES_PER_DAY < end
    ]
    return max(ends, default=None)


def _localize(window: Window, now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC).astimezone(find_time_zone(window.time_zone))
