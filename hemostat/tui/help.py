"""The keys, out of the bindings, so that none is forgotten."""

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from hemostat.tui.words import fit


class Help(ModalScreen[None]):
    CSS = """
    Help { align: center middle; }
    Help > VerticalScroll {
        width: auto; max-width: 100%; height: auto; max-height: 100%; padding: 0 2; border: round $accent;
    }
    Help Static { width: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss", "Close"),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
        self._told = list(bindings)

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield Static(
                text([(self.app.get_key_display(each.binding), each.binding) for each in self._told])
            )

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def text(bindings: Iterable[tuple[str, Binding]]) -> Text:
    """Keys, what they do, and the name by which the configuration gives other keys."""
    found: dict[str, tuple[list[str], Binding]] = {}
    for key, binding in bindings:
        keys, known = found.get(binding.action, ([], binding))
        found[binding.action] = [*keys, key], known if known.id else binding
    told = Text.assemble(("Keys\n", "bold"))
    for keys, binding in found.values():
        shown = " ".join(dict.fromkeys(keys))
        told.append(fit(shown, 13) + " ", "bold")
        told.append(fit(binding.tooltip or binding.description, 50))
        told.append(f" {binding.id or ''}\n", "dim")
    told.append("Esc closes this. On the right: the name for other keys in the configuration.", "dim")
    return told
