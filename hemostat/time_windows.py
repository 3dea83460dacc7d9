"""Finds out which windows of `responder.windows` are open.

A window is compared with the clock on the wall. On a day on which the clock is changed, an hour that does not
exist is skipped, and one that exists twice belongs to the window both times.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from hemostat.core.remediation.windows import OpenWindow, WindowState
from hemostat.core.settings.windows import (
    MAX_WINDOWS,
    MINUTES_PER_DAY,
    WEEKDAYS,
    Window,
    list_open_days,
    list_times,
)
from hemostat.core.text import quote_text

_DAYS_BACK: Final = len(WEEKDAYS) + 1
"""A window has opened within a week, and may close on the day after."""


@lru_cache(maxsize=MAX_WINDOWS)
def find_time_zone(name: str) -> tzinfo | None:
    """The time zone of this name, None for the machine's own. Raises ValueError."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (OSError, LookupError, ValueError):
        raise ValueError(
            f"{quote_text(name)} is not a time zone of this machine, such as Europe/Berlin or UTC"
        ) from None


def find_window_state(windows: Sequence[Window], now: float) -> WindowState:
    """The windows that are open at `now` (epoch seconds). The time zones must exist."""
    opened = (_find_open(each, now) for each in windows)
    changes = (change for each in windows for change in _list_changes(each, now))
    return WindowState(
        opened=tuple(each for each in opened if each is not None),
        changed=max((change for change in changes if change <= now), default=0.0),
    )


def _find_open(window: Window, now: float) -> OpenWindow | None:
    local, days = _localize(window, now), list_open_days(window)
    minute = local.hour * 60 + local.minute
    ends = [
        end
        for days_ago in (0, 1)
        if (local.weekday() - days_ago) % len(WEEKDAYS) in days
        for begin, end in list_times(window)
        if begin <= minute + days_ago * MINUTES_PER_DAY < end
    ]
    if not ends:
        return None
    hour, minute = divmod(max(ends) % MINUTES_PER_DAY, 60)
    end_text = f"{hour:02}:{minute:02} {local.tzname()}"
    return OpenWindow(label=window.label, mode=window.mode, end=end_text, projects=window.projects)


def _list_changes(window: Window, now: float) -> Iterator[float]:
    """The times at which the window opened and closed in the last days, and will today and tomorrow."""
    zone, days = find_time_zone(window.time_zone), list_open_days(window)
    midnight = _localize(window, now).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for back in range(_DAYS_BACK + 1):
        day = midnight - timedelta(days=back)
        if day.weekday() in days:
            minutes = [minute for times in list_times(window) for minute in times]
            moments = [day + timedelta(minutes=each) for each in minutes]
            yield from (each.replace(tzinfo=zone).timestamp() for each in moments)


def _localize(window: Window, now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC).astimezone(find_time_zone(window.time_zone))
