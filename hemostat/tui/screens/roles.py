"""The roles in full: where each runs, its last heartbeat, what waits for it."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Static

from hemostat.tui import words
from hemostat.tui.lines import Lines
from hemostat.tui.screens.live import Live
from hemostat.tui.state import roles


class Roles(Live):
    CSS = "Roles > Static { height: 1; background: $panel; } Roles > Lines { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,r", "dismiss", "Back", key_display="esc", id="roles.back", tooltip="the screen before"
        ),
    ]

    def compose(self) -> ComposeResult:
        yield Static(Text(" roles ", "bold reverse"))
        yield Lines(id="roles")
        yield Footer(show_command_palette=False)

    def draw(self) -> None:
        shown = roles(self.model.state, self.model.clock.now())
        gone = [
            Text(f"✗ {name} is missing: start it with: hemostat all", words.BAD) for name in shown.missing
        ]
        self.query_one("#roles", Lines).show(
            [*gone, *(line for each in shown.roles for line in words.role_lines(each))]
        )
