"""The dashboard's application: it updates the state, informs the top screen, and handles global keys."""

import asyncio
import io
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import ClassVar, Final

import msgspec
from rich.terminal_theme import TerminalTheme
from textual.app import App, SuspendNotSupported, SystemCommand
from textual.binding import ActiveBinding, Binding, BindingType
from textual.driver import Driver
from textual.events import DeliveryComplete, DeliveryFailed
from textual.message import Message
from textual.screen import Screen
from textual.theme import Theme

from hemostat.core.text import escape_controls
from hemostat.ports import ContainerShell
from hemostat.tui.context import DashboardContext, Exports
from hemostat.tui.data.feed import DELIVER_SECONDS, Feed
from hemostat.tui.data.pending import PendingOrders
from hemostat.tui.data.state import FeedUpdate, apply_update
from hemostat.tui.driver import TerminalDriver
from hemostat.tui.render.themes import OWN_THEMES, PALETTES
from hemostat.tui.render.wrap import strip_fonts
from hemostat.tui.screens.live import HistoryRequested, LiveScreen
from hemostat.tui.screens.main import MainScreen
from hemostat.tui.terminal_reset import protect_terminal
from hemostat.tui.widgets.help import HelpScreen

TICK_SECONDS: Final = 1.0
"""Seconds between two checks of time-dependent content. Only changes are drawn."""
SLOW_TICK_SECONDS: Final = 2.0
"""The same, and seconds between two updates, on a slow line."""


class UpdateReceived(Message):
    """An update from the feed's thread."""

    def __init__(self, update: FeedUpdate) -> None:
        super().__init__()
        self.update = update


class Dashboard(App[None]):
    CSS_PATH = "screens/main.tcss"
    """Styles of the first screen. Textual loads those of pushed screens itself."""
    AUTO_FOCUS = None
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (190, "-wide")]  # noqa: RUF012 - the base class declares it this way
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?", id="help", tooltip="show the keys"),
        Binding("q", "quit", "Quit", id="quit", tooltip="quit; the roles continue"),
        Binding(
            "ctrl+c",
            "quit",
            "Quit",
            key_display="^c",
            show=False,
            priority=True,
            tooltip="quit; the roles continue",
        ),
        Binding(
            "colon",
            "command_palette",
            "Commands",
            key_display=":",
            show=False,
            id="commands",
            tooltip="search commands by name",
        ),
    ]

    def __init__(self, model: DashboardContext, *, colourless: bool = False, hint: str = "") -> None:
        """`hint` is shown once, at the start."""
        super().__init__(driver_class=_choose_driver(), ansi_color=True if colourless else None)
        self.animation_level = "none"
        self.model = model
        self._hint = hint
        self._pending_orders = PendingOrders()
        self._drawn_at = 0.0
        """When an update was last drawn, by the monotonic clock."""
        slow = model.looks.slow
        self._tick_seconds = SLOW_TICK_SECONDS if slow else TICK_SECONDS
        every = SLOW_TICK_SECONDS if slow else DELIVER_SECONDS
        self._make_feed: Callable[[], Feed] = lambda: Feed(
            model.bus, model.clock, self._post_update, every=every, safety=model.safety
        )
        self._feed = self._make_feed()
        self.set_keymap(model.looks.keys)
        for theme in OWN_THEMES:
            self.register_theme(theme)
        if not colourless:
            saved_theme = model.view.theme if model.view.theme in self.available_themes else ""
            self.theme = saved_theme or model.looks.theme or ("ansi-dark" if slow else self.theme)

    @property
    def ansi_theme(self) -> TerminalTheme:
        """What the names of colours mean in the present theme."""
        return PALETTES.get(self.theme) or super().ansi_theme

    def get_default_screen(self) -> Screen[None]:
        return MainScreen(self.model)

    def on_mount(self) -> None:
        # Without this handler the terminal would stay in the dashboard's mode.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        # Draw the first screen before the feed loads any data.
        self.call_after_refresh(self._feed.start)
        self.set_interval(self._tick_seconds, self._tick)
        self.theme_changed_signal.subscribe(self, self._save_theme)
        for message in filter(None, (self._hint, self.model.save_error)):
            self.notify(escape_controls(message), markup=False)

    def on_unmount(self) -> None:
        self._feed.stop()

    def _tick(self) -> None:
        """Draw what depends on the time, unless an update has just done so."""
        if time.monotonic() - self._drawn_at >= self._tick_seconds / 2:
            self._apply_update(FeedUpdate(lost=self.model.state.lost))

    def _post_update(self, update: FeedUpdate) -> None:
        self.post_message(UpdateReceived(update))

    def on_update_received(self, message: UpdateReceived) -> None:
        self._apply_update(message.update)

    def _apply_update(self, update: FeedUpdate) -> None:
        self._drawn_at = time.monotonic()
        self.model.state = apply_update(self.model.state, update, self.model.clock.now())
        if self.screen_stack and isinstance(self.screen, LiveScreen):
            self.screen.redraw()
        for text, tone in self._pending_orders.take_messages(self.model.state.log, self.model.clock.now()):
            self.notify(escape_controls(text), severity=tone, markup=False)

    def on_history_requested(self, message: HistoryRequested) -> None:
        self._feed.request_history(message.keys)

    def on_orders_completed(self) -> None:
        for result in self.model.order_runner.take_results():
            if result.why:
                self.notify(escape_controls(result.failure), severity="error", markup=False)
                continue
            self._pending_orders.expect(result.done, self.model.clock.now())
            self.notify(escape_controls(result.done.told), markup=False)
        self._apply_update(FeedUpdate(lost=self.model.state.lost))

    def run_shell(self, shell: ContainerShell, container: str, name: str) -> None:
        """Step aside until the shell ends. The loop stands still, so nothing may be fed meanwhile."""
        self._feed.stop()
        try:
            with self.suspend(), protect_terminal():
                print(escape_controls(f"a shell in {name}; exit returns to the dashboard"), flush=True)  # noqa: T201
                shell.run(container)
        except SuspendNotSupported:
            self.notify("this terminal cannot be left for a shell", severity="warning")
        self._feed = self._make_feed()
        self._feed.start()

    def _deliver_screen(self) -> None:
        """As a download or a file, never as a page that the browser opens: it contains text of containers."""
        screenshot = strip_fonts(self.export_screenshot())
        self.deliver_text(io.StringIO(screenshot), save_filename=f"hemostat-{self.model.clock.now():.0f}.svg")

    def on_delivery_complete(self, event: DeliveryComplete) -> None:
        self.notify(escape_controls(f"written: {event.path}" if event.path else "downloaded"), markup=False)

    def on_delivery_failed(self, event: DeliveryFailed) -> None:
        self.notify(escape_controls(f"not written: {event.exception}"), severity="error", markup=False)

    async def action_quit(self) -> None:
        # `ctrl+c` arrives here before the screen has handled earlier keys.
        if not self.screen.call_later(self.exit):
            self.exit()

    def _save_theme(self, theme: Theme) -> None:
        self.model.change_view(msgspec.structs.replace(self.model.view, theme=theme.name))

    def action_help(self) -> None:
        self.push_screen(HelpScreen(self._list_keys(self.screen)))

    def _list_keys(self, screen: Screen[object]) -> list[ActiveBinding]:
        """The bindings that are active now and have a tooltip, the screen's first."""
        own_keys = [each for each in screen.active_bindings.values() if each.binding.tooltip]
        return sorted(own_keys, key=lambda each: each.node is self)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Commands for every key, so that help lists them all, and commands without a key."""
        listed = {"command_palette"}
        for each in self._list_keys(screen):
            binding = each.binding
            if each.enabled and binding.action not in listed:
                listed.add(binding.action)
                yield SystemCommand(
                    binding.description,
                    binding.tooltip,
                    lambda action=binding.action, node=each.node: self.run_action(action, node),
                )
        yield SystemCommand("Theme", "change the colours", self.action_change_theme)
        if self.model.exports is not Exports.NONE:
            yield SystemCommand("Screenshot", "save this screen as SVG", self._deliver_screen)
        if isinstance(screen, LiveScreen):
            yield from screen.list_commands()


def _choose_driver() -> type[Driver] | None:
    """The driver. None if the environment names one, as textual-serve does."""
    return None if os.environ.get("TEXTUAL_DRIVER") else TerminalDriver
