"""One container: how it stands, and its log of remediations."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Static

from hemostat.tui import container_words, words
from hemostat.tui.lines import Lines
from hemostat.tui.model import Model
from hemostat.tui.screens.live import Live
from hemostat.tui.state import about, seen


class Container(Live):
    CSS_PATH = "container.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "dismiss", "Back", key_display="esc", id="container.back", tooltip="the screen before"
        ),
    ]

    def __init__(self, model: Model, host: str, name: str) -> None:
        super().__init__(model)
        self._place = host, name

    def compose(self) -> ComposeResult:
        yield Static(container_words.title(*self._place), id="title")
        yield Static(id="facts")
        yield Lines(follow=True, id="log")
        yield Footer(show_command_palette=False)

    def draw(self) -> None:
        state = self.model.state
        found = (
            each
            for each in seen(state, self.model.clock.now()).containers
            if (each.host, each.name) == self._place
        )
        self.write("facts", container_words.facts(next(found, None)))
        self.query_one("#log", Lines).show([words.log_line(each) for each in about(state.log, *self._place)])
