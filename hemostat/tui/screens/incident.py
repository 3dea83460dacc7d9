"""One incident: what happened, in order."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Static

from hemostat.core.story import stories
from hemostat.tui import incident_words, words
from hemostat.tui.lines import Lines
from hemostat.tui.model import Model
from hemostat.tui.screens.live import Live


class Incident(Live):
    CSS_PATH = "incident.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "dismiss", "Back", key_display="esc", id="incident.back", tooltip="the screen before"
        ),
    ]

    def __init__(self, model: Model, incident: str) -> None:
        super().__init__(model)
        self._incident = incident

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Lines(follow=True, id="log")
        yield Footer(show_command_palette=False)

    def draw(self) -> None:
        story = next(
            (each for each in stories(self.model.state.log) if each.incident == self._incident), None
        )
        self.write("title", incident_words.title(self._incident, story))
        self.query_one("#log", Lines).show([words.log_line(each) for each in story.steps] if story else [])
