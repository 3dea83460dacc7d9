"""The main screen: the containers, and the events beside or below them.

Large screens are imported when they are opened, so that this one appears sooner.
"""

import math
from collections.abc import Iterable
from functools import partial
from typing import ClassVar

import msgspec
from rich.text import Text
from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from hemostat.core.remediation.limit_status import describe_paused
from hemostat.core.text import escape_controls
from hemostat.events import Container as Ref
from hemostat.events import Event
from hemostat.tui.context import DashboardContext
from hemostat.tui.data.state import (
    MAX_LOG_EVENTS,
    build_role_status,
    describe_mode,
    describe_silence,
    drop_brief_lags,
    find_latest_incident,
    format_silence,
    list_failures,
    select_events,
)
from hemostat.tui.render import limits
from hemostat.tui.render import text as words
from hemostat.tui.render.limits import find_countdown_second
from hemostat.tui.screens.acting import ACTION_BINDINGS, ActionScreen
from hemostat.tui.screens.keys import FIRST_BINDINGS, MAX_MOVE, OTHER_BINDINGS
from hemostat.tui.screens.live import HistoryRequested
from hemostat.tui.screens.roles import RolesScreen
from hemostat.tui.screens.visible_columns import ColumnsDialog
from hemostat.tui.table import columns, rows, sorting
from hemostat.tui.table.rows import Row, RowTable
from hemostat.tui.table.sorting import SORTS, ProjectHeading
from hemostat.tui.widgets.footer import KeyFooter
from hemostat.tui.widgets.lines import LazyLines, Lines


class MainScreen(ActionScreen):
    BINDINGS: ClassVar[list[BindingType]] = [*FIRST_BINDINGS, *ACTION_BINDINGS, *OTHER_BINDINGS]

    def __init__(self, model: DashboardContext) -> None:
        super().__init__(model)
        self._table = RowTable()
        self._is_sort_due = True
        """Whether the rows are sorted although `may_resort` forbids it."""
        self._sorted_at = self._touched_at = -math.inf
        self._entries: list[Row | ProjectHeading] = []
        self._drawn: dict[str, tuple[object, Text]] = {}
        self._log_lines: dict[str, tuple[Event, Text]] = {}
        self._has_several_hosts = False
        """The log's lines by event id: past events do not change."""
        self._chosen_key: str | None = None
        """The key of the container that the cursor follows. None: the cursor stays on the top row."""
        self._marked_keys: set[str] = set()
        self._is_log_narrowed = False
        self._is_faults_only = False

    def compose(self) -> ComposeResult:
        yield Static(Text(" HemoStat ", "bold reverse"), id="title")
        with Vertical(id="body"):
            with Vertical(id="containers"):
                yield Static(id="header")
                yield Lines(id="grid")
            with Vertical(id="remediation"):
                yield Static(id="caption")
                yield Lines(follow=True, id="log")
        yield Static(id="notice")
        yield Static(id="status")
        field = Input(
            placeholder="text !text state:unhealthy host: project: name:", id="filter", compact=True
        )
        field.cursor_blink = False
        yield field
        yield KeyFooter()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "report" and self.model.read_report is None:
            return False
        return super().check_action(action, parameters)

    @property
    def targets(self) -> list[Row]:
        """The rows that an action applies to: the marked ones that are visible, else the one under the
        cursor.
        """
        marked = [row for row in self._list_visible_rows() if row.key in self._marked_keys]
        return marked or [row for row in [self._find_chosen_row()] if row]

    def list_subjects(self) -> list[tuple[str, Ref]]:
        return [(row.host, row.container) for row in self.targets]

    # --- drawing ------------------------------------------------------------------------------------

    def draw(self) -> None:
        state, now = self.model.state, self.model.clock.now()
        if not (state.is_loaded or state.lost):
            self.update_static("title", words.draw_loading_title())
            return
        self._table = self._sort_table(rows.update_table(self._table, state), now)
        self._marked_keys &= self._table.rows.keys()
        everything = list(self._table.rows.values())
        self._select_entries(everything)
        role_status = build_role_status(state, now)
        width = self.size.width
        is_live = self.model.replay is None
        stale, silent = (format_silence(state, now), describe_silence(state, now)) if is_live else ("", "")
        draw_roles = words.draw_status if is_live else words.draw_recorded_status
        incidents, view = len(list_failures(state)), self.model.view
        order = sorting.describe_order(view.sort, reverse=view.reverse)
        self.update_static(
            "title",
            words.draw_title(
                len(everything), incidents, self._describe_hidden(), stale, order=order, width=width
            ),
        )
        pauses = limits.find_active_pauses(state.safety, now)
        roles_shown, mode = drop_brief_lags(state, role_status), describe_mode(state)
        self.update_static(
            "status", draw_roles(roles_shown, mode, describe_paused(pauses), is_lost=bool(state.lost))
        )
        summarize = partial(limits.summarize_pauses, pauses, now, self.find_key("roles"))
        self._show_notice(words.draw_notice(role_status, silent, self.describe_waiting(), summarize, width))
        pointless = columns.find_pointless(
            everything, safety=bool(state.safety), grouped=self.model.view.grouped
        )
        self._draw_grid(now, pointless, columns.find_idle(everything))
        if self._has_several_hosts != ("host" not in pointless):
            self._has_several_hosts = not self._has_several_hosts
            self._log_lines.clear()
        self._draw_log()

    def _sort_table(self, table: RowTable, now: float) -> RowTable:
        if not self._is_sort_due and not sorting.may_resort(now, self._sorted_at, self._touched_at):
            return table
        view = self.model.view
        ordered = sorting.sort_rows(list(table.rows.values()), view.sort, reverse=view.reverse)
        self._is_sort_due, self._sorted_at = not ordered, now
        return RowTable(table.state, {row.key: row for row in ordered})

    def _select_entries(self, everything: list[Row]) -> None:
        visible = rows.filter_rows(everything, self._get_filter_text(), faults=self._is_faults_only)
        self._entries = sorting.group_rows(visible) if self.model.view.grouped else list(visible)

    def _draw_grid(self, now: float, pointless: set[str], idle: set[str]) -> None:
        lines, view = self.query_one("#grid", Lines), self.model.view
        width = lines.room
        placed = columns.lay_out(width, view.columns or self.model.looks.columns, pointless, idle)
        self.update_static("header", columns.draw_header(placed, width, view.sort, reverse=view.reverse))
        before, self._drawn = self._drawn, {}

        def draw(entry: Row | ProjectHeading) -> Text:
            if isinstance(entry, ProjectHeading):
                return columns.draw_heading(entry, width)
            marked = entry.key in self._marked_keys
            uptime = columns.format_uptime(entry, now)
            source = (entry, placed, find_countdown_second(entry.safety, now), uptime, marked)
            known = self._drawn.get(entry.key) or before.get(entry.key)
            if known is None or known[0] != source:
                known = source, columns.draw_line(entry, placed, now, marked=marked)
            self._drawn[entry.key] = known
            return known[1]

        lines.show(LazyLines(self._entries, draw))
        self._point_cursor()
        top = lines.scroll_offset.y
        if unknown := rows.find_unrecalled(self._entries[top : top + lines.size.height]):
            self.post_message(HistoryRequested(unknown))

    def _draw_log(self) -> None:
        chosen = self._find_chosen_row() if self._is_log_narrowed else None
        log = self.model.state.log
        events = select_events(log, *chosen.place) if chosen else log
        self.update_static(
            "caption", Text("events" + (f" of {escape_controls(chosen.name)}" if chosen else ""))
        )
        if len(self._log_lines) > 2 * MAX_LOG_EVENTS:
            self._log_lines.clear()
        self.query_one("#log", Lines).show(LazyLines(events, self._draw_log_line))

    def _draw_log_line(self, event: Event) -> Text:
        line = self._log_lines.get(event.id)
        if line is None or (line[0] is not event and line[0] != event):
            drawn = words.draw_log_line(event, has_several_hosts=self._has_several_hosts)
            line = self._log_lines[event.id] = event, drawn
        return line[1]

    def _show_notice(self, text: Text) -> None:
        self.query_one("#notice", Static).display = bool(text)
        self.update_static("notice", text)

    def _point_cursor(self) -> None:
        chosen = self._find_chosen_row()
        self.query_one("#grid", Lines).point(self._entries.index(chosen) if chosen else None)

    def _list_visible_rows(self) -> list[Row]:
        return [each for each in self._entries if isinstance(each, Row)]

    def _find_chosen_row(self) -> Row | None:
        """The container under the cursor: the one that the user moved to, the top one until then and where
        that one is not visible. None without rows."""
        visible = self._list_visible_rows()
        top = visible[0] if visible else None
        return next((row for row in visible if row.key == self._chosen_key), top)

    def _get_filter_text(self) -> str:
        return self.query_one("#filter", Input).value

    def _describe_hidden(self) -> list[str]:
        """The active filters, so that hidden containers are not taken for gone, and the number of marks."""
        parts = [f"filter {self._get_filter_text()}"] if self._get_filter_text() else []
        parts += ["faults only"] if self._is_faults_only else []
        return parts + ([f"{len(self._marked_keys)} marked"] if self._marked_keys else [])

    def _resort(self) -> None:
        self._is_sort_due = True
        self.draw()

    # --- keys ---------------------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        visible, chosen = self._list_visible_rows(), self._find_chosen_row()
        if chosen is not None:
            at = max(0, min(visible.index(chosen) + step, len(visible) - 1))
            self._chosen_key = None if step == -MAX_MOVE else visible[at].key
            self._touched_at = self.model.clock.now()
            self._point_cursor()
            if self._is_log_narrowed:
                self._draw_log()

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(1, self.query_one("#grid", Lines).size.height - 1))

    def on_lines_line_selected(self, message: Lines.LineSelected) -> None:
        if message.lines.id == "grid" and isinstance(row := self._entries[message.number], Row):
            self._chosen_key = row.key
            self.action_move(0)

    def on_lines_resized(self) -> None:
        self.redraw()

    def action_container(self) -> None:
        if row := self._find_chosen_row():
            from hemostat.tui.screens.container import ContainerScreen

            self.app.push_screen(ContainerScreen(self.model, *row.place))

    def action_incident(self) -> None:
        row = self._find_chosen_row()
        incident = find_latest_incident(self.model.state.log, row.place if row else None)
        if incident is None:
            self.notify(
                "the log has no incident" + (f" of {escape_controls(row.name)}" if row else ""),
                markup=False,
            )
        else:
            from hemostat.tui.screens.incident import IncidentScreen

            self.app.push_screen(IncidentScreen(self.model, incident))

    def action_roles(self) -> None:
        self.app.push_screen(RolesScreen(self.model))

    def action_report(self) -> None:
        from hemostat.tui.screens.report import ReportScreen

        self.app.push_screen(ReportScreen(self.model))

    def action_only(self) -> None:
        self._is_log_narrowed = self._find_chosen_row() is not None and not self._is_log_narrowed
        self.draw()

    def action_mark(self) -> None:
        if row := self._find_chosen_row():
            self._marked_keys ^= {row.key}
            self.action_move(1)
            self.draw()

    def clear_marks(self) -> None:
        self._marked_keys.clear()

    def action_mark_all(self) -> None:
        visible = {each.key for each in self._list_visible_rows()}
        self._marked_keys = set() if visible <= self._marked_keys else self._marked_keys | visible
        self.draw()

    def action_all(self) -> None:
        field = self.query_one("#filter", Input)
        field.value, field.display = "", False
        self.set_focus(None)
        self._is_log_narrowed = self._is_faults_only = False
        self.clear_marks()
        self._chosen_key = None
        self.draw()

    def action_faults(self) -> None:
        self._is_faults_only = not self._is_faults_only
        self.draw()

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def on_input_changed(self) -> None:
        self.redraw()

    def on_input_submitted(self) -> None:
        self.query_one("#filter", Input).display = False
        self.set_focus(None)

    def action_sort(self, by: str | None = None) -> None:
        view = self.model.view
        chosen = by or SORTS[(SORTS.index(view.sort) + 1) % len(SORTS)]
        self._change_view(sort=chosen)

    def action_reverse(self) -> None:
        self._change_view(reverse=not self.model.view.reverse)

    def action_group(self) -> None:
        self._change_view(grouped=not self.model.view.grouped)

    def action_columns(self) -> None:
        chosen = self.model.view.columns or self.model.looks.columns
        self.app.push_screen(ColumnsDialog(chosen), lambda names: self._change_view(columns=names))

    def action_log(self) -> None:
        self._change_view(log=not self.model.view.log)

    def _change_view(self, **changes: object) -> None:
        self.model.change_view(msgspec.structs.replace(self.model.view, **changes))
        if self.model.save_error:
            self.notify(escape_controls(self.model.save_error), markup=False)
        self._show_log_pane()
        self._resort()

    def _show_log_pane(self) -> None:
        self.query_one("#remediation").display = self.model.view.log

    def on_mount(self) -> None:
        self._show_log_pane()

    def list_commands(self) -> Iterable[SystemCommand]:
        for by in SORTS:
            yield SystemCommand(f"Sort by {by}", "faults stay first", lambda by=by: self.action_sort(by))
        yield from super().list_commands()
