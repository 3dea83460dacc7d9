"""Entries of streams as Redis gives them, and as the roles are given them."""

from collections.abc import Sequence
from typing import Any

from hemostat.errors import DecodeError
from hemostat.events import decode
from hemostat.ports import Entry


def parse_entries(stream: str, rows: Sequence[Any]) -> list[Entry]:
    """Entries as Redis gives them; those trimmed meanwhile have no fields and are passed over."""
    return [parse_entry(stream, name.decode(), fields) for name, fields in rows if fields is not None]


def parse_entry(stream: str, name: str, fields: dict[bytes, bytes]) -> Entry:
    raw = fields.get(b"event")
    if raw is None:
        return Entry(stream=stream, id=name, raw=b"", event=None, error="entry without the field event")
    try:
        return Entry(stream=stream, id=name, raw=raw, event=decode(raw))
    except DecodeError as error:
        return Entry(stream=stream, id=name, raw=raw, event=None, error=str(error))
