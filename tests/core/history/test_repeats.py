"""Repeated lines are joined, and nothing is lost by it."""

import pytest

from hemostat.core.history import repeats
from hemostat.core.history.repeats import RepeatFilter, mask_figures


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("exited: exit code 7, ran 3.2 s", "exited: exit code 7, ran # s"),
        ("for 4 min 31 s, 27.5 of 48.0 MiB", "for # min # s, 27.5 of # MiB"),
        ("cpu 98.2 %, threshold 85%", "cpu # %, threshold #%"),
        ("exited (no. 12)", "exited (no. #)"),
        ("the 3rd restart of no3rd", "the # restart of no3rd"),
        ("9" * 200_000, "9" * 2000),
        ("port 8080, container web-1", "port 8080, container web-1"),
    ],
)
def test_measured_values_are_masked_and_exit_codes_are_not(text, masked):
    assert mask_figures(text) == masked


def test_repeats_within_a_minute_are_counted_and_told_once():
    lines = RepeatFilter()
    assert lines.is_new(("web",), "first", 0.0)
    assert not any(lines.is_new(("web",), f"line {number}", number) for number in range(1, 13))
    assert lines.take_joined(59.0) == []
    [joined] = lines.take_joined(60.0)
    assert joined.describe(joined.last) == "same again 12 times in 1 min: line 12"
    assert not lines.is_new(("web",), "later", 61.0), "it still repeats"
    assert [each.count for each in lines.take_joined(120.0)] == [1]


def test_line_is_new_again_after_a_minute_without_repeats():
    lines = RepeatFilter()
    lines.is_new(("web",), "first", 0.0)
    assert lines.take_joined(60.0) == []
    assert lines.is_new(("web",), "again", 61.0)


def test_other_keys_are_not_joined():
    lines = RepeatFilter()
    assert lines.is_new(("web",), "down", 0.0)
    assert lines.is_new(("db",), "down", 0.0)


def test_lines_beyond_the_limit_are_shown_each_time(monkeypatch):
    monkeypatch.setattr(repeats, "MAX_KEYS", 1)
    lines = RepeatFilter()
    assert lines.is_new(("web",), "a", 0.0)
    assert lines.is_new(("db",), "b", 0.0)
    assert lines.is_new(("db",), "b", 1.0)


def test_counted_lines_are_told_at_the_end():
    lines = RepeatFilter()
    lines.is_new(("web",), "a", 0.0)
    lines.is_new(("web",), "a", 1.0)
    assert [each.count for each in lines.take_joined(2.0, all_of_them=True)] == [1]
