"""The windows of `responder.windows` that are open at one moment."""

from typing import Final

import msgspec

from hemostat.core.settings.windows import WindowMode
from hemostat.core.text import list_names


class OpenWindow(msgspec.Struct, frozen=True, kw_only=True):
    """`label`: the window's name, or its times. `end`: the time of day at which it closes, with the time
    zone. `projects`: empty for all containers."""

    label: str
    mode: WindowMode
    end: str
    projects: tuple[str, ...] = ()

    def __str__(self) -> str:
        projects = f" for {list_names(self.projects)}" if self.projects else ""
        return f"{self.label}: {self.mode}{projects} until {self.end}"


class WindowState(msgspec.Struct, frozen=True, kw_only=True):
    """The open windows. `changed` is when a window last opened or closed (epoch seconds), 0 without any."""

    opened: tuple[OpenWindow, ...] = ()
    changed: float = 0.0

    def select(self, project: str | None) -> list[OpenWindow]:
        """The open windows that apply to the containers of a Compose project."""
        return [each for each in self.opened if not each.projects or project in each.projects]


NO_WINDOWS: Final = WindowState()
