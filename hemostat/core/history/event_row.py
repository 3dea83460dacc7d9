"""An event as a database row that can be queried by the same columns for all types. Pure."""

from math import isfinite
from typing import Self

import msgspec

from hemostat.core.history.identity import make_event_key
from hemostat.core.text import escape_controls
from hemostat.events import Event, decode, digest, encode

MAX_NUMBER = (1 << 63) - 1
"""The largest number of a row that databases store."""
MAX_COLUMN_CHARACTERS = 200
"""Characters of a column. Names come from outside, and databases limit what they index."""


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the event's, with a digest where another row has that id. `time` is the event's time and `kept`
    the time of storage, both epoch seconds. `body` is the event as published. A column is empty if the event
    has no such field."""

    id: str
    time: float
    kept: float
    type: str
    host: str
    container: str
    project: str
    kind: str
    outcome: str
    incident: str
    body: str

    @property
    def event(self) -> Event:
        """Raises DecodeError if an incompatible version wrote the event."""
        return decode(self.body.encode())


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions for rows; None matches all. `since` is inclusive, `until` exclusive."""

    since: float | None = None
    until: float | None = None
    type: str | None = None
    host: str | None = None
    container: str | None = None
    project: str | None = None
    kind: str | None = None
    outcome: str | None = None
    incident: str | None = None


class EventPosition(msgspec.Struct, frozen=True, order=True):
    """The place of a row in the order of events. Rows of the same time are ordered by `number`, the row's."""

    time: float
    number: int

    def __str__(self) -> str:
        return f"{self.time!r}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        time, _, number = text.partition(":")
        position = cls(float(time), int(number))
        if not isfinite(position.time) or abs(position.number) > MAX_NUMBER:
            raise ValueError(f"{text!r} is out of range")
        return position


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Successive rows: from `oldest` on, which is None where there are no older rows, at most `limit` (0: no
    limit), and before the position `before`. The next page, of older rows, is before `next`; None for the
    last page."""

    limit: int = 0
    oldest: EventPosition | None = None
    before: EventPosition | None = None
    next: EventPosition | None = None


def build_row(event: Event, stored_at: float, id: str = "") -> EventRow:  # noqa: A002 - the column's name
    """The row for an event, with its own id by default. Columns are found by field name, so that a new event
    type needs no change here."""
    alert = getattr(event.data, "alert", None)
    container = getattr(event.data, "container", None) or getattr(alert, "container", None)
    kind = getattr(event.data, "kind", None) or getattr(alert, "kind", None)
    return EventRow(
        id=id or make_event_key(event),
        time=event.time,
        kept=stored_at,
        type=event.type,
        host=fit_column(event.host),
        container=fit_column(container if isinstance(container, str) else getattr(container, "name", "")),
        project=fit_column(getattr(container, "project", None) or ""),
        kind=fit_column(str(kind or "")),
        outcome=fit_column(str(getattr(event.data, "outcome", None) or "")),
        incident=fit_column(event.incident or ""),
        body=encode(event).decode(),
    )


def fit_column(text: str) -> str:
    """Text that every database accepts and indexes. A cut text ends with a digest, so that it differs from
    all others."""
    plain = escape_controls(text)
    if len(plain) <= MAX_COLUMN_CHARACTERS:
        return plain
    mark = digest(text.encode(errors="replace"), 8)
    return f"{plain[: MAX_COLUMN_CHARACTERS - len(mark) - 1]}~{mark}"
