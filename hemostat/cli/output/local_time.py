"""Parses and formats times, in the local time zone."""

import time
from datetime import datetime, timedelta
from typing import Any, Final

import click

from hemostat.core.units import parse_duration

TIME_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
MAX_HOURLY_SECONDS: Final = 2 * 86_400.0
"""Seconds up to which a period is shown by hours."""
MAX_STEPS: Final = 366
"""Maximum number of bars."""


class Moment(click.ParamType[float]):
    """`7d` ago, `yesterday`, `2026-11-24`, `2026-11-24T22:30`. Returns epoch seconds."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip()
        midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        shortcuts = {
            "now": time.time(),
            "today": midnight.timestamp(),
            "yesterday": _compute_day_before(midnight),
        }
        if text in shortcuts:
            return shortcuts[text]
        try:
            return time.time() - parse_duration(text)
        except ValueError:
            pass
        try:
            return datetime.fromisoformat(text).astimezone().timestamp()
        except (ValueError, OverflowError):
            self.fail(f"{text!r} is neither a duration such as 7d nor a date such as 2026-11-24", param, ctx)


def _compute_day_before(midnight: datetime) -> float:
    return (midnight.replace(tzinfo=None) - timedelta(days=1)).astimezone().timestamp()


def format_local(moment: float, form: str = TIME_FORMAT) -> str:
    """The local time. A time beyond the calendar, as a wrong clock may send, is shown as a number."""
    try:
        return datetime.fromtimestamp(moment).astimezone().strftime(form)
    except (ValueError, OverflowError, OSError):
        return f"{moment:g} s"


def list_starts(since: float, until: float) -> list[float]:
    """The start of a period, and every hour, day or more within it."""
    hourly = until - since <= MAX_HOURLY_SECONDS
    step = timedelta(hours=1) if hourly else timedelta(days=1 + int((until - since) / 86_400.0 / MAX_STEPS))
    at = datetime.fromtimestamp(since).astimezone().replace(minute=0, second=0, microsecond=0, tzinfo=None)
    at = (at if hourly else at.replace(hour=0)) + step
    starts = [since]
    while (moment := at.astimezone().timestamp()) < until:
        if moment > starts[-1]:  # an hour skipped by a clock change equals the next one
            starts.append(moment)
        at += step
    return starts
