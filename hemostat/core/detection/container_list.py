"""What the engine's list tells of containers whose events were not seen, without inspecting each.

The list holds no times, only words for how long something has been so. They are coarse: what is YOUNG_SECONDS
old or less may have begun again since it was looked at last, and is always inspected.
"""

from typing import Final

from hemostat.core.detection.event_cursor import OVERLAP_SECONDS
from hemostat.core.model import ContainerInfo, ListedContainer

YOUNG_SECONDS: Final = 120.0
"""Twice the time from one list to the next."""
EVENT_GRACE_SECONDS: Final = 45.0
"""For which a death that the list shows is left to its events, which tell whether somebody wanted it: a dead
connection is renewed within this time."""
LOOK_BACK_SECONDS: Final = 180.0
"""How long ago a death may be that a list finds: some lists may have failed."""


def has_changed(known: ContainerInfo | None, row: ListedContainer, now: float) -> bool:
    """Whether the container must be inspected to know what has become of it."""
    if known is None or (known.ref.name, known.status) != (row.ref.name, row.status):
        return True
    if row.health not in {None, known.health} or row.exit_code not in {None, known.exit_code}:
        return True
    return row.age is not None and row.age <= max(YOUNG_SECONDS, now - _find_status_start(known))


def _find_status_start(known: ContainerInfo) -> float:
    """Since when it is as it is."""
    return known.started_at if known.status in {"running", "paused"} else known.finished_at


def is_unseen_death(known: ContainerInfo | None, info: ContainerInfo) -> bool:
    """Whether an inspection shows the end of a process that was not known to have ended."""
    if info.running:
        return False
    return known is None or known.running or known.started_at != info.started_at


def is_left_to_events(info: ContainerInfo, seen_until: float, now: float) -> bool:
    """Whether the events about its end may still come. `seen_until`: the time of the last event."""
    if info.running or seen_until > info.finished_at + OVERLAP_SECONDS:
        return False
    return 0 <= now - info.finished_at < EVENT_GRACE_SECONDS
