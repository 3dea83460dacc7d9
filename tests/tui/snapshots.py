"""What a screen shows, as text, against what it is to show.

HEMOSTAT_SNAPSHOTS=write python -m pytest tests/tui  # writes them anew; look at the difference
"""

import os
import time
from pathlib import Path

import pytest

from tests.support.dashboard import screen

PLACE = Path(__file__).parent / "snapshots"
STILL = 150
"""Looks, 20 ms apart, at which nothing has changed: nothing comes any more then."""


async def compare(pilot, name: str) -> None:
    """Wait until the screen shows it; it is wrong where it comes to rest on something else."""
    path, writes = PLACE / f"{name}.txt", os.environ.get("HEMOSTAT_SNAPSHOTS") == "write"
    wanted = path.read_text("utf-8") if path.exists() else ""
    told, still = "", 0
    while still < STILL and (writes or told != wanted):
        await pilot.pause(0.02)
        before, told = told, "\n".join(screen(pilot.app)) + "\n"
        still = still + 1 if told == before else 0
    if writes:
        PLACE.mkdir(exist_ok=True)
        path.write_text(told, "utf-8")
    else:
        assert told == wanted


@pytest.fixture
def utc(monkeypatch):
    """Times are shown as they are here."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
