"""The dashboard itself: news in, lines out, keys. What is shown is decided by state, grid and words."""

import asyncio
import signal
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Footer, Input, Static

from hemostat.core.picture import ContainerState
from hemostat.core.text import clean
from hemostat.ports import Bus, Clock
from hemostat.tui import grid, words
from hemostat.tui.feed import Feed
from hemostat.tui.help import Help
from hemostat.tui.lines import Lines
from hemostat.tui.state import News, State, about, apply, seen, silence

TICK: Final = 1.0
"""Seconds between two looks at what time alone changes; nothing is drawn unless it did."""


class Came(Message):
    """News from the feed's thread."""

    def __init__(self, news: News) -> None:
        super().__init__()
        self.news = news


class Dashboard(App[None]):
    CSS_PATH = "dashboard.tcss"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (190, "-wide")]  # noqa: RUF012 - the base class has it so
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Next", key_display="↓ j", show=False, tooltip="next container"),
        Binding("up,k", "move(-1)", "Previous", key_display="↑ k", show=False, tooltip="previous container"),
        Binding("enter", "only", "Its log", key_display="⏎", tooltip="only the log of this container"),
        Binding("escape", "all", "All", key_display="esc", tooltip="all containers, the whole log"),
        Binding("slash", "filter", "Filter", key_display="/", tooltip="filter by text; !text for the others"),
        Binding("f", "faults", "Faults", tooltip="only containers with a fault, or all again"),
        Binding("question_mark", "help", "Help", key_display="?", tooltip="this"),
        Binding("q", "quit", "Quit", tooltip="leave; roles go on"),
        Binding("ctrl+c", "quit", "Quit", key_display="^c", show=False, priority=True, tooltip="the same"),
    ]

    def __init__(self, bus: Bus, clock: Clock, *, colourless: bool = False) -> None:
        super().__init__(ansi_color=True if colourless else None)
        self.animation_level = "none"
        self._clock = clock
        self._state = State(heard=clock.now())
        self._feed = Feed(bus, clock, lambda news: self.post_message(Came(news)))
        self._shown: list[ContainerState] = []
        self._told: dict[str, Text] = {}
        """The log's lines by event: what happened does not change."""
        self._chosen: tuple[str, str] | None = None
        """Host and name of the container under the cursor."""
        self._only = False
        self._faults = False

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        with Vertical(id="body"):
            with Vertical(id="containers"):
                yield Static(id="header")
                yield Lines(id="grid")
            with Vertical(id="remediation"):
                yield Static(id="caption")
                yield Lines(follow=True, id="log")
        yield Static(id="status")
        yield Input(placeholder="filter: text, or !text for the others", id="filter", compact=True)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        # Without this the terminal would be left in the dashboard's mode.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        self._feed.start()
        self.set_interval(TICK, self._draw)
        self.call_after_refresh(self._draw)

    def on_unmount(self) -> None:
        self._feed.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def on_came(self, message: Came) -> None:
        self._state = apply(self._state, message.news, self._clock.now())
        self._draw()

    # --- drawing ------------------------------------------------------------------------------------

    def _draw(self) -> None:
        # News and ticks still come while the screen is taken apart.
        if not self.is_running or len(self.screen_stack) != 1:
            return
        now = self._clock.now()
        self._state = apply(self._state, News(lost=self._state.lost), now)
        picture = seen(self._state, now)
        wanted = self.query_one("#filter", Input).value
        self._shown = words.matching(picture.containers, wanted, faults=self._faults)
        self._write("title", words.title(picture))
        self._write("status", words.status(picture, silence(self._state, now)))
        self._draw_grid(words.incidents(picture), several=len({each.host for each in picture.containers}) > 1)
        self._draw_log()

    def _draw_grid(self, incidents: dict[tuple[str, str], str], *, several: bool) -> None:
        lines = self.query_one("#grid", Lines)
        width = lines.size.width
        self._write("header", grid.header(width))
        places = [(each.host, each.name) for each in self._shown]
        lines.show(
            [
                grid.container(each, incidents.get(place, ""), width, several=several)
                for each, place in zip(self._shown, places, strict=True)
            ]
        )
        lines.point(places.index(self._chosen) if self._chosen in places else None)

    def _draw_log(self) -> None:
        chosen = self._chosen if self._only else None
        events = self._state.log if chosen is None else about(self._state.log, *chosen)
        of = f" of {clean(chosen[1])}" if chosen else ""
        caption = Text(f"remediation log{of}")
        caption.append(self._reminder(), "bold")
        self._write("caption", caption)
        self._told = {each.id: self._told.get(each.id) or words.log_line(each) for each in self._state.log}
        self.query_one("#log", Lines).show([self._told[event.id] for event in events])

    def _reminder(self) -> str:
        """What is kept from sight, so that nobody takes it for gone."""
        wanted = self.query_one("#filter", Input).value
        parts = [f"filter {clean(wanted)}"] if wanted else []
        parts += ["faults only"] if self._faults else []
        return "".join(f"  [{part}]" for part in parts)

    def _write(self, name: str, text: Text) -> None:
        """Draw a line again only if it changed: a screen on which nothing happens sends nothing."""
        place = self.query_one(f"#{name}", Static)
        if place.content != text:
            place.update(text)

    # --- keys ---------------------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        places = [(each.host, each.name) for each in self._shown]
        if places:
            at = places.index(self._chosen) + step if self._chosen in places else 0
            self._chosen = places[max(0, min(at, len(places) - 1))]
            self._draw()

    def action_only(self) -> None:
        if self._chosen is None:
            self.action_move(0)
        self._only = self._chosen is not None
        self._draw()

    def action_all(self) -> None:
        field = self.query_one("#filter", Input)
        field.value, field.display = "", False
        self.set_focus(None)
        self._only = self._faults = False
        self._draw()

    def action_faults(self) -> None:
        self._faults = not self._faults
        self._draw()

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def on_input_changed(self) -> None:
        self._draw()

    def on_input_submitted(self) -> None:
        self.query_one("#filter", Input).display = False
        self.set_focus(None)

    def action_help(self) -> None:
        self.push_screen(Help([each for each in self.BINDINGS if isinstance(each, Binding)]))
