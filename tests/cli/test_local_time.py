"""Times and time spans as people write them, in the zone of the person."""

import time
from datetime import datetime

import click
import pytest

from hemostat.cli.output.local_time import Moment, format_local, list_starts

DAY = 86_400.0


@pytest.fixture
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def moment(text):
    return Moment().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-24", "2026-11-23T23:00:00+00:00"),
        ("2026-07-24T12:30", "2026-07-24T10:30:00+00:00"),
        ("2026-07-24T12:30:00Z", "2026-07-24T12:30:00+00:00"),
    ],
)
def test_times_are_local_unless_they_name_a_zone(berlin, text, utc):
    assert moment(text) == datetime.fromisoformat(utc).timestamp()


def test_duration_means_that_long_before_now(berlin):
    before = time.time()
    assert before - 7 * DAY <= moment("7d") <= time.time() - 7 * DAY
    assert before <= moment("now") <= time.time()
    assert moment("yesterday") < moment("today") <= time.time()


@pytest.mark.parametrize("text", ["", "someday", "2026-13-01", "-5"])
def test_invalid_time_is_refused(text):
    with pytest.raises(click.BadParameter):
        moment(text)


def test_days_start_at_midnight_with_25_hours(berlin):
    since, until = moment("2026-10-24T18:00"), moment("2026-10-27T01:00")
    days = list_starts(since, until)
    assert [format_local(each, "%d %H:%M") for each in days] == [
        "24 18:00",
        "25 00:00",
        "26 00:00",
        "27 00:00",
    ]
    assert days[2] - days[1] == 25 * 3600


def test_hours_are_listed_once_when_clocks_go_back(berlin):
    hours = list_starts(moment("2026-10-25T00:30"), moment("2026-10-25T05:00"))
    assert hours == sorted(set(hours))


def test_long_period_has_a_bounded_number_of_bars(berlin):
    assert len(list_starts(0.0, time.time())) <= 400


def test_time_outside_the_calendar_is_shown_as_a_number(berlin):
    assert format_local(1e300) == "1e+300 s"


def test_skipped_hour_is_left_out(berlin):
    hours = list_starts(moment("2026-03-29T00:30"), moment("2026-03-29T05:00"))
    assert [format_local(each, "%H:%M") for each in hours] == ["00:30", "01:00", "03:00", "04:00"]
