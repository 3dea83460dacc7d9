"""What a monitor notes about its alerts, as a responder reads it."""

import pytest

from hemostat.core.ledger.alert_notes import IncidentNotes, read_notes


@pytest.mark.parametrize("raw", [b"", b"x", b"\xff", b"{}", b'["a","b",1.0,' + b"[" * 100_000])
def test_unreadable_note_is_ignored(raw):
    assert read_notes(raw, raw, raw.replace(b'"a","b",1.0', b"3")) == IncidentNotes()
