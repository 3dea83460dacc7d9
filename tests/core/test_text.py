"""Text from outside, made safe to show."""

import json

import pytest

from hemostat.core.text import escape_json


@pytest.mark.parametrize("char", list("\x1b\x9b\u202e\u2066\u200b\u2028\0\x7f\U000e0041"))
def test_json_for_a_terminal_means_the_same_and_shows_nothing_it_acts_on(char):
    plain = json.dumps({"a" + char: ["x" + char + "é😀"]}, ensure_ascii=False)
    told = escape_json(plain)
    assert told.isprintable()
    assert json.loads(told) == json.loads(json.dumps({"a" + char: ["x" + char + "é😀"]}))
    assert "é😀" in told
