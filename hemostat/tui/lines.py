"""A list of lines of which only those that changed are drawn again."""

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip


class Lines(ScrollView, can_focus=False):
    """`cursor` is the line shown in reverse; None is none. With `follow` the end stays in sight, whatever
    comes and however the terminal is resized, until somebody scrolls away from it."""

    DEFAULT_CSS = "Lines { overflow-x: hidden; scrollbar-size-vertical: 1; }"

    def __init__(self, *, follow: bool = False, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._lines: list[Text] = []
        self._follow = follow
        self._at_end = True
        self.cursor: int | None = None

    def show(self, lines: Sequence[Text]) -> None:
        """Replace the lines."""
        before, self._lines = self._lines, list(lines)
        if len(before) != len(self._lines):
            self.virtual_size = Size(0, len(self._lines))
            self._keep_end()
        for number in range(max(len(before), len(self._lines))):
            if before[number : number + 1] != self._lines[number : number + 1]:
                self.refresh_line(number)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._at_end = new_value >= self.max_scroll_y

    def on_resize(self) -> None:
        self._keep_end()

    def _keep_end(self) -> None:
        if self._follow and self._at_end:
            self.scroll_end(animate=False)

    def point(self, number: int | None) -> None:
        """Put the cursor on a line, in sight."""
        if number == self.cursor:
            return
        for each in (self.cursor, number):
            if each is not None:
                self.refresh_line(each)
        self.cursor = number
        if number is not None:
            top, height = self.scroll_offset.y, max(1, self.size.height)
            if not top <= number < top + height:
                self.scroll_to(y=number if number < top else number - height + 1, animate=False)

    def render_line(self, y: int) -> Strip:
        number = self.scroll_offset.y + y
        width = self.size.width
        if number >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        line = self._lines[number]
        if number == self.cursor:
            line = Text.assemble((line.plain, Style(bold=True, reverse=True)))
        strip = Strip(line.render(self.app.console))
        return strip.adjust_cell_length(width).apply_style(self.rich_style)
