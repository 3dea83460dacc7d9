"""Text from outside, made safe to show."""

import json

import pytest

from hemostat.core.text import (
    MAX_LISTED_NAMES,
    MAX_NAME_CHARACTERS,
    MAX_QUOTED_CHARACTERS,
    decode_text,
    escape_json,
    list_names,
    quote_text,
    truncate,
)


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


def test_text_is_cut_only_above_its_maximum():
    assert truncate("abc", 3) == "abc"
    assert truncate("abcd", 3) == "ab…"
    assert list_names(["n" * MAX_NAME_CHARACTERS]) == "n" * MAX_NAME_CHARACTERS
    assert len(list_names(["n" * (MAX_NAME_CHARACTERS + 1)])) == MAX_NAME_CHARACTERS


def test_quoted_text_is_cut_only_above_its_maximum():
    assert quote_text("x" * MAX_QUOTED_CHARACTERS) == repr("x" * MAX_QUOTED_CHARACTERS)
    assert quote_text("x" * (MAX_QUOTED_CHARACTERS + 1)) == repr("x" * MAX_QUOTED_CHARACTERS) + "…"
    assert quote_text("a\x1b[31mb") == r"'a\x1b[31mb'"
    assert quote_text("password=Hx7q9Zw2k") == "'password=[redacted: password]'"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"a = 1\nb = \xff\n", "is not UTF-8 (byte 0xff in line 2); save it as UTF-8"),
        (b"a\n\nb\0c", "has a NUL byte in line 3; it is not a text file"),
        ("ab".encode("utf-16-le"), "is UTF-16; save it as UTF-8"),
        ("ab".encode("utf-16-be"), "is UTF-16; save it as UTF-8"),
        ("ab".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("ab".encode("utf-32"), "is UTF-32; save it as UTF-8"),
        (b"a\0b", "has a NUL byte in line 1; it is not a text file"),
        (b"a\0\0b", "has a NUL byte in line 1; it is not a text file"),
    ],
)
def test_file_that_is_not_utf8_is_refused_with_its_encoding(data, why):
    with pytest.raises(ValueError, match=r".") as raised:
        decode_text(data)
    assert str(raised.value) == why


def test_file_in_utf8_is_read_with_or_without_a_mark():
    assert decode_text("é".encode("utf-8-sig")) == decode_text("é".encode()) == "é"
    assert decode_text(b"") == ""
