"""Playback of a replay: its position over time, steps and jumps. Pure. Times are epoch seconds."""

from bisect import bisect_left, bisect_right
from typing import Final

import msgspec

from hemostat.core.history.replay import Replay

JUMP_SPEED: Final = 0.0
"""The speed that skips stretches without durable events and plays the rest at recorded speed."""
SPEEDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, JUMP_SPEED)
"""Recorded seconds per second."""
LEAD_SECONDS: Final = 3.0
"""Seconds shown before and after an event when jumping."""


class PlaybackPosition(msgspec.Struct, frozen=True):
    position: float
    speed: float = 1.0
    paused: bool = False


def advance(recording: Replay, playback: PlaybackPosition, elapsed: float) -> PlaybackPosition:
    """The position after `elapsed` seconds. Playback stops at the end, so that the last state stays
    visible."""
    if playback.paused or elapsed <= 0:
        return playback
    position = playback.position + elapsed * (playback.speed or 1.0)
    if playback.speed == JUMP_SPEED:
        position = max(position, _find_jump_target(recording, playback.position))
    return move_to(recording, playback, position)


def _find_jump_target(recording: Replay, position: float) -> float:
    """Target of a jump: shortly before the next durable event. While the latest one is still shown, the
    position stays."""
    index = bisect_right(recording.durable_times, position)
    if index and position - recording.durable_times[index - 1] < LEAD_SECONDS:
        return position
    return (
        recording.durable_times[index] - LEAD_SECONDS
        if index < len(recording.durable_times)
        else recording.end
    )


def move_to(recording: Replay, playback: PlaybackPosition, position: float) -> PlaybackPosition:
    """Moves to a position within the replay."""
    return msgspec.structs.replace(playback, position=min(max(position, recording.begin), recording.end))


def is_at_end(recording: Replay, playback: PlaybackPosition) -> bool:
    return playback.position >= recording.end


def change_speed(playback: PlaybackPosition, steps: int) -> PlaybackPosition:
    index = min(max(SPEEDS.index(playback.speed) + steps, 0), len(SPEEDS) - 1)
    return msgspec.structs.replace(playback, speed=SPEEDS[index])


def jump_to_incident(recording: Replay, playback: PlaybackPosition, direction: int) -> PlaybackPosition:
    """Moves to shortly before the next incident's start (1), or back to the latest start (-1), or to the one
    before if the position is at that start. Without such an incident the position stays."""
    starts = [max(recording.begin, begin - LEAD_SECONDS) for begin in recording.incident_starts]
    if direction > 0:
        index = bisect_right(starts, playback.position)
    else:
        index = bisect_left(starts, playback.position - LEAD_SECONDS) - 1
    return move_to(recording, playback, starts[index]) if 0 <= index < len(starts) else playback


def compute_share(recording: Replay, position: float) -> float:
    """The share of the replay before the position: 0 to 1."""
    duration = recording.end - recording.begin
    return (position - recording.begin) / duration if duration > 0 else 1.0


def draw_track(recording: Replay, position: float, width: int) -> str:
    """The whole replay in `width` cells: the part played, the part to come, and the starts of incidents."""
    if width <= 0:
        return ""
    here = _find_cell(compute_share(recording, position), width)
    marks = {_find_cell(compute_share(recording, begin), width) for begin in recording.incident_starts}
    cells = ["━"] * here + ["─"] * (width - here)
    for cell in marks:
        cells[cell] = "!"
    cells[here] = "●"
    return "".join(cells)


def _find_cell(part: float, width: int) -> int:
    return min(width - 1, int(part * width))


def format_speed(speed: float) -> str:
    return "jump" if speed == JUMP_SPEED else f"{speed:g}x"
