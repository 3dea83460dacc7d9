"""Tells events apart whose ids are equal. Pure.

The id of an event is its sender's choice. Another event with the same id must neither replace nor hide it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from hemostat.core.text import escape_controls
from hemostat.events import Event, digest

MARK: Final = "~"
MAX_ID_CHARACTERS: Final = 100
"""Characters of an id that is used as it is, or before a digest."""


def identify_event(event: Event) -> str:
    """Return a key that no other event has: its id, cut, and a digest of the whole event."""
    start = escape_controls(event.id[:MAX_ID_CHARACTERS])[:MAX_ID_CHARACTERS]
    return f"{start}{MARK}{digest(msgspec.json.encode(event), 16)}"


def make_event_key(event: Event) -> str:
    """Return the event's id, or `identify_event` for an id that could be the key of another event, or that no
    database accepts."""
    name = event.id
    return (
        name
        if len(name) <= MAX_ID_CHARACTERS and name.isprintable() and MARK not in name
        else identify_event(event)
    )


def find_reused(known_events: Mapping[str, Event | None], events: Iterable[Event]) -> list[Event]:
    """Return the events whose id another event has, before them or in `known_events`. None: an unreadable
    event."""
    firsts = dict(known_events)
    return [event for event in events if firsts.setdefault(make_event_key(event), event) != event]


def select_new(known_events: Mapping[str, Event | None], events: Iterable[Event]) -> dict[str, Event]:
    """Return each event that is not known, by its key. The key of another event with a known id is that of
    `identify_event`."""
    new: dict[str, Event] = {}
    for event in events:
        key = make_event_key(event)
        first = new.get(key, known_events.get(key))
        if (key in known_events or key in new) and first != event:
            key = identify_event(event)
        if key not in known_events and key not in new:
            new[key] = event
    return new
