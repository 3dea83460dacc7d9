"""The list of keys, built from the bindings so that it is complete."""

from collections.abc import Iterable
from typing import ClassVar, Final

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

ROOMY_WIDTH: Final = 64
"""Columns from which the names fit."""
MAX_LINES: Final = 1 << 20
"""More lines than can exist."""


class HelpScreen(ModalScreen[None]):
    CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > VerticalScroll {
        width: 92; max-width: 100%; height: auto; max-height: 100%; padding: 0 1; border: round $accent;
        scrollbar-size-vertical: 1;
    }
    HelpScreen Static { width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss", "Close"),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("pagedown,space", "scroll_page(1)", "Page down", show=False),
        Binding("pageup", "scroll_page(-1)", "Page up", show=False),
        Binding("home,g", f"scroll(-{MAX_LINES})", "First", show=False),
        Binding("end,G", f"scroll({MAX_LINES})", "Last", show=False),
    ]

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
        self._shown_bindings = list(bindings)

    def compose(self) -> ComposeResult:
        keys = [
            (get_first_key(self.app.get_key_display(each.binding)), each.binding)
            for each in self._shown_bindings
        ]
        with_names = self.app.size.width >= ROOMY_WIDTH
        with VerticalScroll(can_focus=False) as box:
            box.border_title = "keys, with their names in the configuration" if with_names else "keys"
            box.border_subtitle = "↓ ↑ PgDn PgUp scroll, esc closes"
            yield Static(make_table(keys, with_names=with_names))

    def action_scroll(self, lines: int) -> None:
        # At once: the next of several quick keys starts from here.
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False, immediate=True)

    def action_scroll_page(self, pages: int) -> None:
        self.action_scroll(pages * max(1, self.query_one(VerticalScroll).size.height - 1))


def get_first_key(display: str) -> str:
    """The first of a pair such as `← →`, which the footer shows for two bindings at once."""
    return display.partition(" ")[0] or display


def make_table(bindings: Iterable[tuple[str, Binding]], *, with_names: bool) -> Table:
    """A table of keys, their effects and, if `with_names`, their names in the configuration."""
    by_action: dict[str, tuple[list[str], Binding]] = {}
    for key, binding in bindings:
        keys, first = by_action.get(binding.action, ([], binding))
        by_action[binding.action] = [*keys, key], first if first.id else binding
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    table.add_column(style="dim", no_wrap=True)
    for keys, binding in by_action.values():
        text = Text(binding.tooltip or binding.description)
        name = (binding.id or "") if with_names else ""
        table.add_row(Text(" ".join(dict.fromkeys(keys))), text, Text(name))
    return table
