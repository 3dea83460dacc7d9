"""The dashboard's frame: news in, the screen on top is told; keys that hold everywhere."""

import asyncio
import signal
from collections.abc import Iterable
from typing import ClassVar, Final

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from hemostat.tui.feed import Feed
from hemostat.tui.help import Help
from hemostat.tui.model import Model
from hemostat.tui.screens.live import Live
from hemostat.tui.screens.main import Main
from hemostat.tui.state import News, apply

TICK: Final = 1.0
"""Seconds between two looks at what time alone changes; nothing is drawn unless it did."""


class Came(Message):
    """News from the feed's thread."""

    def __init__(self, news: News) -> None:
        super().__init__()
        self.news = news


class Dashboard(App[None]):
    AUTO_FOCUS = None
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (190, "-wide")]  # noqa: RUF012 - the base class has it so
    COMMAND_PALETTE_BINDING = "colon"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?", id="help", tooltip="the keys"),
        Binding("q", "quit", "Quit", id="quit", tooltip="leave; roles go on"),
        Binding("ctrl+c", "quit", "Quit", key_display="^c", show=False, priority=True, tooltip="the same"),
    ]

    def __init__(self, model: Model, *, colourless: bool = False) -> None:
        super().__init__(ansi_color=True if colourless else None)
        self.animation_level = "none"
        self.model = model
        self.set_keymap(model.looks.keys)
        self._feed = Feed(model.bus, model.clock, lambda news: self.post_message(Came(news)))

    def get_default_screen(self) -> Screen[None]:
        return Main(self.model)

    def on_mount(self) -> None:
        # Without this the terminal would be left in the dashboard's mode.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        self._feed.start()
        self.set_interval(TICK, lambda: self._take(News(lost=self.model.state.lost)))

    def on_unmount(self) -> None:
        self._feed.stop()

    def on_came(self, message: Came) -> None:
        self._take(message.news)

    def _take(self, news: News) -> None:
        self.model.state = apply(self.model.state, news, self.model.clock.now())
        if self.screen_stack and isinstance(self.screen, Live):
            self.screen.redraw()

    def action_help(self) -> None:
        self.push_screen(Help([each.binding for each in self.screen.active_bindings.values()]))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Whatever a key does; so nothing is in the palette that help does not list."""
        for each in screen.active_bindings.values():
            if each.enabled and each.node in {self, screen}:
                title = each.binding.tooltip or each.binding.description
                yield SystemCommand(
                    each.binding.description,
                    title,
                    lambda each=each: self.run_action(each.binding.action, each.node),
                )
