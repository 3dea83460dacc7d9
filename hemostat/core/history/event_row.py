"""An event as a row that can be asked for, whatever its type. Pure."""

import msgspec

from hemostat.core.text import clean
from hemostat.events import Event, decode, digest, encode

LONGEST = 200
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


def record(event: Event, kept: float) -> EventRow:
    """Known by its fields' names, so that a type that is new needs nothing here."""
    alert = getattr(event.data, "alert", None)
    container = getattr(event.data, "container", None) or getattr(alert, "container", None)
    kind = getattr(event.data, "kind", None) or getattr(alert, "kind", None)
    return EventRow(
        id=column(event.id),
        time=event.time,
        kept=kept,
        type=event.type,
        host=column(event.host),
        container=column(container if isinstance(container, str) else getattr(container, "name", "")),
        project=column(getattr(container, "project", None) or ""),
        kind=column(str(kind or "")),
        outcome=column(str(getattr(event.data, "outcome", None) or "")),
        incident=column(event.incident or ""),
        body=encode(event).decode(),
    )


def column(text: str) -> str:
    """What any database takes and indexes; where it had to be cut, still another than any other text's."""
    plain = clean(text)
    if len(plain) <= LONGEST:
        return plain
    mark = digest(text.encode(errors="replace"), 8)
    return f"{plain[: LONGEST - len(mark) - 1]}~{mark}"
