"""Plots of text: exact widths, peaks and gaps, axes with units."""

import pytest
from rich.cells import cell_len

from hemostat.tui.render.plot import LABEL_WIDTH, TimeSpan, compute_columns, draw_plot, round_up

SPAN = TimeSpan(0, 100)


def drawn(points, width=40, height=4, top=100.0, **more):
    return draw_plot(
        points, SPAN, width=width, height=height, top=top, show=lambda value: f"{value:g} %", **more
    )


def room(line: str) -> str:
    return line[LABEL_WIDTH + 1 :]


@pytest.mark.parametrize("width", [5, 12, 40, 137])
@pytest.mark.parametrize("points", [[], [(0.0, None)], [(float(n), n * 7.0) for n in range(100)]])
def test_every_line_has_the_requested_width(width, points):
    lines = drawn(points, width, marks={50.0: "!"})
    assert [cell_len(line) for line in lines] == [width] * 6


def test_axis_labels_have_units_and_times():
    lines = drawn([(50.0, 50.0)])
    assert lines[0].startswith(f"{'100 %':>{LABEL_WIDTH}}┤")
    assert lines[3].startswith(f"{'0 %':>{LABEL_WIDTH}}┤")
    assert lines[4].count(":") == 4


def test_peak_of_one_sample_is_drawn():
    points = [(float(n), 1.0) for n in range(100)]
    points[37] = (37.0, 100.0)
    assert "█" in room(drawn(points, 20)[0])


def test_missing_value_is_a_gap_not_a_zero():
    points = [(float(n), None if 40 <= n < 60 else 50.0) for n in range(100)]
    bottom = room(drawn(points, LABEL_WIDTH + 101)[3])
    assert bottom[30:39] == "█" * 9
    assert bottom[42:58] == " " * 16


def test_zero_is_empty_and_a_small_value_is_drawn():
    assert room(drawn([(50.0, 0.0)])[3]).strip() == ""
    assert room(drawn([(50.0, 0.01)])[3]).strip() != ""


def test_value_applies_until_the_next_or_expiry():
    found = compute_columns([(0.0, 5.0), (60.0, 7.0)], TimeSpan(0, 100), 100)
    assert found[5] == 5.0
    assert found[50] is None
    assert found[70] is None, "nothing is known after the last"


def test_window_moves_one_column_at_a_time():
    spans = {TimeSpan.ending_at(1000.0 + n / 10, 300.0, 60) for n in range(100)}
    assert len(spans) <= 3
    assert all(round(span.end - span.begin) == 300 for span in spans)


def test_value_above_the_axis_fills_it():
    assert "█" in room(drawn([(50.0, 1e9)])[0])


def test_marks_are_under_their_time():
    marks = room(
        drawn([(0.0, 1.0)], LABEL_WIDTH + 1 + 100, marks={0.0: "!", 50.0: "▲", 100.0: "✓", 500.0: "x"})[5]
    )
    assert (marks[0], marks[50], marks[99]) == ("!", "▲", "✓")
    assert "x" not in marks


@pytest.mark.parametrize(
    ("highest", "binary", "top"),
    [
        (0.0, False, 1.0),
        (7.0, False, 8.0),
        (99.0, False, 100.0),
        (101.0, False, 150.0),
        (100.0, False, 100.0),
        (1600.0, False, 2000.0),
        (3 << 20, True, 3 << 20),
        (61 << 20, True, 80 << 20),
        (900 << 20, True, 1000 << 20),
    ],
)
def test_axis_ends_at_a_sufficient_round_number(highest, binary, top):
    assert round_up(highest, binary=binary) == top
