"""The configuration tables `responder.windows`: times of the week with a stricter mode."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from hemostat.core.text import quote_text

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_WINDOWS: Final = 50
MINUTES_PER_DAY: Final = 24 * 60

_WEEKDAY: Final = f"({'|'.join(WEEKDAYS)})"
DAYS_PATTERN: Final = re.compile(rf"{_WEEKDAY}(-{_WEEKDAY})?")
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]"
TIMES_PATTERN: Final = re.compile(rf"{_TIME}-({_TIME}|24:00)")
NAME_PATTERN: Final = r"^[A-Za-z0-9 ._-]{0,40}$"

WindowMode = Literal["off", "dry-run", "approve"]
"""`off`: no automatic action runs."""


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A window of time in which a stricter mode applies."""

    mode: WindowMode
    name: Annotated[str, Meta(pattern=NAME_PATTERN)] = ""
    days: Annotated[tuple[str, ...], Meta(max_length=7)] = ()
    """Days on which the window opens, as in `mon-fri` or `sun`. Empty: all."""
    times: Annotated[tuple[str, ...], Meta(min_length=1, max_length=20)] = ("00:00-24:00",)
    """Times of the day. A time that ends before it begins ends on the next day."""
    time_zone: str = ""
    """A name of the IANA database, as in `Europe/Berlin`. Empty: the time zone of HemoStat's machine."""
    projects: tuple[str, ...] = ()
    """Compose projects. Empty: all containers."""

    @property
    def label(self) -> str:
        """The name, or the times of a window without a name."""
        return self.name or " and ".join(self.times)


def list_open_days(window: Window) -> frozenset[int]:
    """The numbers of the days on which the window opens, 0 for Monday. A range may cross Sunday."""
    if not window.days:
        return frozenset(range(len(WEEKDAYS)))
    numbers: set[int] = set()
    for each in window.days:
        first, _, last = each.partition("-")
        begin = WEEKDAYS.index(first)
        length = (WEEKDAYS.index(last or first) - begin) % len(WEEKDAYS)
        numbers |= {(begin + step) % len(WEEKDAYS) for step in range(length + 1)}
    return frozenset(numbers)


def list_times(window: Window) -> list[tuple[int, int]]:
    """The times as minutes from the beginning of the day on which the window opens. The end of a window that
    closes on the next day is above MINUTES_PER_DAY."""
    times = []
    for each in window.times:
        begin, end = (int(hour) * 60 + int(minute) for hour, minute in re.findall(r"(\d\d):(\d\d)", each))
        times.append((begin, end if end > begin else end + MINUTES_PER_DAY))
    return times


def find_window_mistakes(windows: Sequence[Window]) -> Iterator[str]:
    """Invalid windows, except for the names of time zones: dotted key below the setting, and reason."""
    if len(windows) > MAX_WINDOWS:
        yield f": {len(windows)} windows are more than {MAX_WINDOWS}"
    for number, window in enumerate(windows[:MAX_WINDOWS]):
        yield from (f"[{number}].{text}" for text in _find_mistakes(window))


def _find_mistakes(window: Window) -> Iterator[str]:
    if "" in window.projects:
        yield "projects: an empty name is that of no project"
    for each in window.days:
        if not DAYS_PATTERN.fullmatch(each):
            yield f"days: {quote_text(each)} is not a day or a range such as sun or mon-fri"
    for each in window.times:
        if not TIMES_PATTERN.fullmatch(each):
            yield f"times: {quote_text(each)} is not a time such as 22:00-04:30"
        elif each[:5] == each[6:]:
            yield f"times: {quote_text(each)} begins when it ends: write 00:00-24:00 for a whole day"
