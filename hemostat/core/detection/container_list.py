"""Decides from the engine's container list which containers to inspect when their events were missed.

The list has no times, only words for how long a state has lasted. The words are coarse: a state that is at
most YOUNG_SECONDS old may have begun again since the last list, so that container is always inspected.
"""

from typing import Final

from hemostat.core.detection.event_cursor import OVERLAP_SECONDS
from hemostat.core.model import ContainerInfo, ListedContainer

YOUNG_SECONDS: Final = 120.0
"""Twice the time between two lists."""
EVENT_GRACE_SECONDS: Final = 45.0
"""Seconds for which a death found in the list is left to its events, which show whether a user wanted the
stop. A dead connection is renewed within this time."""
LOOK_BACK_SECONDS: Final = 180.0
"""Maximum age in seconds of a death that a list finds. Earlier lists may have failed."""


def has_changed(known_info: ContainerInfo | None, row: ListedContainer, now: float) -> bool:
    """Return whether the container must be inspected to know its state."""
    if known_info is None or (known_info.ref.name, known_info.status) != (row.ref.name, row.status):
        return True
    if row.health is None and known_info.is_running and known_info.check is not None:
        return True  # Podman's list does not show the health.
    if row.health not in {None, known_info.health} or row.exit_code not in {None, known_info.exit_code}:
        return True
    return row.age is not None and row.age <= max(YOUNG_SECONDS, now - _find_status_start(known_info))


def _find_status_start(known_info: ContainerInfo) -> float:
    """Return when the current status began (epoch seconds)."""
    return known_info.started_at if known_info.status in {"running", "paused"} else known_info.finished_at


def is_older(info: ContainerInfo, known_info: ContainerInfo | None) -> bool:
    """Return whether events have shown a later start or end of the process than the inspection did."""
    if known_info is None:
        return False
    if info.started_at != known_info.started_at:
        return info.started_at < known_info.started_at
    return info.is_running and not known_info.is_running


def is_unseen_death(known_info: ContainerInfo | None, info: ContainerInfo) -> bool:
    """Return whether an inspection shows the end of a process that was not known to have ended."""
    if info.is_running:
        return False
    return known_info is None or known_info.is_running or known_info.started_at != info.started_at


def is_left_to_events(info: ContainerInfo, seen_until: float, now: float) -> bool:
    """Return whether the events about the container's end may still arrive. `seen_until`: the time of the
    last event."""
    if info.is_running or seen_until > info.finished_at + OVERLAP_SECONDS:
        return False
    return 0 <= now - info.finished_at < EVENT_GRACE_SECONDS
