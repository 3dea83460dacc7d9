"""Opens a shell in a container: checks that there is one, steps aside, and comes back when it ends."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

from hemostat.core.text import escape_controls
from hemostat.ports import ContainerShell
from hemostat.tui.actions.background import BackgroundResult, run_in_background


class ShellScreen(ModalScreen[str]):
    """Returns why there was no shell, empty after one. The screen below polls nothing meanwhile."""

    CSS = """
    ShellScreen { align: center middle; }
    ShellScreen Static { width: auto; max-width: 90%; padding: 0 2; border: round $accent; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", "Cancel")]

    def __init__(self, shell: ContainerShell, container: str, name: str) -> None:
        super().__init__()
        self._shell = shell
        self._container = container
        self._container_name = name

    def compose(self) -> ComposeResult:
        yield Static(Text(f"opening a shell in {escape_controls(self._container_name)}; esc cancels"))

    def on_mount(self) -> None:
        run_in_background(
            self, "shell", lambda: self._shell.find_obstacle(self._container, self._container_name)
        )

    def on_background_result(self, answer: BackgroundResult) -> None:
        if not self.is_current:
            return
        if why := answer.why or answer.value:
            self.dismiss(f"no shell in {self._container_name}: {why}")
            return
        self.app.run_shell(self._shell, self._container, self._container_name)  # type: ignore[attr-defined]  # the dashboard
        self.dismiss("")
