"""Log lines in systemd's journal: the entry's fields, and what is written without the journal."""

import io
import json
import logging
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from hemostat.cli.output import journal
from hemostat.cli.output.journal import MAX_VALUE_CHARACTERS, JournalLines, is_journal


class Journal:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(20)
        self.socket.bind(str(path))

    def receive(self) -> dict[str, str]:
        """The fields of the next entry, as the journal reads them."""
        data = self.socket.recv(1 << 20)
        fields = {}
        while data:
            name, _, data = data.partition(b"\n")
            (length,) = struct.unpack("<Q", data[:8])
            fields[name.decode()] = data[8 : 8 + length].decode()
            assert data[8 + length : 9 + length] == b"\n"
            data = data[9 + length :]
        return fields


@pytest.fixture
def server(tmp_path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal")
    yield made
    made.socket.close()


@pytest.fixture
def lines(server) -> JournalLines:
    return JournalLines(io.StringIO(), server.path)


def test_entry_has_the_fields_of_the_line(server, lines):
    line = json.dumps(
        {
            "level": "error",
            "event": "a.b",
            "role": "monitor",
            "engine": "web1",
            "container": "web",
            "incident": "1a",
            "more": "x",
        }
    )
    lines.write(f"{line}\n")
    assert server.receive() == {
        "MESSAGE": line,
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "hemostat",
        "HEMOSTAT_EVENT": "a.b",
        "HEMOSTAT_ROLE": "monitor",
        "HEMOSTAT_ENGINE": "web1",
        "HEMOSTAT_CONTAINER": "web",
        "HEMOSTAT_INCIDENT": "1a",
    }


def test_value_cannot_forge_another_field(server, lines):
    name = "web\nPRIORITY=0\nHEMOSTAT_INCIDENT=other"
    lines.write(json.dumps({"level": "info", "container": name}) + "\n")
    entry = server.receive()
    assert entry["PRIORITY"] == "6"
    assert entry["HEMOSTAT_CONTAINER"] == name
    assert "HEMOSTAT_INCIDENT" not in entry


def test_long_value_is_cut_in_its_field_only(server, lines):
    line = json.dumps({"container": "c" * 5000})
    lines.write(line)
    entry = server.receive()
    assert entry["HEMOSTAT_CONTAINER"] == "c" * MAX_VALUE_CHARACTERS
    assert entry["MESSAGE"] == line


@pytest.mark.parametrize(
    "line", ["free text", "[1]", "[" * 30000, '{"container": 3, "level": null}', '"\udcff"', ""]
)
def test_other_lines_are_warnings_without_fields(server, lines, line):
    lines.write(line + "\n")
    assert set(entry := server.receive()) == {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"}
    assert entry["PRIORITY"] == "4"


def test_line_goes_to_the_stream_if_the_journal_does_not_take_it(tmp_path):
    stream = io.StringIO()
    JournalLines(stream, tmp_path / "none").write('{"level": "error"}\n')
    assert stream.getvalue() == '<3>{"level": "error"}\n'


def test_journal_is_recognized_by_its_connection(tmp_path):
    with (tmp_path / "log").open("w") as file:
        state = os.fstat(file.fileno())
        assert is_journal(file, {"JOURNAL_STREAM": f"{state.st_dev}:{state.st_ino}"})
        assert not is_journal(file, {"JOURNAL_STREAM": f"{state.st_dev}:{state.st_ino + 1}"})
        assert not is_journal(file, {})
    assert not is_journal(file, {"JOURNAL_STREAM": "1:1"})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:1"})


@pytest.mark.parametrize(("form", "is_sent"), [("auto", True), ("json", True), ("text", False)])
def test_json_log_of_a_service_goes_to_the_journal(hemostat, server, monkeypatch, tmp_path, form, is_sent):
    from hemostat.cli.output.logs import configure_logging

    monkeypatch.setattr(journal, "SOCKET_PATH", server.path)
    with (tmp_path / "stderr").open("w+") as stderr:
        state = os.fstat(stderr.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{state.st_dev}:{state.st_ino}")
        monkeypatch.setattr("sys.stderr", stderr)
        configure_logging(0, form=form)
        logging.getLogger("hemostat.x").error("x.failed container=%s", "web")
        assert bool((tmp_path / "stderr").read_text()) is not is_sent
    if is_sent:
        entry = server.receive()
        assert (entry["PRIORITY"], entry["HEMOSTAT_CONTAINER"]) == ("3", "web")
