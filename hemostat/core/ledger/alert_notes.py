"""The notes that a monitor keeps of its alerts, apart from the events that tell them.

Whoever may write requests can write any incident, occurrence or time into one. So the monitor notes each
alert that it raises, and each incident that is over, in keys that its user alone may write. The responder
compares a request with them (core.remediation.request_check).
"""

from contextlib import suppress
from typing import Final, TypeVar

import msgspec

from hemostat.events import Event, HealthAlert, Phase

LATEST_SUFFIX: Final = ":latest"
OVER_SUFFIX: Final = ":over"

T = TypeVar("T")


class RaisedAlert(msgspec.Struct, frozen=True, array_like=True):
    """One alert: the id of the container, the kind, and when the condition began (epoch seconds)."""

    container: str
    kind: str
    since: float


class Progress(msgspec.Struct, frozen=True, array_like=True):
    occurrence: int = 0


class IncidentNotes(msgspec.Struct, frozen=True, kw_only=True):
    """`alert` is that of the request's occurrence; `latest` and `over` are numbers of occurrences, 0 where a
    monitor has noted none: the latest that was raised, and the latest that was cleared."""

    alert: RaisedAlert | None = None
    latest: int = 0
    over: int = 0


def build_notes(event: Event) -> list[tuple[str, str]]:
    """What the monitor notes with this event, as pairs of a key's suffix and a value. The value without a
    suffix is the container's name, as monitors of former versions wrote it alone."""
    alert = event.data
    if not isinstance(alert, HealthAlert) or event.incident is None:
        return []
    progress = _encode(Progress(alert.occurrence))
    if alert.phase is Phase.CLEARED:
        return [(OVER_SUFFIX, progress)]
    raised = RaisedAlert(alert.container.id, alert.kind, alert.since)
    # The name comes first, and so expires first: where it is known, the notes of the same alert are too.
    return [("", alert.container.name), (f":{alert.occurrence}", _encode(raised)), (LATEST_SUFFIX, progress)]


def list_note_suffixes(key: str) -> tuple[str, ...]:
    """Under which a request of this key (core.remediation.repetition) finds the name of its incident's
    container, and then the notes, in the order of `read_notes`."""
    occurrence = key.rpartition(":")[0].rpartition(":")[2]
    return "", f":{occurrence}", LATEST_SUFFIX, OVER_SUFFIX


def read_notes(
    alert: str | bytes | None, latest: str | bytes | None, over: str | bytes | None
) -> IncidentNotes:
    """From the values under the request's occurrence, LATEST and OVER. An unreadable value is no note."""
    return IncidentNotes(
        alert=_decode(alert, RaisedAlert),
        latest=(_decode(latest, Progress) or Progress()).occurrence,
        over=(_decode(over, Progress) or Progress()).occurrence,
    )


def _encode(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()


def _decode(raw: str | bytes | None, shape: type[T]) -> T | None:
    with suppress(msgspec.MsgspecError, UnicodeError):
        return msgspec.json.decode(raw or b"", type=shape)
    return None
