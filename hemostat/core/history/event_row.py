"""An event as a row that can be asked for, whatever its type. Pure."""

import msgspec

from hemostat.core.text import escape_controls
from hemostat.events import Event, decode, digest, encode

MAX_COLUMN_CHARACTERS = 200
"""Characters of a column. Names come from outside, and databases index only so much."""


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """`time` is the event's and `kept` when it was stored, epoch seconds; `body` the event as it travels.
    What the event does not say is empty."""

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
        """Raises DecodeError where it was written by a version that said things otherwise."""
        return decode(self.body.encode())


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are asked for; what is None does not matter. `since` is included, `until` is not."""

    since: float | None = None
    until: float | None = None
    type: str | None = None
    host: str | None = None
    container: str | None = None
    project: str | None = None
    kind: str | None = None
    outcome: str | None = None
    incident: str | None = None


def build_row(event: Event, kept: float) -> EventRow:
    """Known by its fields' names, so that a type that is new needs nothing here."""
    alert = getattr(event.data, "alert", None)
    container = getattr(event.data, "container", None) or getattr(alert, "container", None)
    kind = getattr(event.data, "kind", None) or getattr(alert, "kind", None)
    return EventRow(
        id=fit_column(event.id),
        time=event.time,
        kept=kept,
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
    """What any database takes and indexes; where it had to be cut, still another than any other text's."""
    plain = escape_controls(text)
    if len(plain) <= MAX_COLUMN_CHARACTERS:
        return plain
    mark = digest(text.encode(errors="replace"), 8)
    return f"{plain[: MAX_COLUMN_CHARACTERS - len(mark) - 1]}~{mark}"
