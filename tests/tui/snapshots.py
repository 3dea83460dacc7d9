"""What a screen showed, as text, against what it is to show.

HEMOSTAT_SNAPSHOTS=write python -m pytest tests/tui  # writes them anew; look at the difference
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

PLACE = Path(__file__).parent / "snapshots"


def compare(name: str, lines: Sequence[str]) -> None:
    path = PLACE / f"{name}.txt"
    told = "\n".join(lines) + "\n"
    if os.environ.get("HEMOSTAT_SNAPSHOTS") == "write":
        PLACE.mkdir(exist_ok=True)
        path.write_text(told, "utf-8")
    assert told == path.read_text("utf-8")


@pytest.fixture
def utc(monkeypatch):
    """Times are shown as they are here."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
