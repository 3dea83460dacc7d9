"""Asks for the path of a file and writes it, or for the format of an incident's download."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from hemostat.core.text import escape_controls
from hemostat.errors import HemoStatError
from hemostat.tui.render.export import FORMATS


class ExportDialog(ModalScreen[Path | None]):
    """Asks for a path. Returns the path that was written, None after a cancel."""

    CSS_PATH = "export.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]

    def __init__(self, title: str, name: str, write: Callable[[Path, bool], Path]) -> None:
        """`write` gets the path, and whether an existing file is replaced. It may raise HemoStatError."""
        super().__init__()
        self._title_text = title
        self._name_suggested = name
        self._write = write
        self._existing_path: str | None = None
        """The path of an existing file for which confirmation was requested."""

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Text(self._title_text))
            yield Input(self._name_suggested, id="path", compact=True)
            yield Static("enter saves, esc cancels", id="told")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        try:
            path = self._write(Path(message.value), message.value == self._existing_path)
        except HemoStatError as error:
            self._existing_path = message.value
            self.query_one("#told", Static).update(Text(escape_controls(error.message), "bold red"))
        else:
            self.dismiss(path)


class DownloadDialog(ModalScreen[str | None]):
    """Asks for a format. Returns its suffix."""

    CSS = """
    DownloadDialog { align: center middle; }
    DownloadDialog OptionList { width: 44; height: auto; max-height: 100%; border: round $accent; }
    """
    AUTO_FOCUS = "OptionList"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss(None)", "Cancel")]

    def compose(self) -> ComposeResult:
        chooser = OptionList(*FORMATS, markup=False)
        chooser.border_title = "download this incident as"
        chooser.border_subtitle = "enter selects, esc cancels"
        yield chooser

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        self.dismiss(tuple(FORMATS)[message.option_index])
