"""Notes that a monitor keeps about its alerts, separately from the events that report them.

A client that may write requests can write any incident, occurrence or time into one. The monitor therefore
notes each alert that it raises, and each incident that ended, in keys that only its user may write. The
responder compares a request with these notes (core.remediation.request_check).

An incident has a bounded number of notes, however often it returns: the note of an occurrence replaces that
of the one MAX_OCCURRENCES before. Monitors of earlier versions wrote a note for each occurrence.
"""

from contextlib import suppress
from typing import Final, TypeVar

import msgspec

from hemostat.events import Event, HealthAlert, Phase

LATEST_SUFFIX: Final = ":latest"
OVER_SUFFIX: Final = ":over"
MAX_OCCURRENCES: Final = 8
"""Occurrences of an incident that have a note: the latest. One request of an incident is carried out at a
time, and a budget allows a few actions an hour."""
MAX_DIGITS: Final = 18

T = TypeVar("T")


class RaisedAlert(msgspec.Struct, frozen=True, array_like=True):
    """One alert: the id of the container, the kind, and when the condition began (epoch seconds). Monitors of
    earlier versions wrote no occurrence."""

    container: str
    kind: str
    since: float
    occurrence: int = 0


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
    if alert.phase is Phase.CLEARED:
        return [(OVER_SUFFIX, _encode(Progress(alert.occurrence)))]
    return build_raised_notes(alert)


def build_raised_notes(alert: HealthAlert) -> list[tuple[str, str]]:
    """Return the notes of an alert that was raised, the name first. The name expires first: while it exists,
    the other notes of the alert exist too."""
    progress = _encode(Progress(alert.occurrence))
    return [("", alert.container.name), build_occurrence_note(alert), (LATEST_SUFFIX, progress)]


def build_occurrence_note(alert: HealthAlert) -> tuple[str, str]:
    """Return the key's suffix and the value of the note that this occurrence was raised."""
    raised = RaisedAlert(alert.container.id, alert.kind, alert.since, alert.occurrence)
    return make_occurrence_suffix(alert.occurrence), _encode(raised)


def make_occurrence_suffix(occurrence: int) -> str:
    return f":{_get_place(occurrence)}"


def list_note_suffixes(key: str) -> tuple[str, ...]:
    """Return the suffixes of the notes for a request with this key (core.remediation.repetition): first that
    of the container's name, then those of the notes in the order of `read_notes`."""
    occurrence = _get_occurrence(key)
    return "", make_occurrence_suffix(occurrence), f":{occurrence}", LATEST_SUFFIX, OVER_SUFFIX


def read_notes(
    key: str,
    alert: str | bytes | None,
    earlier: str | bytes | None,
    latest: str | bytes | None,
    over: str | bytes | None,
) -> IncidentNotes:
    """Return the notes for a request with this key from the values under its suffixes, without that of the
    name. `earlier` is under the suffix of earlier versions. An unreadable value counts as no note."""
    wanted = _get_occurrence(key)
    candidates = ((_decode(alert, RaisedAlert), _get_place(wanted)), (_decode(earlier, RaisedAlert), wanted))
    own = (
        raised
        for raised, place in candidates
        if raised is not None and wanted == (raised.occurrence or place)
    )
    return IncidentNotes(
        alert=next(own, None),
        latest=(_decode(latest, Progress) or Progress()).occurrence,
        over=(_decode(over, Progress) or Progress()).occurrence,
    )


def _get_place(occurrence: int) -> int:
    """Return the number of an occurrence's note, from 1 to MAX_OCCURRENCES."""
    return (occurrence - 1) % MAX_OCCURRENCES + 1


def _get_occurrence(key: str) -> int:
    """Return the occurrence of a request's key; 0 if the key has none."""
    text = key.rpartition(":")[0].rpartition(":")[2]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else 0


def _encode(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()


def _decode(raw: str | bytes | None, shape: type[T]) -> T | None:
    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        return msgspec.json.decode(raw or b"", type=shape)
    return None
