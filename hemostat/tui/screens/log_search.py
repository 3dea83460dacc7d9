"""The search of the log screen: in the lines in memory, and then in all that the engine has."""

from bisect import bisect_left
from collections.abc import Sequence

from textual.widgets import Input

from hemostat.tui.context import DashboardContext
from hemostat.tui.data.log_jobs import JobResult, search_after, search_before
from hemostat.tui.data.log_lines import LogLine
from hemostat.tui.data.log_restarts import is_mark
from hemostat.tui.render.container import Place
from hemostat.tui.screens.log_data import LogDataScreen


class LogSearchScreen(LogDataScreen):
    def __init__(self, model: DashboardContext, places: Sequence[Place]) -> None:
        super().__init__(model, places)
        self._term = ""
        self._matches: tuple[object, list[int]] = (None, [])

    def _find_number(self, line: LogLine) -> int | None:
        """The index of this very line among the visible ones."""
        visible = self._rows.lines
        number = bisect_left(visible, line.stamp, key=lambda each: each.stamp)
        while number < len(visible) and visible[number].stamp == line.stamp:
            if visible[number] is line:
                return number
            number += 1
        return None

    def _describe_search(self) -> str:
        if not self._term:
            return ""
        matches = self._list_matches()
        number = None if self._match is None else self._find_number(self._match)
        at = f"{matches.index(number) + 1} of " if number in matches else ""
        return f"search {self._term}: {at}{len(matches)} in these lines"

    def _list_matches(self) -> list[int]:
        """The indices of the visible lines that match."""
        source = self._version, self._term
        if self._matches[0] != source:
            needle = self._term.lower()
            visible = self._rows.lines
            numbers = [
                number
                for number, line in enumerate(visible)
                if needle in line.text.lower() and not is_mark(line)
            ]
            self._matches = source, numbers if needle else []
        return self._matches[1]

    def action_search(self) -> None:
        field = self.query_one("#search", Input)
        field.display = True
        field.focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        self._term, self._match = message.value, None
        self.redraw()

    def on_input_submitted(self) -> None:
        """Go to the newest match above the end of the screen."""
        self.query_one("#search", Input).display = False
        self.set_focus(None)
        if self._term:
            lines = self._lines
            bottom = min(lines.scroll_offset.y + lines.size.height, len(self._rows))
            self._go_to_match(-1, self._rows.find_line(bottom - 1) + 1 if bottom else 0)

    def action_match(self, direction: int) -> None:
        if not self._term:
            self.action_search()
            return
        number = None if self._match is None else self._find_number(self._match)
        if number is None:
            number = self._rows.find_line(min(self._lines.scroll_offset.y, max(0, len(self._rows) - 1)))
        self._go_to_match(direction, number)

    def _go_to_match(self, direction: int, number: int) -> None:
        """Go to the next match from this line, which is loaded if it is not in memory."""
        matches = self._list_matches()
        at = bisect_left(matches, number)
        if direction < 0:
            found = matches[at - 1] if at else None
        else:
            at += at < len(matches) and matches[at] == number
            found = matches[at] if at < len(matches) else None
        if found is not None:
            self._match = self._rows.lines[found]
            self._lines.stay()
            self.redraw()
        else:
            self._search_further(direction)

    def _search_further(self, direction: int) -> None:
        visible, term, places = self._rows.lines, self._term, self._list_places()
        if not visible:
            self.notify("no match", severity="warning")
        elif direction < 0 and not self._window.is_whole:
            stamp = visible[0].stamp
            self._start_job(
                "searching older lines", lambda job: search_before(job, places, stamp, term), self._show_match
            )
        elif direction > 0 and not self._window.at_end:
            stamp = visible[-1].stamp
            self._start_job(
                "searching newer lines", lambda job: search_after(job, places, stamp, term), self._show_match
            )
        else:
            self.notify("no further match", severity="warning")

    def _show_match(self, result: JobResult) -> None:
        if result.pages:
            self._replace(result)
        else:
            self.notify("no further match", severity="warning")
            self.redraw()

    def action_back(self) -> None:
        field = self.query_one("#search", Input)
        if self._job is not None:
            self._stop_job()
            self._is_blocked = True
            self.redraw()
        elif self._term or field.display:
            field.value, field.display = "", False
            self.set_focus(None)
            self._match = None
            self.redraw()
        else:
            self.dismiss()
