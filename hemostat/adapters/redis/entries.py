"""Parses stream entries from Redis into the entries of the Bus port."""

from collections.abc import Sequence
from typing import Any

from hemostat.errors import DecodeError
from hemostat.events import decode
from hemostat.ports import Entry


def parse_entries(stream: str, rows: Sequence[Any]) -> list[Entry]:
    """The parsed entries. Entries trimmed in the meantime have no fields and are left out."""
    return [parse_entry(stream, name.decode(), fields) for name, fields in rows if fields is not None]


def parse_entry(stream: str, name: str, fields: dict[bytes, bytes]) -> Entry:
    raw = fields.get(b"event")
    if raw is None:
        return Entry(stream=stream, id=name, raw=b"", event=None, error="entry without the field event")
    try:
        return Entry(stream=stream, id=name, raw=raw, event=decode(raw))
    except DecodeError as error:
        return Entry(stream=stream, id=name, raw=raw, event=None, error=str(error))
