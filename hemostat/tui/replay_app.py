"""The dashboard for a replay, with keys to navigate in it."""

from typing import ClassVar, Final

from textual.binding import BindingType

from hemostat.core.text import escape_controls
from hemostat.tui.app import Dashboard
from hemostat.tui.context import DashboardContext
from hemostat.tui.data.replay import ReplayClock
from hemostat.tui.screens.binding import make_binding
from hemostat.tui.widgets.replay_bar import ReplayBar

STEP_SECONDS: Final = 10.0
"""Seconds of a step."""


class ReplayDashboard(Dashboard):
    BINDINGS: ClassVar[list[BindingType]] = [
        make_binding("0", "replay_pause", "Pause", "replay.pause", "pause or resume the replay"),
        make_binding("comma", "replay_step(-1)", "Back", "replay.back", "10 s back", display=","),
        make_binding("full_stop", "replay_step(1)", "On", "replay.on", "10 s forward", display="."),
        make_binding(
            "less_than_sign",
            "replay_incident(-1)",
            "Previous incident",
            "replay.before",
            "to the start of the previous incident",
            display="<",
        ),
        make_binding(
            "greater_than_sign",
            "replay_incident(1)",
            "Next incident",
            "replay.next",
            "to the start of the next incident",
            display=">",
        ),
        make_binding("minus", "replay_speed(-1)", "Slower", "replay.slower", "slower", display="-"),
        make_binding(
            "plus",
            "replay_speed(1)",
            "Faster",
            "replay.faster",
            "faster; at the fastest, skip time without events",
            display="+",
        ),
    ]

    def __init__(
        self, model: DashboardContext, clock: ReplayClock, *, colourless: bool = False, hint: str = ""
    ) -> None:
        super().__init__(model, colourless=colourless, hint=hint)
        self._clock = clock

    def on_mount(self) -> None:
        for note in self._clock.recording.notes:
            self.notify(escape_controls(note), markup=False)

    def action_replay_pause(self) -> None:
        self._clock.toggle_pause()
        self._update_bars()

    def action_replay_step(self, direction: int) -> None:
        self._clock.step(direction * STEP_SECONDS)
        self._update_bars()

    def action_replay_incident(self, direction: int) -> None:
        self._clock.go_to_incident(direction)
        self._update_bars()

    def action_replay_speed(self, steps: int) -> None:
        self._clock.change_speed(steps)
        self._update_bars()

    def _update_bars(self) -> None:
        """Update the bars at once after a key."""
        for bar in self.screen.query(ReplayBar):
            bar.update_bar()
