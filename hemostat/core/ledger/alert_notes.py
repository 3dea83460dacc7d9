"""Notes that a monitor keeps about its alerts, separately from the events that report them.

A client that may write requests can write any incident, occurrence or time into one. The monitor therefore
notes each alert that it raises, and each incident that ended, in keys that only its user may write. The
responder compares a request with these notes (core.remediation.request_check).
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
    """`alert` is the alert of the request's occurrence. `latest` and `over` are occurrence numbers, 0 if no
    monitor noted one: the latest that was raised, and the latest that was cleared."""

    alert: RaisedAlert | None = None
    latest: int = 0
    over: int = 0


def build_notes(event: Event) -> list[tuple[str, str]]:
    """Return what the monitor notes with this event, as pairs of a key's suffix and a value. The value
    without a suffix is the container's name, the only note that monitors of earlier versions wrote."""
    alert = event.data
    if not isinstance(alert, HealthAlert) or event.incident is None:
        return []
    progress = _encode(Progress(alert.occurrence))
    if alert.phase is Phase.CLEARED:
        return [(OVER_SUFFIX, progress)]
    raised = RaisedAlert(alert.container.id, alert.kind, alert.since)
    # The name is first and expires first: while it exists, the other notes of the alert exist too.
    return [("", alert.container.name), (f":{alert.occurrence}", _encode(raised)), (LATEST_SUFFIX, progress)]


def list_note_suffixes(key: str) -> tuple[str, ...]:
    """Return the suffixes of the notes for a request with this key (core.remediation.repetition): first that
    of the container's name, then those of the notes in the order of `read_notes`."""
    occurrence = key.rpartition(":")[0].rpartition(":")[2]
    return "", f":{occurrence}", LATEST_SUFFIX, OVER_SUFFIX


def read_notes(
    alert: str | bytes | None, latest: str | bytes | None, over: str | bytes | None
) -> IncidentNotes:
    """Return the notes from the values under the request's occurrence, LATEST_SUFFIX and OVER_SUFFIX. An
    unreadable value counts as no note."""
    return IncidentNotes(
        alert=_decode(alert, RaisedAlert),
        latest=(_decode(latest, Progress) or Progress()).occurrence,
        over=(_decode(over, Progress) or Progress()).occurrence,
    )


def _encode(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()


def _decode(raw: str | bytes | None, shape: type[T]) -> T | None:
    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        return msgspec.json.decode(raw or b"", type=shape)
    return None
