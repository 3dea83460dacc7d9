"""A list of lines that redraws only the cells that changed."""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar, overload

from rich.cells import get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

Item = TypeVar("Item")


class LazyLines(Sequence[Text], Generic[Item]):
    """Lines that are drawn from items on access."""

    def __init__(self, items: Sequence[Item], draw: Callable[[Item], Text]) -> None:
        self._items = items
        self._draw = draw

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, number: int) -> Text: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Text]: ...
    def __getitem__(self, number: int | slice) -> Text | Sequence[Text]:
        if isinstance(number, slice):
            return LazyLines(self._items[number], self._draw)
        return self._draw(self._items[number])


class Look(NamedTuple):
    """The cells of a line, without the scrollbar, and the style under it."""

    width: int
    style: Style


class PaintedLine(NamedTuple):
    """A drawn line, and what it was drawn from."""

    source: tuple[Text | None, bool, Look]
    strip: Strip


class Lines(ScrollView, can_focus=False):
    """A scrollable list of lines. It accesses only visible lines, so `show` may be given a lazy sequence.

    A line that is too long ends with `…`. `cursor` is the line shown in reverse, None for no line. With
    `follow` the end stays visible after new lines and resizes, until the user scrolls away from it.
    """

    DEFAULT_CSS = "Lines { overflow-x: hidden; scrollbar-size-vertical: 1; }"

    class LineSelected(Message):
        """A line was clicked."""

        def __init__(self, lines: "Lines", number: int) -> None:
            super().__init__()
            self.lines = lines
            self.number = number

    class Resized(Message):
        """The width or height changed."""

    def __init__(self, *, follow: bool = False, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._lines: Sequence[Text] = ()
        self._painted: dict[int, PaintedLine] = {}
        """The visible lines."""
        self._look = Look(0, Style())
        self._is_following = follow
        self._is_at_end = True
        self._is_scrolling = False
        self.cursor: int | None = None

    @property
    def room(self) -> int:
        """Columns of a line, without the scrollbar."""
        return self.scrollable_content_region.width

    @property
    def is_at_end(self) -> bool:
        """Whether the end is visible, or will be when it is drawn."""
        return self._is_at_end

    def go_to_end(self) -> None:
        self._is_at_end = True
        self._scroll_if_following()

    def stay(self) -> None:
        """Do not follow the end until `go_to_end`, or until the user scrolls there."""
        self._is_at_end = False

    def show(self, lines: Sequence[Text], *, shift: int = 0) -> None:
        """Replace the lines. `shift`: how many more there are now before the line that is on top."""
        self._lines = lines
        if len(lines) != self.virtual_size.height:
            self.virtual_size = Size(0, len(lines))
        if shift and not self._is_at_end:
            self._is_scrolling = True
            self.scroll_to(y=max(0, self.scroll_offset.y + shift), animate=False, immediate=True)
            self._is_scrolling = False
        if self._is_following and self._is_at_end and self.scroll_offset.y != self.max_scroll_y:
            self._scroll_if_following()
        self._repaint()

    def point(self, number: int | None) -> None:
        """Put the cursor on a line and scroll to it."""
        if number == self.cursor:
            return
        self.cursor = number
        if number is not None:
            top, height = self.scroll_offset.y, max(1, self.size.height)
            if not top <= number < top + height:
                self.scroll_to(y=number if number < top else number - height + 1, animate=False)
        self._repaint()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if not self._is_scrolling:
            self._is_at_end = new_value >= self.max_scroll_y

    def on_resize(self) -> None:
        self._scroll_if_following()
        self.post_message(self.Resized())

    def on_click(self, click: Click) -> None:
        number = self.scroll_offset.y + click.y
        if number < len(self._lines):
            self.post_message(self.LineSelected(self, number))

    def _scroll_if_following(self) -> None:
        if self._is_following and self._is_at_end:
            self.call_after_refresh(self._scroll_to_end)

    def _scroll_to_end(self) -> None:
        if not self._is_at_end:  # the user has scrolled away meanwhile
            return
        # The end may move again before the scroll reaches it. That is no scrolling by the user.
        self._is_scrolling = True
        self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True)
        self._is_scrolling = False

    def _repaint(self) -> None:
        """Redraw the cells that changed."""
        self._update_look()
        top, before, self._painted = self.scroll_offset.y, self._painted, {}
        for number in range(top, top + self.size.height):
            old = before.get(number)
            new = self._painted[number] = self._paint(number, old)
            if old is None:
                self.refresh(Region(0, number - top, self._look.width, 1))
            elif old is not new and (span := find_changed(old.strip, new.strip)):
                self.refresh(Region(span[0], number - top, span[1] - span[0], 1))

    def _update_look(self) -> None:
        """Textual computes the look from the styles of all ancestors, so once for all lines."""
        look = Look(self.room, self.rich_style)
        if look != self._look:
            self._look = look

    def _paint(self, number: int, before: PaintedLine | None) -> PaintedLine:
        line = self._lines[number] if number < len(self._lines) else None
        source = (line, number == self.cursor, self._look)
        if before is not None and before.source == source:
            return before
        width, style = self._look
        if line is None:
            return PaintedLine(source, Strip.blank(width, style))
        if number == self.cursor:
            line = Text.assemble((line.plain, Style(bold=True, reverse=True)))
        if line.cell_len > width:
            line = line.copy()
            line.truncate(width, overflow="ellipsis")
        strip = Strip(line.render(self.app.console)).adjust_cell_length(width)
        return PaintedLine(source, strip.apply_style(style).simplify())

    def render_lines(self, crop: Region) -> list[Strip]:
        self._update_look()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        number = self.scroll_offset.y + y
        painted = self._painted[number] = self._paint(number, self._painted.get(number))
        return painted.strip


def find_changed(before: Iterable[Segment], after: Iterable[Segment]) -> tuple[int, int] | None:
    """The range of cells that differ between two lines. All cells after a resize."""
    old, new = _list_cells(before), _list_cells(after)
    if len(old) != len(new):
        return 0, max(len(old), len(new))
    differ = [number for number, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
    return (differ[0], differ[-1] + 1) if differ else None


def _list_cells(line: Iterable[Segment]) -> list[tuple[str, Style | None]]:
    """The content of every cell. A wide character fills two."""
    return [
        (char, style)
        for text, style, _ in line
        for char in text
        for _ in range(get_character_cell_size(char))
    ]
