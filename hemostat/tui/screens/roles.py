"""The full status of the roles: where each runs, its last heartbeat and its lag."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from hemostat.tui.data.state import build_role_status
from hemostat.tui.render import text
from hemostat.tui.screens.binding import make_binding
from hemostat.tui.screens.live import Live
from hemostat.tui.widgets.footer import Keys
from hemostat.tui.widgets.lines import Lines


class Roles(Live):
    CSS = "Roles > Static { height: 1; background: $panel; } Roles > Lines { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        make_binding(
            "escape,r", "dismiss", "Back", "roles.back", "previous screen", shown=True, display="esc"
        ),
    ]

    def compose(self) -> ComposeResult:
        yield Static(Text(" roles ", "bold reverse"))
        yield Lines(id="roles")
        yield Keys()

    def draw(self) -> None:
        shown = build_role_status(self.model.state, self.model.clock.now())
        gone = [Text(f"✗ {name} is missing: start it with: hemostat all", text.BAD) for name in shown.missing]
        self.query_one("#roles", Lines).show(
            [*gone, *(line for each in shown.roles for line in text.draw_role(each))]
        )
