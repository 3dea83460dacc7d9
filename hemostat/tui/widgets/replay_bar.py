"""The bar on every screen of a replay, so that recorded data is not taken for live data."""

from datetime import datetime
from typing import Final

from rich.text import Text
from textual.widgets import Static

from hemostat.core.history import playback
from hemostat.tui.data.replay import ReplayClock
from hemostat.tui.render.text import fit

REFRESH_SECONDS: Final = 0.25
"""Seconds between two checks of the position."""
NAME_WIDTH: Final = 16
"""Cells for the replay's name."""
KEYS_TEXT: Final = "0 pause  - + speed  , . 10 s  < > incident"


class ReplayBar(Static):
    DEFAULT_CSS = "ReplayBar { dock: top; height: 2; text-style: reverse; }"

    def __init__(self, clock: ReplayClock) -> None:
        super().__init__()
        self._clock = clock

    def on_mount(self) -> None:
        self.set_interval(REFRESH_SECONDS, self.update_bar)

    def on_resize(self) -> None:
        self.update_bar()

    def update_bar(self) -> None:
        text = draw_bar(self._clock, self.size.width)
        if self.content != text:
            self.update(text)


def draw_bar(clock: ReplayClock, width: int) -> Text:
    """Two lines of `width` cells: name, position and length of the replay; its track and the keys."""
    recording, now = clock.recording, clock.playback_position
    moment = f"{datetime.fromtimestamp(now.position).astimezone():%a %d %b %H:%M:%S}"
    passed, total = now.position - recording.begin, recording.end - recording.begin
    name = fit(clock.name, NAME_WIDTH).rstrip()
    status = f"{name}  {_describe_state(clock)}  {moment}  {_format_time(passed)} of {_format_time(total)}"
    keys = f"  {KEYS_TEXT} " if width > 2 * len(KEYS_TEXT) - NAME_WIDTH else " "
    track = playback.draw_track(recording, now.position, max(0, width - len(keys) - 1))
    return Text.assemble((fit(f" REPLAY  {status}", width), "bold"), "\n", fit(f" {track}{keys}", width))


def _describe_state(clock: ReplayClock) -> str:
    now = clock.playback_position
    if playback.is_at_end(clock.recording, now):
        return "■ END"
    return f"{'‖ PAUSED' if now.paused else '▶'} {playback.format_speed(now.speed)}"


def _format_time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
