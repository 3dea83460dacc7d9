"""What all screens have in common: they are drawn after news and ticks, and only where something changed."""

from collections.abc import Iterable, Mapping

from rich.text import Text
from textual.app import SystemCommand
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from hemostat.tui.context import DashboardContext


class Sought(Message):
    """What was kept of these containers, by key, is to be looked up."""

    def __init__(self, places: Mapping[str, tuple[str, str]]) -> None:
        super().__init__()
        self.places = places


class Live(Screen[None]):
    """A screen whose `draw` is called after news, once a tick, and when it comes (back) on top."""

    def __init__(self, model: DashboardContext) -> None:
        super().__init__()
        self.model = model
        self._is_laid_out = False

    def on_mount(self) -> None:
        if self.model.replay is not None:
            from hemostat.tui.widgets.replay_bar import ReplayBar

            self.mount(ReplayBar(self.model.replay), before=0)

    def draw(self) -> None:
        """Show the model as it is now. What did not change must not be drawn again."""
        raise NotImplementedError

    def commands(self) -> Iterable[SystemCommand]:
        """What the palette offers here besides the keys."""
        return ()

    def redraw(self) -> None:
        """Draw, if the screen is on top and stands: news come before it does, and while it is taken apart."""
        if self._is_laid_out and self.is_current and self.app.is_running:
            self.draw()

    def write(self, name: str, text: Text) -> None:
        """Update the Static of this id only if its text changed: where nothing happens, nothing is sent."""
        place = self.query_one(f"#{name}", Static)
        if place.content != text:
            place.update(text)

    def on_screen_resume(self) -> None:
        self.call_after_refresh(self._draw_first)

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    def _draw_first(self) -> None:
        self._is_laid_out = True
        self.redraw()
