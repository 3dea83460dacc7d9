"""Chooses the columns of the table."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import SelectionList

from hemostat.tui.table.columns import COLUMNS


class ColumnsDialog(ModalScreen[tuple[str, ...]]):
    """Returns the chosen columns. Empty: all that fit."""

    CSS = """
    ColumnsDialog { align: center middle; }
    ColumnsDialog SelectionList { width: 44; height: auto; max-height: 100%; border: round $accent; }
    """
    AUTO_FOCUS = "SelectionList"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,c,enter", "done", "Done", priority=True)]

    def __init__(self, chosen: Sequence[str]) -> None:
        super().__init__()
        self._chosen = chosen

    def compose(self) -> ComposeResult:
        choices = [(name, name, not self._chosen or name in self._chosen) for name in COLUMNS]
        chooser = SelectionList[str](*choices)
        chooser.border_title = "columns, if there is room"
        chooser.border_subtitle = "space selects, esc closes"
        yield chooser

    def action_done(self) -> None:
        chosen = self.query_one(SelectionList).selected
        self.dismiss(() if len(chosen) == len(COLUMNS) else tuple(name for name in COLUMNS if name in chosen))
