"""What a monitor notes about its alerts, as a responder reads it."""

import pytest

from hemostat.core.ledger.alert_notes import (
    MAX_OCCURRENCES,
    IncidentNotes,
    RaisedAlert,
    build_notes,
    list_note_suffixes,
    read_notes,
)
from hemostat.events import Phase
from tests.support.samples import alert, event

START = 1000.0


def read(notes: dict[str, str], occurrence: int) -> IncidentNotes:
    key = f"i1:{occurrence}:0"
    _, *suffixes = list_note_suffixes(key)
    return read_notes(key, *map(notes.get, suffixes))


def note_occurrences(count: int) -> dict[str, str]:
    """The notes of an incident that has returned, by suffix."""
    notes: dict[str, str] = {}
    for number in range(1, count + 1):
        notes |= build_notes(event(alert(occurrence=number, since=START + number)))
        notes |= build_notes(event(alert(occurrence=number, phase=Phase.CLEARED)))
    return notes


@pytest.mark.parametrize("raw", [b"", b"x", b"\xff", b"{}", b'["a","b",1.0,' + b"[" * 100_000])
def test_unreadable_note_is_ignored(raw):
    notes = read_notes("i1:1:0", raw, raw, raw, raw.replace(b'"a","b",1.0', b"3"))
    assert notes == IncidentNotes()


def test_incident_that_returns_endlessly_has_few_notes():
    assert len(note_occurrences(500)) == MAX_OCCURRENCES + 3


def test_latest_occurrences_have_notes_and_earlier_have_not():
    notes = note_occurrences(20)
    found = [number for number in range(-5, 30) if read(notes, number).alert is not None]
    assert found == list(range(13, 21))
    assert read(notes, 17).alert == RaisedAlert("c1", "exited", START + 17, 17)
    assert read(notes, 12) == IncidentNotes(latest=20, over=20)


@pytest.mark.parametrize("occurrence", [1, 8, 9, 25])
def test_note_of_an_earlier_version_is_read(occurrence):
    notes = {f":{occurrence}": '["c1","exited",1000.0]', ":latest": f"[{occurrence}]"}
    raised = RaisedAlert("c1", "exited", START)
    assert read(notes, occurrence) == IncidentNotes(alert=raised, latest=occurrence)
    assert read(notes, occurrence + MAX_OCCURRENCES).alert is None


@pytest.mark.parametrize("key", ["", "i1", "i1::0", "i1:x:0", "i1:-1:0", "i1:\u00b2:0", f"i1:{'9' * 5000}:0"])
def test_key_without_an_occurrence_has_no_note(key):
    notes = note_occurrences(20)
    _, *suffixes = list_note_suffixes(key)
    assert read_notes(key, *map(notes.get, suffixes)).alert is None
