"""The frames and times of a log, as engines send them."""

import struct

import pytest

from hemostat.adapters.docker_engine.log_stream import (
    MAX_LINE_BYTES,
    cut_lines,
    join_frames,
    normalize_stamp,
)
from hemostat.errors import EngineError

T1, T2 = b"2026-11-24T00:26:00.000000001Z ", b"2026-11-24T00:26:00.000000002Z "


def frame(payload: bytes, stream: int = 1) -> bytes:
    return struct.pack(">BxxxL", stream, len(payload)) + payload


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_frames_cut_anywhere_give_the_lines(size):
    data = frame(T1 + b"one\n") + frame(T2 + b"two\n", 2)
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    assert list(join_frames(chunks)) == [T1 + b"one", T2 + b"two"]


def test_parts_of_a_long_line_are_joined_without_their_times():
    data = frame(T1 + b"a" * 10) + frame(T2 + b"other\n", 2) + frame(T2 + b"b\n") + frame(T2 + b"open")
    assert list(join_frames([data])) == [T2 + b"other", T1 + b"a" * 10 + b"b", T2 + b"open"]


@pytest.mark.parametrize("size", [100, 70_000, 1 << 20])
def test_long_line_of_a_terminal_is_cut_and_not_left_out(size):
    data = T1 + b"x" * 200_000 + b"\n" + T2 + b"two\n" + T2 + b"open"
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    long, *rest = cut_lines(chunks)
    assert (long, rest) == ((T1 + b"x" * 200_000)[:MAX_LINE_BYTES], [T2 + b"two", T2 + b"open"])


def test_endless_frame_is_refused():
    with pytest.raises(EngineError, match="too long"):
        list(join_frames([struct.pack(">BxxxL", 1, 1 << 30)]))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (T1 + b"x", T1 + b"x"),
        (b"2026-11-24T02:26:00.5+02:00 x", b"2026-11-24T00:26:00.500000000Z x"),
        (b"2026-11-24T00:26:00Z ", b"2026-11-24T00:26:00.000000000Z "),
        (b"no time", b"1970-01-01T00:00:00.000000000Z no time"),
    ],
)
def test_times_are_in_utc_with_nine_digits(line, expected):
    assert normalize_stamp(line) == expected
