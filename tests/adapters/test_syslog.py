"""The system log takes a line, or the line is dropped without a wait."""

import socket
from pathlib import Path

import pytest

from hemostat.adapters.syslog import write_line


@pytest.fixture
def log(state_dir: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(state_dir / "log"))
        yield server, state_dir / "log"


def test_line_is_written_with_its_priority_and_program(log):
    server, path = log
    assert write_line("audit head=3:ab", path)
    line = server.recv(1000).decode()
    assert line.startswith("<85>hemostat[")
    assert line.endswith("]: audit head=3:ab")


def test_line_is_dropped_when_syslog_blocks(log):
    """The socket's queue is full and not read: without a time limit the write would block for ever."""
    _, path = log
    assert not all(write_line("x" * 1000, path) for _ in range(2000))


@pytest.mark.parametrize(
    "make", [lambda _: None, lambda path: path.write_text(""), lambda path: path.mkdir()]
)
def test_line_is_dropped_without_a_syslog_socket(tmp_path, make):
    make(tmp_path / "log")
    assert not write_line("x", tmp_path / "log")
