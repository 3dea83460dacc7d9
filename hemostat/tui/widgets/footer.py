"""The keys at the bottom of a screen: help and quit always, and the most important others that fit."""

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

ALWAYS_SHOWN: Final = frozenset({"help", "quit"})
PADDING_WIDTH: Final = 3
"""Cells around a key and its label."""


class KeyFooter(Footer):
    """The footer. A screen's bindings are in order of importance."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._room = 0
        """The width in columns for which the keys were chosen."""

    def compose(self) -> ComposeResult:
        self._room = self.app.size.width
        keys = [each for each in super().compose() if isinstance(each, FooterKey)]
        sizes = [cell_len(each.key_display) + cell_len(each.description) + PADDING_WIDTH for each in keys]
        visible = choose_fitting(sizes, [each.action in ALWAYS_SHOWN for each in keys], self._room)
        yield from (each for each, is_shown in zip(keys, visible, strict=True) if is_shown)

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Draw the keys also in a browser's page that has no focus yet, which Textual leaves empty."""
        super().bindings_changed(screen)
        if not self.app.app_focus and not self.children and self.is_attached and screen is self.screen:
            self.call_after_refresh(self.recompose)

    def on_resize(self) -> None:
        if self.app.size.width != self._room:
            self.call_after_refresh(self.recompose)


def choose_fitting(sizes: Sequence[int], fixed: Sequence[bool], room: int) -> list[bool]:
    """Which keys are shown: those that always are, and as many of the others as fit."""
    room_left = room - sum(size for size, is_fixed in zip(sizes, fixed, strict=True) if is_fixed)
    visible: list[bool] = []
    for size, is_fixed in zip(sizes, fixed, strict=True):
        room_left -= 0 if is_fixed else size
        visible.append(is_fixed or room_left >= 0)
    return visible
