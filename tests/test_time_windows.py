"""When windows of time are open, and until when."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from hemostat.core.settings.windows import Window
from hemostat.time_windows import find_time_zone, find_window_state

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN, *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def window(**fields) -> Window:
    return Window(**{"mode": "off", "time_zone": BERLIN, **fields})


def is_open(each: Window, text: str, **when) -> bool:
    return bool(find_window_state([each], at(text, **when)).opened)


@pytest.mark.parametrize(
    ("fields", "opened", "closed"),
    [
        (
            {"times": ("02:00-04:30",)},
            ["2026-12-01T02:00", "2026-12-01T04:29:59"],
            ["2026-12-01T01:59:59", "2026-12-01T04:30"],
        ),
        ({"times": ("02:00-03:00", "05:00-06:00")}, ["2026-12-01T05:30"], ["2026-12-01T04:00"]),
        ({"days": ("tue",)}, ["2026-12-01T00:00", "2026-12-01T23:59:59"], ["2026-12-02T00:00"]),
        (
            {"days": ("fri-mon",)},
            ["2026-12-04T12:00", "2026-12-06T12:00", "2026-12-07T12:00"],
            ["2026-12-03T12:00", "2026-12-08T12:00"],
        ),
        # It belongs to the day on which it opens.
        (
            {"days": ("fri",), "times": ("22:00-06:00",)},
            ["2026-12-04T22:00", "2026-12-05T05:59"],
            ["2026-12-04T05:00", "2026-12-05T22:00", "2026-12-05T06:00"],
        ),
        (
            {"days": ("sun",), "times": ("22:00-06:00",)},
            ["2026-12-06T22:30", "2026-12-07T01:00"],
            ["2026-12-06T01:00"],
        ),
        ({"times": ("22:00-24:00",)}, ["2026-12-01T23:59:59"], ["2026-12-02T00:00"]),
        # The clock is set forward from 02:00 to 03:00, and in autumn back from 03:00 to 02:00.
        ({"times": ("02:15-02:45",)}, [], ["2026-03-29T01:59", "2026-03-29T03:00"]),
        ({"times": ("01:30-03:30",)}, ["2026-03-29T03:10"], ["2026-03-29T03:30"]),
    ],
)
def test_window_is_open_within_its_days_and_times(fields, opened, closed):
    each = window(**fields)
    assert [text for text in opened if not is_open(each, text)] == []
    assert [text for text in closed if is_open(each, text)] == []


@pytest.mark.parametrize("fold", [0, 1])
def test_repeated_hour_belongs_to_the_window_both_times(fold):
    assert is_open(window(times=("02:00-03:00",)), "2026-10-25T02:30", fold=fold)


def test_each_window_has_its_own_time_zone():
    tokyo, berlin = window(times=("02:00-03:00",), time_zone="Asia/Tokyo"), window(times=("02:00-03:00",))
    (opened,) = find_window_state([tokyo, berlin], at("2026-12-01T02:30", "Asia/Tokyo")).opened
    assert opened.end == "03:00 JST"
    (opened,) = find_window_state([tokyo, berlin], at("2026-12-01T02:30")).opened
    assert opened.end == "03:00 CET"


@pytest.mark.parametrize(
    ("fields", "now", "changed"),
    [
        ({"times": ("02:00-04:30",)}, "2026-12-01T03:00", "2026-12-01T02:00"),
        ({"times": ("02:00-04:30",)}, "2026-12-01T12:00", "2026-12-01T04:30"),
        ({"times": ("22:00-06:00",)}, "2026-12-01T12:00", "2026-12-01T06:00"),
        ({"days": ("tue",), "times": ("22:00-06:00",)}, "2026-12-01T12:00", "2026-11-25T06:00"),
    ],
)
def test_last_change_is_the_last_opening_or_closing(fields, now, changed):
    assert find_window_state([window(**fields)], at(now)).changed == at(changed)


def test_without_windows_nothing_has_changed():
    assert find_window_state([], at("2026-12-01T12:00")).changed == 0.0


@pytest.mark.parametrize(
    ("now", "text"),
    [
        ("2026-12-01T23:00", "backup: approve for lab, shop until 04:30 CET"),
        ("2026-07-01T23:00", "backup: approve for lab, shop until 04:30 CEST"),
    ],
)
def test_description_names_the_mode_the_projects_and_the_end(now, text):
    backup = window(name="backup", mode="approve", projects=("shop", "lab"), times=("22:00-04:30",))
    (opened,) = find_window_state([backup], at(now)).opened
    assert str(opened) == text


def test_window_without_a_name_is_called_by_its_times():
    (opened,) = find_window_state([window()], at("2026-12-01T12:00")).opened
    assert str(opened) == "00:00-24:00: off until 00:00 CET"


def test_empty_time_zone_is_the_machines_own():
    assert find_time_zone("") is None
