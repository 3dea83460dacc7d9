"""Replay files: written events are read again, and a file that cannot be read is reported in one line."""

import gzip
import os
import stat
from io import BytesIO
from pathlib import Path

import pytest

from hemostat.adapters import replay_file
from hemostat.adapters.replay_file import ReplayFile, read_replay
from hemostat.core.history.replay import encode_event_line, encode_header
from hemostat.errors import DecodeError, HemoStatError, UsageError
from tests.support.samples import NOW, alert, event

LINES = [
    encode_header("h", NOW),
    *(encode_event_line(event(alert(since=NOW + n), n), NOW + n) for n in range(200)),
]


def write(path: Path, lines=LINES, **options) -> Path:
    with ReplayFile(path, **options) as file:
        for each in lines:
            file.write(each)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_written_events_are_read_back(tmp_path, name):
    path = write(tmp_path / name)
    told = read_replay(path)
    assert (len(told), told.begin, told.end, told.notes) == (200, NOW, NOW + 199, ())
    assert path.read_bytes().startswith(b"\x1f\x8b") is name.endswith(".gz")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_renamed_file_is_read(tmp_path):
    assert len(read_replay(write(tmp_path / "a.gz").rename(tmp_path / "b.jsonl"))) == 200


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_intact_part_of_a_truncated_file_is_read(tmp_path, name):
    """The file as a killed recorder leaves it, cut at any place."""
    path = write(tmp_path / name)
    content = path.read_bytes()
    for size in range(len(content) // 2, len(content), len(content) // 7):
        path.write_bytes(content[:size])
        told = read_replay(path)
        assert 0 < len(told) <= 200
        assert len(told.notes) == (0 if len(told) == 200 else 1)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_flushed_events_survive_a_killed_process(tmp_path, name):
    path = tmp_path / name
    with ReplayFile(path) as file:
        for each in LINES:
            file.write(each)
        file.flush()
        assert len(read_replay(path)) == 200


def test_existing_file_is_not_overwritten_unless_forced(tmp_path):
    path = write(tmp_path / "a.jsonl")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="already exists"):
        write(path, LINES[:1])
    assert path.read_bytes() == before
    assert len(read_replay(write(path, LINES[:1], force=True))) == 0


def test_file_that_cannot_be_created_is_reported(tmp_path):
    with pytest.raises(UsageError, match="No such file or directory"):
        write(tmp_path / "none" / "a.jsonl")


def test_full_disk_is_reported():
    with pytest.raises(HemoStatError, match="/dev/full cannot be written: No space left"):
        write(Path("/dev/full"), force=True)


FLIPPED = bytearray(gzip.compress(b"".join(LINES), mtime=0))
FLIPPED[200] ^= 0xFF


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not a replay file"),
        (b"hello\n", "it is not a replay file"),
        (b"\x89PNG\r\n\x1a\n\x00", "it is not a replay file"),
        (gzip.compress(b"hello\n", mtime=0), "it is not a replay file"),
        (b"\x1f\x8b\x08not really", "damaged"),
        (bytes(FLIPPED), "damaged"),
        (b"".join([LINES[0], b"x\n"]), "line 2 is damaged"),
    ],
)
def test_unplayable_file_is_reported_in_one_line(tmp_path, content, why):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=f"a.jsonl cannot be played: .*{why}") as told:
        read_replay(path)
    assert "\n" not in str(told.value)


def test_missing_file_is_reported(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_replay(tmp_path / "none")
    with pytest.raises(UsageError, match="is a directory, not a file"):
        read_replay(tmp_path)


def test_decompression_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(replay_file, "MAX_FILE_BYTES", 1 << 20)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(LINES[0] + b" " * (8 << 20)))
    with pytest.raises(DecodeError, match="longer than 1 MiB: record a shorter period"):
        read_replay(path)


def test_compressed_file_is_expanded_in_small_chunks():
    content = LINES[0] + b" " * (8 << 20) + b"\n"
    chunks = list(replay_file._read_chunks(BytesIO(gzip.compress(content))))
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) <= replay_file.CHUNK_BYTES


def test_file_that_reached_its_limit_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(replay_file, "MAX_FILE_BYTES", 1 << 20)
    path = tmp_path / "a.jsonl"
    with ReplayFile(path) as file:
        file.write(LINES[0])
        while not file.is_full:
            file.write(LINES[1])
    assert len(read_replay(path)) > 1000


def test_file_of_another_kind_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe is a named pipe, not a file"):
        read_replay(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is a device, not a file"):
        read_replay(Path("/dev/zero"))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize(
    ("row", "why"),
    [
        (b'{"at":1.0,"event":' + b"[" * 100_000 + b"}\n", "line 2 is damaged: maximum recursion depth"),
        (bytes(64 << 20), "a line is longer than any event"),
    ],
)
def test_row_of_any_depth_and_length_is_refused_in_a_line(tmp_path, name, row, why):
    path = tmp_path / name
    path.write_bytes(gzip.compress(LINES[0] + row, 1) if name.endswith(".gz") else LINES[0] + row)
    with pytest.raises(DecodeError, match=why) as told:
        read_replay(path)
    assert "\n" not in str(told.value)
