"""Chooses the columns of the table."""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import SelectionList

from hemostat.tui.table.columns import COLUMNS

BUTTON_SEGMENTS: Final = 3
"""The parts of a check box that Textual draws before a choice: `▐X▌`."""


class CheckList(SelectionList[str]):
    """A list with check boxes: Textual's own tell a choice by their colour alone."""

    def render_line(self, y: int) -> Strip:
        number = self.scroll_offset.y + y
        line = [*super().render_line(y)]
        if number >= self.option_count:
            return Strip(line)
        style = line[BUTTON_SEGMENTS].style or self.rich_style
        is_chosen = self.get_option_at_index(number).value in self.selected
        box = Segment("[x]" if is_chosen else "[ ]", style + Style(meta={"option": number}))
        return Strip([box, *line[BUTTON_SEGMENTS:]])


class ColumnsDialog(ModalScreen[tuple[str, ...]]):
    """Returns the chosen columns. Empty: all that fit."""

    CSS = """
    ColumnsDialog { align: center middle; }
    ColumnsDialog SelectionList { width: 44; height: auto; max-height: 100%; border: round $accent; }
    """
    AUTO_FOCUS = "CheckList"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,c,enter", "done", "Done", priority=True)]

    def __init__(self, chosen: Sequence[str]) -> None:
        super().__init__()
        self._chosen = chosen

    def compose(self) -> ComposeResult:
        choices = [(name, name, not self._chosen or name in self._chosen) for name in COLUMNS]
        chooser = CheckList(*choices)
        chooser.border_title = "columns, if there is room"
        chooser.border_subtitle = "space selects, esc closes"
        yield chooser

    def action_done(self) -> None:
        chosen = self.query_one(CheckList).selected
        self.dismiss(() if len(chosen) == len(COLUMNS) else tuple(name for name in COLUMNS if name in chosen))
