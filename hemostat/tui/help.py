"""The keys, out of the bindings, so that none is forgotten."""

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static


class Help(ModalScreen[None]):
    CSS = """
    Help { align: center middle; }
    Help > Static { width: auto; height: auto; max-width: 90%; padding: 1 3; border: round $accent; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss", "Close")]

    def __init__(self, bindings: Iterable[Binding]) -> None:
        super().__init__()
        self._bindings_told = list(bindings)

    def compose(self) -> ComposeResult:
        text = Text.assemble(("Keys\n\n", "bold"))
        for binding in self._bindings_told:
            text.append(f"{binding.key_display or binding.key:<12}", "bold")
            text.append(f"{binding.tooltip or binding.description}\n")
        text.append("\nEsc closes this.")
        yield Static(text)
