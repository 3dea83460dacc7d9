"""The base of all screens: they are drawn after updates and ticks, and only changes are drawn."""

from collections.abc import Iterable, Mapping

from rich.text import Text
from textual.app import SystemCommand
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from hemostat.tui.context import DashboardContext
from hemostat.tui.widgets.lines import Lines


class HistoryRequested(Message):
    """Requests the history of these containers, by key."""

    def __init__(self, keys: Mapping[str, tuple[str, str]]) -> None:
        super().__init__()
        self.keys = keys


class LiveScreen(Screen[None]):
    """A screen whose `draw` is called after updates, once a tick, and when the screen becomes the top one."""

    def __init__(self, model: DashboardContext) -> None:
        super().__init__()
        self.model = model
        self._is_laid_out = False

    def on_mount(self) -> None:
        if self.model.replay is not None:
            from hemostat.tui.widgets.replay_bar import ReplayBar

            self.mount(ReplayBar(self.model.replay), before=0)

    def draw(self) -> None:
        """Show the current state. Unchanged parts must not be drawn again."""
        raise NotImplementedError

    def list_commands(self) -> Iterable[SystemCommand]:
        """Commands of the palette beside the keys."""
        return ()

    def redraw(self) -> None:
        """Draw if the screen is on top and laid out: updates arrive before that, and during its removal."""
        if self._is_laid_out and self.is_current and self.app.is_running:
            self.draw()

    def update_static(self, name: str, text: Text) -> None:
        """Update the Static of this id if its text changed, so that an idle screen sends nothing."""
        widget = self.query_one(f"#{name}", Static)
        if widget.content != text:
            widget.update(text)

    def action_scroll_lines(self, name: str, pages: int) -> None:
        """Scroll the lines of this id by pages, as the mouse wheel does by lines."""
        lines = self.query_one(f"#{name}", Lines)
        lines.scroll_relative(y=pages * max(1, lines.size.height - 1), animate=False, immediate=True)

    def on_screen_resume(self) -> None:
        self.redraw()  # Before the first frame, which would show what was true when the screen was left.
        self.call_after_refresh(self._draw_first)

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    def _draw_first(self) -> None:
        self._is_laid_out = True
        self.redraw()
