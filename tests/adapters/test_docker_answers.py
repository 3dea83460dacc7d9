"""Answers of the engine are read up to a bound, and one container's cost the others nothing."""

import json
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.adapters.docker_engine import answers, inspection
from hemostat.adapters.docker_engine.answers import (
    FRAME_HEADER,
    MAX_ANSWER_BYTES,
    MAX_LOG_BYTES,
    MAX_ROW_BYTES,
    AnswerTooLongError,
    read_body,
    read_log_end,
    split_lines,
    split_rows,
)

ROWS = [
    {"Id": "a" * 64, "Labels": {'a "quoted" \\ label}]': "[{", "x": "\\"}, "Ports": [{"n": [1]}]},
    {"Id": "b" * 64, "Labels": {}, "State": "running"},
]


def response(*chunks: bytes) -> Any:
    """What is read of it can be seen by its `taken`."""
    answer = SimpleNamespace(taken=0, closed=False)

    def iter_content(_size: int) -> Iterator[bytes]:
        for chunk in chunks:
            answer.taken += len(chunk)
            yield chunk

    answer.iter_content = iter_content
    answer.close = lambda: setattr(answer, "closed", True)
    return answer


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(bounds)]


def test_response_above_the_limit_is_not_read_to_its_end():
    endless = response(*[b"x" * (1 << 20)] * 100)
    with pytest.raises(AnswerTooLongError, match="larger than 16 MiB"):
        read_body(endless)
    assert endless.taken <= MAX_ANSWER_BYTES + (1 << 20)
    assert endless.closed
    assert read_body(response(b"ab", b"c")) == b"abc"


@given(st.lists(st.integers(0, 10_000), max_size=30))
def test_list_is_split_into_rows_at_any_chunk_boundary(places):
    for data in (json.dumps(ROWS).encode(), json.dumps(ROWS, separators=(",", ":")).encode()):
        assert [json.loads(row) for row in split_rows(cut(data, places))] == ROWS


def test_empty_list_has_no_rows():
    assert list(split_rows([b"[", b"]\n"])) == []


def test_row_above_the_limit_is_cut_and_the_next_is_complete():
    long = {"Id": "c" * 64, "Labels": {"x": "y" * 5_000_000}}
    data = json.dumps([long, *ROWS], separators=(",", ":")).encode()
    first, *others = split_rows(data[place : place + 1000] for place in range(0, len(data), 1000))
    assert MAX_ROW_BYTES < len(first) < MAX_ROW_BYTES + 2000
    assert first.startswith(b'{"Id":"ccc')
    assert [json.loads(row) for row in others] == ROWS


def test_containers_with_huge_labels_are_listed_one_by_one(monkeypatch):
    """Their labels are not all held at once, and the other containers are listed as ever."""
    monkeypatch.setattr(answers, "MAX_ANSWER_BYTES", 10_000)
    huge = [
        {"Id": f"{n:064x}", "Labels": {"hemostat.protect": "true", "x": "y" * 2_000_000}} for n in range(3)
    ]
    listed = json.dumps([*huge, *ROWS], separators=(",", ":")).encode()
    asked = []

    def get(path: str, query: str = "", most: int = 0) -> bytes:
        asked.append(query)
        number = next(index for index, row in enumerate(huge) if str(row["Id"]) in query)
        if number == 2:
            raise AnswerTooLongError("too long")
        return json.dumps([huge[number]]).encode()

    chunks = [listed[place : place + 50_000] for place in range(0, len(listed), 50_000)]
    rows = inspection._read_apart(answers.read_or_rows(response(*chunks)), get)
    assert [row["Id"] for row in rows] == [*(row["Id"] for row in ROWS), huge[0]["Id"], huge[1]["Id"]]
    assert len(asked) == 3
    assert rows[-1]["Labels"] == {"hemostat.protect": "true"}
    assert len(str(rows)) < 5000


@given(
    st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line)), st.lists(st.integers(0, 1000))
)
def test_lines_are_read_as_written(lines, places):
    data = b"".join(line + b"\n" for line in lines)
    assert [line for line in split_lines(cut(data, places), 100) if line] == [line for line in lines if line]


def test_line_above_the_limit_is_skipped_and_the_next_is_read():
    chunks = [b"a\n", b"x" * 60, b"x" * 60, b"x\nb", b"\n", b"y" * 101 + b"\nc"]
    assert list(split_lines(chunks, 100)) == [b"a", b"b", b"c"]


def frames(*pieces: bytes) -> bytes:
    return b"".join(FRAME_HEADER.pack(1, len(piece)) + piece for piece in pieces)


def test_endless_list_is_not_collected(monkeypatch):
    """An engine at another host may answer without end, by many rows or by one."""
    monkeypatch.setattr(inspection, "MAX_ROWS_BYTES", 10_000)
    monkeypatch.setattr(answers, "MAX_LIST_BYTES", 1 << 20)
    row = json.dumps(ROWS[1]).encode() + b","
    for first, rest in ((b"[", row), (b'[{"Id":"', b"x" * 1000)):
        endless = response(first, *[rest] * 10_000)
        with pytest.raises(AnswerTooLongError, match="larger than"):
            inspection._read_apart(split_rows(endless.iter_content(0)), lambda *_, **__: b"[]")
        assert endless.taken < 2 << 20


def test_containers_with_many_labels_hide_no_other_container(monkeypatch):
    """The engine lists the newest containers first."""
    monkeypatch.setattr(inspection, "MAX_ROWS_BYTES", 100_000)
    labels = {f"hemostat.x{number}": "y" * 200 for number in range(40)}
    large = [{"Id": f"{number:064x}", "Labels": labels} for number in range(200)]
    listed = json.dumps([*large, *ROWS], separators=(",", ":")).encode()
    rows = inspection._read_apart(split_rows([listed]), lambda *_, **__: b"[]")
    assert [row["Id"] for row in rows[-len(ROWS) :]] == [row["Id"] for row in ROWS]
    assert len(ROWS) < len(rows) < 100


def test_response_of_many_values_is_not_decoded():
    """An inspection of 16 MB of empty lists took 400 MB, and 6 s in which no other thread ran."""
    for many in (b"[" + b"[]," * 600_000 + b"1]", b"{" + b'"a":{},' * 600_000 + b'"b":1}'):
        with pytest.raises(AnswerTooLongError, match="more than 1,000,000 values"):
            answers.decode_answer(many, object)
    assert answers.decode_answer(b"[" + b" " * 2_000_000 + b"1]", list[int]) == [1]


def test_label_of_many_commas_hides_no_other_container(monkeypatch):
    monkeypatch.setattr(answers, "MAX_VALUES", 10_000)
    commas = {"Id": "c" * 64, "Labels": {"hemostat.protect": "true", "x": "," * 20_000}}
    rows = answers.read_or_rows(response(json.dumps([commas, *ROWS], separators=(",", ":")).encode()))
    listed = inspection._read_apart(rows, lambda *_, **__: b"[]")
    assert [row["Id"] for row in listed] == [commas["Id"], *(row["Id"] for row in ROWS)]


def test_list_of_too_many_small_containers_is_refused(monkeypatch):
    monkeypatch.setattr(inspection, "MAX_ROWS_BYTES", 10 * inspection.MIN_ROW_BYTES)
    assert inspection._require_few_rows([{}] * 10) == [{}] * 10
    with pytest.raises(AnswerTooLongError, match="lists 11 containers"):
        inspection._require_few_rows([{}] * 11)


def test_endless_log_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(answers, "MAX_LOG_READ_BYTES", 10_000)
    endless = response(*[b"line\n"] * 100_000)
    assert read_log_end(endless, framed=False).endswith(b"line\n")
    assert endless.taken < 20_000
    assert endless.closed


@given(st.lists(st.binary(max_size=50), max_size=20), st.lists(st.integers(0, 1000)))
def test_log_frames_are_removed_at_any_chunk_boundary(pieces, places):
    assert read_log_end(response(*cut(frames(*pieces), places)), framed=True) == b"".join(pieces)


@pytest.mark.parametrize("framed", [True, False])
def test_log_above_the_limit_keeps_its_end(framed):
    pieces = [b"x" * 1_000_000] * 30 + [b"the end"]
    log = read_log_end(response(*(frames(each) if framed else each for each in pieces)), framed=framed)
    assert len(log) <= MAX_LOG_BYTES
    assert log.endswith(b"xthe end")
