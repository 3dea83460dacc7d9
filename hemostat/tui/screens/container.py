"""The screen of one container: live plots and log, its health checks, its configuration and its incidents."""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Input, Static

from hemostat.core.evidence.snapshot import EvidenceSnapshot, MetricPoint
from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.timeline import IncidentTimeline, build_timeline
from hemostat.core.text import escape_controls
from hemostat.events import Container as Ref
from hemostat.events import ContainerStats, Event
from hemostat.tui.actions.background import BackgroundResult, run_in_background
from hemostat.tui.context import DashboardContext
from hemostat.tui.data.container_poll import ContainerPoll, ContainerView
from hemostat.tui.data.state import select_events
from hemostat.tui.render import charts
from hemostat.tui.render import container as container_words
from hemostat.tui.render.container import PANES, LogMatches
from hemostat.tui.render.limits import find_active_pauses
from hemostat.tui.screens.acting import ACTION_BINDINGS, ActionScreen
from hemostat.tui.screens.binding import make_binding
from hemostat.tui.screens.incident import IncidentScreen
from hemostat.tui.widgets.footer import KeyFooter
from hemostat.tui.widgets.lines import Lines

POLL_SECONDS: Final = 2.0
SLOW_POLL_SECONDS: Final = 5.0
"""Seconds between two reads of the log on a slow line."""
PLOT_HEIGHTS: Final = (2, 8)
"""Lines of a plot, at least and at most."""
MAX_INCIDENTS: Final = 5
"""Incidents whose evidence is searched for health checks."""


class ContainerRead(Message):
    """The container's data from the engine, sent by the polling thread."""

    def __init__(self, container: str, view: ContainerView) -> None:
        super().__init__()
        self.container = container
        self.view = view


class ContainerScreen(ActionScreen):
    CSS_PATH = "container.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        make_binding("1", "pane('log')", "Log", "container.log", "its log, live"),
        make_binding(
            "2", "pane('health checks')", "Checks", "container.checks", "results of its health check"
        ),
        make_binding(
            "3", "pane('inspect')", "Inspect", "container.inspect", "its configuration; secrets are masked"
        ),
        make_binding("4", "pane('incidents')", "Incidents", "container.incidents", "its incidents"),
        make_binding("tab", "turn", "Pane", "container.turn", "next pane", in_footer=True),
        make_binding(
            "slash", "search", "Search", "container.search", "search: text !text", in_footer=True, display="/"
        ),
        make_binding("n", "match(1)", "Match", "container.next", "next match", in_footer=True, display="n N"),
        make_binding("N", "match(-1)", "Previous match", "container.previous", "previous match"),
        make_binding(
            "f", "only", "Filter", "container.filter", "show only matches, or all lines", in_footer=True
        ),
        make_binding(
            "enter", "open", "Open", "container.open", "open an incident", in_footer=True, display="⏎"
        ),
        make_binding("down,j", "scroll(1)", "Down", "container.down", "down; next incident"),
        make_binding("up,k", "scroll(-1)", "Up", "container.up", "up; previous incident"),
        make_binding("pagedown,space", "scroll(10)", "Page down", "container.page-down", "one page down"),
        make_binding("pageup", "scroll(-10)", "Page up", "container.page-up", "one page up"),
        make_binding("end,G", "scroll(100000)", "End", "container.end", "the end; follow new lines"),
        make_binding("home,g", "scroll(-100000)", "Beginning", "container.beginning", "the start"),
        make_binding(
            "escape",
            "back",
            "Back",
            "container.back",
            "end the search; go back",
            in_footer=True,
            display="esc",
        ),
        *ACTION_BINDINGS,
    ]

    def __init__(self, model: DashboardContext, host: str, name: str) -> None:
        super().__init__(model)
        self._place = host, name
        self._container_poll: ContainerPoll | None = None
        self._view = ContainerView()
        self._points: tuple[MetricPoint, ...] = ()
        self._snapshots: tuple[EvidenceSnapshot, ...] = ()
        self._log: tuple[Event, ...] | None = None
        self._timelines: list[IncidentTimeline] = []
        """The container's incidents, newest first."""
        self._pane = PANES[0]
        self._search_text = ""
        self._only_matches = False
        self._log_matches = LogMatches((), ())
        self._match_index = -1
        self._chosen_index = self._jump_count = 0
        self._drawn: dict[str, object] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Static(id="facts")
        yield Static(id="notes")
        yield Lines(id="figures")
        yield Static(id="tabs")
        yield Lines(follow=True, id="log")
        yield Lines(id="pane")
        field = Input(placeholder="text, or !text for lines without it", id="search", compact=True)
        field.cursor_blink = False
        yield field
        yield KeyFooter()

    # --- data ---------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        run_in_background(self, "history", lambda: self.model.read_metrics(*self._place))

    def on_screen_suspend(self) -> None:
        self._stop_poll()

    def on_unmount(self) -> None:
        self._stop_poll()

    def _stop_poll(self) -> None:
        if self._container_poll is not None:
            self._container_poll.stop()
            self._container_poll = None

    def on_background_result(self, answer: BackgroundResult) -> None:
        if answer.why:
            self.notify(escape_controls(f"no {answer.topic}: {answer.why}"), severity="warning", markup=False)
        elif answer.topic == "history":
            self._points = charts.merge_points(answer.value, self._points)
        else:
            self._snapshots = answer.value
        self.redraw()

    def on_container_read(self, message: ContainerRead) -> None:
        if self._container_poll is not None and self._container_poll.container == message.container:
            self._view = message.view
            self.redraw()

    def on_lines_resized(self) -> None:
        self.redraw()

    def _read_state(self) -> Event | None:
        state = self.model.state
        log, event = state.log, container_words.find_newest_stats(state.stats.values(), self._place)
        if (replay := self.model.replay) is not None:
            # At another position of a replay, other measurements were known.
            self._points = charts.cut_after(self._points, replay.now())
            if replay.jump_count != self._jump_count:
                self._jump_count = replay.jump_count
                run_in_background(self, "history", lambda: self.model.read_metrics(*self._place))
        self._points = charts.extend_points(self._points, event)
        if log is not self._log:
            self._log = log
            count = len(self._timelines)
            self._timelines = [
                build_timeline(each)
                for each in reversed(build_incident_logs(select_events(log, *self._place)))
            ]
            if len(self._timelines) != count:
                newest = [each.incident for each in self._timelines[:MAX_INCIDENTS]]
                run_in_background(self, "evidence", lambda: self._read_evidence(newest))
        self._start_poll(container_words.find_container_id(event, log, self._place))
        return event

    def _read_evidence(self, incidents: Sequence[str]) -> tuple[EvidenceSnapshot, ...]:
        return tuple(snapshot for incident in incidents for snapshot in self.model.evidence(incident))

    def _start_poll(self, container: str) -> None:
        if self._container_poll is not None and self._container_poll.container == container:
            return
        self._stop_poll()
        if container:
            self._container_poll = ContainerPoll(
                lambda: self.model.engine(self._place[0]),
                container,
                lambda view: self.post_message(ContainerRead(container, view)),
                every=SLOW_POLL_SECONDS if self.model.looks.slow else POLL_SECONDS,
            )
            self._container_poll.start()

    # --- drawing ------------------------------------------------------------------------------------

    def draw(self) -> None:
        event = self._read_state()
        state, now, width = self.model.state, self.model.clock.now(), self.size.width
        stats = event.data if event is not None and isinstance(event.data, ContainerStats) else None
        bounds = container_words.describe_limit_status(state.safety, self._place, now)
        self.update_static("title", container_words.draw_title(*self._place, width))
        self.update_static("facts", container_words.draw_facts(stats, bounds, width))
        notes = container_words.draw_notes(
            None if stats is None else stats.container,
            find_active_pauses(state.safety, now),
            (*state.unwell.get(self._place, ()), *state.closed.get(self._place, ())),
            now,
            width,
        )
        self.query_one("#notes", Static).display = bool(notes)
        self.update_static("notes", Text("\n").join(notes))
        if self._is_new("figures", (self._points, stats, self._timelines, self.size)):
            self._draw_figures(charts.find_limits(stats, self._snapshots))
        log, pane = self.query_one("#log", Lines), self.query_one("#pane", Lines)
        log.display, pane.display = self._pane == PANES[0], self._pane != PANES[0]
        if self._pane == PANES[0]:
            self._draw_log(log)
        elif self._is_new("pane", (self._pane, self._view, self._snapshots, self._timelines, pane.room)):
            pane.show(self._draw_pane(pane.room))
        pane.point(self._chosen_index if self._pane == PANES[3] and self._timelines else None)
        self.update_static("tabs", container_words.draw_tabs(self._pane, self._describe_pane(), width))

    def _is_new(self, name: str, made_of: object) -> bool:
        new = self._drawn.get(name) != made_of
        self._drawn[name] = made_of
        return new

    def _draw_figures(self, limit: charts.ChartLimits) -> None:
        lines = self.query_one("#figures", Lines)
        height = max(PLOT_HEIGHTS[0], min(PLOT_HEIGHTS[1], (self.size.height - 14) // 3))
        marks = container_words.find_marks(self._timelines)
        drawn = container_words.draw_plots(self._points, limit, marks, self.size.width, height)
        lines.styles.height = len(drawn)
        lines.show(drawn)

    def _draw_log(self, log: Lines) -> None:
        if self._is_new("log", (self._view.log, self._search_text, self._only_matches, log.room)):
            self._log_matches = container_words.draw_log(
                self._view.log, self._search_text, log.room, only=self._only_matches
            )
            self._match_index = min(self._match_index, len(self._log_matches.matches) - 1)
            log.show(self._log_matches.rows)
        log.point(self._log_matches.matches[self._match_index] if self._match_index >= 0 else None)

    def _draw_pane(self, width: int) -> list[Text]:
        view = self._view
        if self._pane == PANES[1]:
            now = view.details.checks if view.details else ()
            return container_words.draw_checks(container_words.merge_checks(now, self._snapshots), width)
        if self._pane == PANES[2]:
            return container_words.draw_inspection(view.info, view.details, width)
        return [container_words.draw_incident(each, width) for each in self._timelines]

    def _describe_pane(self) -> str:
        if self._pane == PANES[3]:
            return "" if self._timelines else "no incidents in the log"
        if self._pane != PANES[1] and self._view.why:
            return self._view.why
        if self._pane == PANES[0] and self._view.info is not None and not self._view.log:
            return "its log is empty"
        if self._pane == PANES[0] and self._search_text:
            count = len(self._log_matches.matches)
            position = f"{self._match_index + 1} of {count}" if self._match_index >= 0 else str(count)
            return f"{'only' if self._only_matches else 'search'} {self._search_text}: {position}"
        return ""

    def list_subjects(self) -> list[tuple[str, Ref]]:
        event = container_words.find_newest_stats(self.model.state.stats.values(), self._place)
        stats = event.data if event is not None else None
        return [(self._place[0], stats.container)] if isinstance(stats, ContainerStats) else []

    # --- keys ---------------------------------------------------------------------------------------

    def action_pane(self, name: str) -> None:
        self._pane = name
        self.query_one("#pane", Lines).scroll_home(animate=False)
        self.redraw()

    def action_turn(self) -> None:
        self.action_pane(PANES[(PANES.index(self._pane) + 1) % len(PANES)])

    def action_scroll(self, by: int) -> None:
        if self._pane == PANES[3]:
            self._chosen_index = max(0, min(self._chosen_index + by, len(self._timelines) - 1))
            self.redraw()
            return
        lines = self.query_one("#log" if self._pane == PANES[0] else "#pane", Lines)
        lines.scroll_to(y=lines.scroll_offset.y + by, animate=False, immediate=True)

    def action_open(self) -> None:
        if self._pane == PANES[3] and self._timelines:
            self.app.push_screen(IncidentScreen(self.model, self._timelines[self._chosen_index].incident))
        else:
            self.action_pane(PANES[3])

    def action_search(self) -> None:
        self.action_pane(PANES[0])
        field = self.query_one("#search", Input)
        field.display = True
        field.focus()

    def action_match(self, by: int) -> None:
        count = len(self._log_matches.matches)
        if count:
            self._match_index = (self._match_index + by) % count
            self.redraw()

    def action_only(self) -> None:
        if self._search_text:
            self._only_matches, self._match_index = not self._only_matches, -1
            self.redraw()
        else:
            self.action_search()

    def action_back(self) -> None:
        field = self.query_one("#search", Input)
        if not (self._search_text or field.display):
            self.dismiss()
            return
        field.value, field.display = "", False
        self.set_focus(None)
        self._only_matches, self._match_index = False, -1
        self.redraw()

    def on_input_changed(self, message: Input.Changed) -> None:
        self._search_text, self._match_index = message.value, -1
        self._only_matches = self._only_matches or message.value.startswith("!")
        self.redraw()

    def on_input_submitted(self) -> None:
        """Go to the last match, which is the newest."""
        self.query_one("#search", Input).display = False
        self.set_focus(None)
        self._match_index = len(self._log_matches.matches) - 1
        self.redraw()
