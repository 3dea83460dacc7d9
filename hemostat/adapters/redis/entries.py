"""Parses stream entries from Redis into the entries of the Bus port."""

from collections.abc import Sequence
from typing import Any

from hemostat.errors import DecodeError
from hemostat.events import Event, decode
from hemostat.ports import Entry
from hemostat.streams import find_mismatch


def parse_entries(stream: str, rows: Sequence[Any]) -> list[Entry]:
    """The parsed entries. Entries trimmed in the meantime have no fields and are left out."""
    return [parse_entry(stream, name.decode(), fields) for name, fields in rows if fields is not None]


def parse_entry(stream: str, name: str, fields: dict[bytes, bytes]) -> Entry:
    raw, reported = fields.get(b"event"), fields.get(b"reported")
    if raw is None:
        return Entry(stream=stream, id=name, raw=b"", event=None, error="entry without the field event")
    notes = () if reported is None else parse_notes(reported)
    try:
        return Entry(stream=stream, id=name, raw=raw, event=decode_event(stream, raw), notes=notes)
    except DecodeError as error:
        return Entry(stream=stream, id=name, raw=raw, event=None, error=str(error), notes=notes)


def decode_event(stream: str, raw: bytes) -> Event:
    """The event that arrived by this stream or channel.

    Raises DecodeError as `decode` does, and for an event that does not belong there.
    """
    event = decode(raw)
    if why := find_mismatch(stream, event.type, event.source):
        raise DecodeError(why)
    return event


def format_notes(notes: Sequence[str]) -> str:
    """The field `reported` of an entry that was deferred."""
    return ",".join(notes)


def parse_notes(reported: bytes) -> tuple[str, ...]:
    """Inverse of `format_notes`, for any bytes: a deferred entry is found by its exact bytes."""
    return tuple(reported.decode(errors="surrogateescape").split(","))
