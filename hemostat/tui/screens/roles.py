"""The full status of the roles: where each runs, its last heartbeat and its lag; and all pauses."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from hemostat.tui.data.state import build_role_status
from hemostat.tui.render import limits
from hemostat.tui.render.roles import draw_item, draw_role
from hemostat.tui.render.text import BAD, BUSY
from hemostat.tui.screens.binding import make_binding
from hemostat.tui.screens.live import LiveScreen
from hemostat.tui.widgets.footer import KeyFooter
from hemostat.tui.widgets.lines import Lines


class RolesScreen(LiveScreen):
    CSS = "RolesScreen > Static { height: 1; background: $panel; } RolesScreen > Lines { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        make_binding(
            "escape,r", "dismiss", "Back", "roles.back", "previous screen", in_footer=True, display="esc"
        ),
        make_binding("pagedown,down,j,space", "scroll_lines('roles', 1)", "Down", "roles.down", "page down"),
        make_binding("pageup,up,k", "scroll_lines('roles', -1)", "Up", "roles.up", "page up"),
    ]

    def compose(self) -> ComposeResult:
        yield Static(Text(" roles ", "bold reverse"))
        yield Lines(id="roles")
        yield KeyFooter()

    def draw(self) -> None:
        now, width = self.model.clock.now(), self.query_one("#roles", Lines).room
        status = build_role_status(self.model.state, now)
        pauses = limits.find_active_pauses(self.model.state.safety, now)
        missing = [Text(f"✗ {name} is missing: start it with: hemostat all", BAD) for name in status.missing]
        self.query_one("#roles", Lines).show(
            [
                *missing,
                *(line for each in status.roles for line in draw_role(each, width)),
                *(
                    line
                    for each in limits.describe_all_pauses(pauses, now)
                    for line in draw_item("‖", each, width, BUSY)
                ),
            ]
        )
