import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.units import format_fact, parse_duration, parse_size, show_duration, show_size
from hemostat.events import Evidence


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10),
        ("0", 0),
        ("2.5", 2.5),
        ("10s", 10),
        ("250ms", 0.25),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("2d", 172_800),
        ("1H", 3600),
        (" 3s ", 3),
    ],
)
def test_durations_are_parsed(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(("parse", "text"), [(parse_duration, "1"), (parse_size, "1")])
def test_text_of_64_characters_is_the_longest(parse, text):
    assert parse("0" * 63 + text) == 1
    with pytest.raises(ValueError, match="is not"):
        parse("0" * 64 + text)


def test_greatest_values_are_a_century_and_an_exbibyte():
    assert parse_duration("36500d") == 36500 * 86400
    assert parse_size("1048576T") == 1 << 60
    for parse, text in ((parse_duration, "36501d"), (parse_size, "1048577T")):
        with pytest.raises(ValueError, match="is not"):
            parse(text)


@pytest.mark.parametrize("text", ["", "soon", "10 parsecs", "-1", "-1s", "inf", "nan", "1h30", "s"])
def test_invalid_duration_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1048576", 1024**2),
        ("64m", 64 * 1024**2),
        ("64MiB", 64 * 1024**2),
        ("100MB", 100_000_000),
        ("1.5GiB", 1536 * 1024**2),
        ("10 gb", 10_000_000_000),
        ("3T", 3 * 1024**4),
        ("512b", 512),
        ("0", 0),
    ],
)
def test_sizes_are_parsed(text, count):
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "big", "64q", "-1", "1e3", "1..5m"])
def test_invalid_size_is_refused(text):
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.34, "340 ms"),
        (0.9994, "999 ms"),
        (0.9995, "1 s"),
        (0.9996, "1 s"),
        (59.94, "59.9 s"),
        (59.95, "1 min"),
        (86_400, "1 d"),
        (86_399, "23 h 59 min"),
        (3.1, "3.1 s"),
        (10, "10 s"),
        (59.96, "1 min"),
        (60, "1 min"),
        (252, "4 min 12 s"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_are_shown_in_at_most_two_units(seconds, text):
    assert show_duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (512, "512 B"), (1024, "1.0 KiB"), (66_479_718, "63.4 MiB"), (1024**5, "1024.0 TiB")],
)
def test_sizes_are_shown_in_binary_units(count, text):
    assert show_size(count) == text


@given(st.floats(min_value=0, max_value=1e9))
def test_every_duration_can_be_formatted(seconds):
    assert show_duration(seconds).split()[-1] in {"ms", "s", "min", "h", "d"}


@given(st.integers(min_value=0, max_value=1024**4))
def test_whole_bytes_are_read_back(count):
    assert parse_size(str(count)) == count


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        (Evidence("exit_code", 7), "exit code 7"),
        (Evidence("memory", 64 << 20, "B"), "memory 64.0 MiB"),
        (Evidence("growth", 1 << 20, "B/s"), "growth 1.0 MiB/s"),
        (Evidence("ran", 90.0, "s"), "ran 1 min 30 s"),
        (Evidence("ran", 16.6, "s"), "ran 16.6 s"),
        (Evidence("cpu", 97.25, "%"), "cpu 97.25 %"),
        (Evidence("cpu", 97.0, "%"), "cpu 97 %"),
        (Evidence("dead_before", value=True), "dead before"),
        (Evidence("error", "refused"), "error refused"),
    ],
)
def test_fact_has_its_value_in_units_for_people(fact, text):
    assert format_fact(fact) == text
