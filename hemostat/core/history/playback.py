"""Playing a recording: where one is after some time, a step, a jump. Pure; times are epoch seconds."""

from bisect import bisect_left, bisect_right
from typing import Final

import msgspec

from hemostat.core.history.replay import Replay

JUMP_SPEED: Final = 0.0
"""The speed at which what nothing is told of is passed over, and the rest played as it was."""
SPEEDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, JUMP_SPEED)
"""Recorded seconds a second."""
LEAD_SECONDS: Final = 3.0
"""Seconds before and after what is told that a jump leaves to be seen."""


class PlaybackPosition(msgspec.Struct, frozen=True):
    position: float
    speed: float = 1.0
    paused: bool = False


def advance(recording: Replay, playing: PlaybackPosition, elapsed: float) -> PlaybackPosition:
    """After `elapsed` seconds. At its end it stands still, so that what is shown stays."""
    if playing.paused or elapsed <= 0:
        return playing
    position = playing.position + elapsed * (playing.speed or 1.0)
    if playing.speed == JUMP_SPEED:
        position = max(position, _find_jump_target(recording, playing.position))
    return move_to(recording, playing, position)


def _find_jump_target(recording: Replay, position: float) -> float:
    """Where a jump leads to: shortly before the next that is told; nowhere while the last is being seen."""
    place = bisect_right(recording.told, position)
    if place and position - recording.told[place - 1] < LEAD_SECONDS:
        return position
    return recording.told[place] - LEAD_SECONDS if place < len(recording.told) else recording.end


def move_to(recording: Replay, playing: PlaybackPosition, position: float) -> PlaybackPosition:
    """Elsewhere, within the recording."""
    return msgspec.structs.replace(playing, position=min(max(position, recording.begin), recording.end))


def is_at_end(recording: Replay, playing: PlaybackPosition) -> bool:
    return playing.position >= recording.end


def change_speed(playing: PlaybackPosition, steps: int) -> PlaybackPosition:
    place = min(max(SPEEDS.index(playing.speed) + steps, 0), len(SPEEDS) - 1)
    return msgspec.structs.replace(playing, speed=SPEEDS[place])


def jump_to_incident(recording: Replay, playing: PlaybackPosition, direction: int) -> PlaybackPosition:
    """To shortly before the next incident begins (1), or back to where the latest did (-1), or the one before
    if that is where one is; nowhere where there is none."""
    starts = [max(recording.begin, begin - LEAD_SECONDS) for begin in recording.incidents]
    if direction > 0:
        place = bisect_right(starts, playing.position)
    else:
        place = bisect_left(starts, playing.position - LEAD_SECONDS) - 1
    return move_to(recording, playing, starts[place]) if 0 <= place < len(starts) else playing


def compute_share(recording: Replay, position: float) -> float:
    """How much of the recording lies before: 0 to 1."""
    whole = recording.end - recording.begin
    return (position - recording.begin) / whole if whole > 0 else 1.0


def draw_track(recording: Replay, position: float, width: int) -> str:
    """The whole recording in `width` cells: what was played, what comes, and where incidents begin."""
    if width <= 0:
        return ""
    here = _find_cell(compute_share(recording, position), width)
    marks = {_find_cell(compute_share(recording, begin), width) for begin in recording.incidents}
    cells = ["━"] * here + ["─"] * (width - here)
    for cell in marks:
        cells[cell] = "!"
    cells[here] = "●"
    return "".join(cells)


def _find_cell(part: float, width: int) -> int:
    return min(width - 1, int(part * width))


def format_speed(speed: float) -> str:
    return "jump" if speed == JUMP_SPEED else f"{speed:g}x"
