"""Writes log lines to systemd's journal, with fields to search for.

The standard error of a service is a stream to the journal, which keeps the text of each line and nothing
else. The journal's own protocol takes fields, too: each datagram is one entry. A value may contain anything,
so each has its length before it.
"""

import json
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

SOCKET_PATH: Final = Path("/run/systemd/journal/socket")
PROGRAM_NAME: Final = "hemostat"
PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Syslog's priorities by level."""
DEFAULT_PRIORITY: Final = PRIORITIES["warning"]
FIELDS: Final = ("event", "role", "engine", "container", "incident")
"""Fields of a log line that become fields of the entry, such as HEMOSTAT_CONTAINER."""
MAX_VALUE_CHARACTERS: Final = 256
"""Characters of such a field. The message has the whole value."""


class JournalLines:
    """The journal as a stream for lines. A line that it does not take goes to `stream`, with its priority."""

    def __init__(self, stream: TextIO, path: Path | None = None) -> None:
        self._stream = stream
        self._path = str(path or SOCKET_PATH)

    def write(self, text: str) -> int:
        line = text.rstrip("\n")
        fields = _parse_fields(line)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
                journal.sendto(encode_entry(line, fields), self._path)
        except OSError:
            self._stream.write(f"<{_find_priority(fields)}>{line}\n")
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return False


def is_journal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the stream is connected to the journal. JOURNAL_STREAM names the connection's device and
    inode; a command that writes elsewhere may have inherited the variable."""
    try:
        state = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM", "") == f"{state.st_dev}:{state.st_ino}"


def encode_entry(line: str, fields: Mapping[str, object]) -> bytes:
    """Return the datagram of the entry for a line and the fields of its JSON object."""
    entry = {"MESSAGE": line, "PRIORITY": str(_find_priority(fields)), "SYSLOG_IDENTIFIER": PROGRAM_NAME}
    for name in FIELDS:
        if isinstance(value := fields.get(name), str) and value:
            entry[f"HEMOSTAT_{name.upper()}"] = value[:MAX_VALUE_CHARACTERS]
    return b"".join(_encode_field(name, value) for name, value in entry.items())


def _encode_field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")
    return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"


def _parse_fields(line: str) -> Mapping[str, object]:
    """Return the object's fields; none for a line that is not a JSON object."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _find_priority(fields: Mapping[str, object]) -> int:
    return PRIORITIES.get(str(fields.get("level")), DEFAULT_PRIORITY)
