"""Text from outside, made safe to show."""

import json

import pytest

from hemostat.core.text import MAX_LISTED_NAMES, escape_json, list_names


@pytest.mark.parametrize("char", list("\x1b\x9b\u202e\u2066\u200b\u2028\0\x7f\U000e0041"))
def test_terminal_json_is_equivalent_without_control_characters(char):
    plain = json.dumps({"a" + char: ["x" + char + "é😀"]}, ensure_ascii=False)
    told = escape_json(plain)
    assert told.isprintable()
    assert json.loads(told) == json.loads(json.dumps({"a" + char: ["x" + char + "é😀"]}))
    assert "é😀" in told


@pytest.mark.parametrize(
    ("count", "end"),
    [
        (2, "n01"),
        (MAX_LISTED_NAMES, f"n{MAX_LISTED_NAMES - 1:02}"),
        (MAX_LISTED_NAMES + 1, f"n{MAX_LISTED_NAMES - 1:02} and 1 more"),
    ],
)
def test_long_list_of_names_ends_with_the_number_of_further_ones(count, end):
    shown = list_names(f"n{number:02}" for number in range(count))
    assert shown.startswith("n00, n01")
    assert shown.rpartition(", ")[2] == end
