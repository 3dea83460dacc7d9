"""The screen of the logs of one or several containers: live, and searched in all that the engine has."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input, Static

from hemostat.events import ContainerStats
from hemostat.tui.context import DashboardContext
from hemostat.tui.data.log_jobs import load_start
from hemostat.tui.data.log_lines import LogLine
from hemostat.tui.data.log_restarts import (
    Restart,
    find_restarts,
    insert_marks,
    is_mark,
    read_state,
    select_container_events,
)
from hemostat.tui.render import log as log_words
from hemostat.tui.render.container import Place, find_newest_stats
from hemostat.tui.render.log import LogLook, LogRows, LogStatus
from hemostat.tui.screens.binding import make_binding
from hemostat.tui.screens.log_data import MAX_LOGS
from hemostat.tui.screens.log_save import LogSaveScreen
from hemostat.tui.widgets.footer import KeyFooter
from hemostat.tui.widgets.lines import LazyLines, Lines


class LogScreen(LogSaveScreen):
    CSS_PATH = "log.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        make_binding("f", "follow", "Follow", "logs.follow", "follow the end, or pause", in_footer=True),
        make_binding(
            "slash", "search", "Search", "logs.search", "search all logs", in_footer=True, display="/"
        ),
        make_binding("n", "match(1)", "Match", "logs.next", "next match", in_footer=True, display="n N"),
        make_binding(
            "N", "match(-1)", "Previous match", "logs.previous", "previous match, in older lines too"
        ),
        make_binding(
            "r",
            "find_restart",
            "Last restart",
            "logs.restart",
            "the last restart; again: the one before",
            in_footer=True,
        ),
        make_binding("t", "stamps", "Times", "logs.times", "the engine's time of each line", in_footer=True),
        make_binding("w", "wrap", "Wrap", "logs.wrap", "wrap long lines", in_footer=True),
        make_binding(
            "p",
            "project",
            "Project",
            "logs.project",
            "the logs of its whole project, or its own",
            in_footer=True,
        ),
        make_binding("s", "save", "Save", "logs.save", "save the lines in memory to a file", in_footer=True),
        make_binding("S", "save_all", "Save all", "logs.save-all", "save all that the engine has to a file"),
        make_binding("down,j", "scroll(1)", "Down", "logs.down", "one line down"),
        make_binding("up,k", "scroll(-1)", "Up", "logs.up", "one line up"),
        make_binding("pagedown,space", "page(1)", "Page down", "logs.page-down", "one page down"),
        make_binding("pageup", "page(-1)", "Page up", "logs.page-up", "one page up; older lines are loaded"),
        make_binding("end,G", "newest", "End", "logs.end", "the end; follow new lines"),
        make_binding(
            "home,g", "oldest", "Beginning", "logs.beginning", "the oldest lines that the engine has"
        ),
        make_binding(
            "escape",
            "back",
            "Back",
            "logs.back",
            "stop loading; end the search; go back",
            in_footer=True,
            display="esc",
        ),
    ]

    def __init__(self, model: DashboardContext, places: Sequence[Place]) -> None:
        super().__init__(model, places)
        self._own_places = self._places
        self._stamps = self._wrap = False
        self._drawn: object = None

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Static(id="status")
        yield Lines(follow=True, id="lines")
        field = Input(placeholder="text to find in all that the engine has", id="search", compact=True)
        field.cursor_blink = False
        yield field
        yield KeyFooter()

    # --- drawing ------------------------------------------------------------------------------------

    def draw(self) -> None:
        if not self._containers:
            self._follow()
        self._update_containers()
        self._draw_lines()
        width = self.size.width
        visible = self._rows.lines
        status = LogStatus(
            names=self.name_sources(),
            following=self._is_following,
            lines=len(visible) - sum(map(is_mark, visible)),
            first=visible[0].time if visible else None,
            whole=self._window.is_whole,
            search=self._describe_search(),
            note=self._note or self._save_note or self._describe_errors(),
        )
        self.update_static("title", log_words.draw_title(status, width))
        self.update_static("status", log_words.draw_status(status, self._rows.look))
        self._load_if_needed()

    def _draw_lines(self) -> None:
        lines = self._lines
        look = LogLook(lines.room, self.name_sources(), self._stamps, self._wrap, self._term)
        restarts = self._find_restarts()
        if self._drawn != (self._version, look, restarts):
            self._drawn = self._version, look, restarts
            top = lines.scroll_offset.y
            anchor = self._rows.lines[self._rows.find_line(top)] if top < len(self._rows) else None
            self._rows = rows = LogRows(self._insert_marks(restarts), look, self._rows)
            found = None if anchor is None else self._find_number(anchor)
            shift = 0 if found is None else rows.find_row(found) - top
            lines.show(LazyLines(range(len(rows)), rows.draw), shift=shift)
        number = None if self._match is None else self._find_number(self._match)
        lines.point(None if number is None else self._rows.find_row(number))

    def _describe_errors(self) -> str:
        names = self.name_sources()
        errors = [(names[number], why) for number, why in sorted(self._errors.items()) if why]
        if len(names) == 1:
            return errors[0][1] if errors else ""
        return "; ".join(f"{name}: {why}" for name, why in errors)

    def on_lines_resized(self) -> None:
        self.redraw()

    def _find_restarts(self) -> tuple[tuple[int, Restart], ...]:
        """All restarts that are known, each with the number of its container."""
        state, restarts = self.model.state, list[tuple[int, Restart]]()
        for source, ((host, name), identity) in enumerate(zip(self._places, self._containers, strict=True)):
            events = select_container_events(state.log, host, name, identity)
            current = read_state(find_newest_stats(state.stats.values(), (host, name)))
            restarts += [(source, each) for each in find_restarts(events, current)]
        return tuple(restarts)

    def _insert_marks(self, restarts: Sequence[tuple[int, Restart]]) -> Sequence[LogLine]:
        window = self._window
        lines = insert_marks(window.lines[window.begin :], restarts, at_end=window.at_end)
        if self._match is not None and is_mark(self._match):
            # The selected line is found by its identity.
            return [self._match if line == self._match else line for line in lines]
        return lines

    # --- keys ---------------------------------------------------------------------------------------

    def action_follow(self) -> None:
        if self._is_following:
            self._lines.stay()
        else:
            self.action_newest()
        self.redraw()

    def action_newest(self) -> None:
        self._match = None
        if self._feed is None or not self._window.at_end:
            self._follow()
        self._lines.go_to_end()
        self.redraw()

    def action_oldest(self) -> None:
        self._is_blocked = False
        if self._window.is_whole:
            self.action_scroll(-len(self._rows))
        else:
            places = self._list_places()
            self._start_job("loading the oldest lines", lambda job: load_start(job, places), self._replace)

    def action_page(self, direction: int) -> None:
        self.action_scroll(direction * max(1, self._lines.size.height - 1))

    def action_scroll(self, by: int) -> None:
        self._is_blocked = False
        self._lines.scroll_to(y=max(0, self._lines.scroll_offset.y + by), animate=False, immediate=True)
        self.redraw()

    def action_find_restart(self) -> None:
        """Go to the last restart; from a restart, to the one before."""
        numbers = [number for number, line in enumerate(self._rows.lines) if is_mark(line)]
        at = None if self._match is None or not is_mark(self._match) else self._find_number(self._match)
        earlier = [number for number in numbers if at is None or number < at]
        if not earlier:
            known = "earlier restart" if numbers else "restart"
            self.notify(f"no {known} is known in these lines", severity="warning")
            return
        self._match = self._rows.lines[earlier[-1]]
        self._lines.stay()
        # The lines before the restart are what is looked for.
        top = self._rows.find_row(earlier[-1]) - self._lines.size.height * 2 // 3
        self._lines.scroll_to(y=max(0, top), animate=False, immediate=True)
        self.redraw()

    def action_stamps(self) -> None:
        self._stamps = not self._stamps
        self.redraw()

    def action_wrap(self) -> None:
        self._wrap = not self._wrap
        self.redraw()

    def action_project(self) -> None:
        """Show all containers of the first one's project, or only those of before."""
        places = self._own_places if self._places != self._own_places else self._find_project()
        if len(places) == len(self._places):
            self.notify("its project has no other container", severity="warning")
            return
        self._places, self._containers = places, []
        self._follow()
        self.redraw()

    def _find_project(self) -> tuple[Place, ...]:
        known = {
            (event.host, event.data.container.name): event.data.container.project
            for event in self.model.state.stats.values()
            if isinstance(event.data, ContainerStats)
        }
        host, project = self._places[0][0], known.get(self._places[0], "")
        others = sorted(
            place for place, of in known.items() if project and of == project and place[0] == host
        )
        return tuple(dict.fromkeys((*self._own_places, *others)))[:MAX_LOGS]
