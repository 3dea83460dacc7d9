"""The screen of one incident: its timeline, the reasons, the next step and the evidence, step by step."""

import io
from pathlib import Path
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container as Box
from textual.widgets import Static

from hemostat.core.evidence.snapshot import EvidenceSnapshot, MetricPoint
from hemostat.core.history.incident_log import SETTLED_STATUSES, IncidentLog, build_incident_logs
from hemostat.core.history.progress import find_progress
from hemostat.core.history.timeline import IncidentTimeline, build_timeline
from hemostat.core.text import escape_controls
from hemostat.events import Container as Ref
from hemostat.events import ContainerStats, Event
from hemostat.tui.actions.background import BackgroundResult, run_in_background
from hemostat.tui.context import DashboardContext, Exports
from hemostat.tui.data.state import find_open_incident
from hemostat.tui.render import charts
from hemostat.tui.render import incident as incident_words
from hemostat.tui.render.container import describe_limit_status, find_newest_stats
from hemostat.tui.render.export import FORMATS, as_markdown, make_file_name, write_export
from hemostat.tui.render.incident import IncidentContent
from hemostat.tui.screens.acting import ACTION_BINDINGS, INCIDENT_BINDINGS, ActionScreen
from hemostat.tui.screens.binding import make_binding
from hemostat.tui.screens.export import DownloadDialog, ExportDialog
from hemostat.tui.widgets.footer import KeyFooter
from hemostat.tui.widgets.lines import Lines

PLOT_HEIGHTS: Final = (3, 8)
"""Lines of a plot, at least and at most."""
MAX_COPIED_CHARACTERS: Final = 60_000
"""Characters copied to the clipboard at most: terminals accept no more."""


class IncidentScreen(ActionScreen):
    CSS_PATH = "incident.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - the base class declares it this way
    BINDINGS: ClassVar[list[BindingType]] = [
        make_binding(
            "up,k,left,h",
            "step(-1)",
            "Step",
            "incident.earlier",
            "previous step",
            in_footer=True,
            display="↑ ↓",
        ),
        make_binding("down,j,right,l", "step(1)", "Later", "incident.later", "next step; at the end, follow"),
        make_binding("home,g", "step(-1000)", "First", "incident.first", "first step"),
        make_binding("end,G", "step(1000)", "Last", "incident.last", "last step; follow new steps"),
        make_binding(
            "n", "incident(1)", "Incident", "incident.next", "next incident", in_footer=True, display="n p"
        ),
        make_binding("p", "incident(-1)", "Previous", "incident.previous", "previous incident"),
        make_binding(
            "e", "export", "Export", "incident.export", "export it: Markdown, JSON, SVG", in_footer=True
        ),
        make_binding(
            "y", "copy", "Copy", "incident.copy", "copy it, if the terminal supports it", in_footer=True
        ),
        make_binding(
            "pagedown,space", "scroll(10)", "Page down", "incident.page-down", "scroll the evidence down"
        ),
        make_binding("pageup", "scroll(-10)", "Page up", "incident.page-up", "scroll the evidence up"),
        make_binding(
            "escape", "dismiss", "Back", "incident.back", "previous screen", in_footer=True, display="esc"
        ),
        *INCIDENT_BINDINGS,
        *ACTION_BINDINGS,
    ]

    def __init__(self, model: DashboardContext, incident: str) -> None:
        super().__init__(model)
        self._incident = incident
        self._log: tuple[Event, ...] = ()
        """The events from which the incident logs were built."""
        self._incident_logs: list[IncidentLog] = []
        self._timeline: IncidentTimeline | None = None
        """The incident's timeline. It stays after the incident drops out of the log."""
        self._step_index: int | None = None
        """The selected step. None: always the last one."""
        self._snapshots: tuple[EvidenceSnapshot, ...] = ()
        self._points: tuple[MetricPoint, ...] = ()
        self._drawn: object = None
        self._asked: object = None

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Static(id="lead")
        yield Static(id="next")
        yield Lines(id="steps")
        with Box(id="body"):
            yield Lines(id="why")
            yield Lines(id="evidence")
        yield KeyFooter()

    def list_subjects(self) -> list[tuple[str, Ref]]:
        known = self._timeline
        return [] if known is None else [(known.host, self.find_current(known.host, known.container))]

    def find_chosen_incident(self) -> IncidentLog | None:
        return find_open_incident(self.model.state, self._incident)

    # --- drawing ------------------------------------------------------------------------------------

    def draw(self) -> None:
        self._read_state()
        index = self._find_index()
        where = "" if index is None else f"{index + 1} of {len(self._incident_logs)}"
        self.update_static(
            "title", incident_words.draw_title(self._incident, self._timeline, where, self.size.width)
        )
        if self._timeline is None:
            self._drawn = None
            self.update_static("lead", Text())
            self.update_static("next", Text())
            for lines in self.query(Lines):
                lines.show([])
            return
        limits = self._find_progress(self._timeline), self._describe_limits(self._timeline)
        drawn = (self._content, limits, len(self._incident_logs), self.size)
        if drawn != self._drawn:
            self._drawn = drawn
            self._draw_content(self._content)

    def _read_state(self) -> None:
        """Read the incident from the log, and request its evidence again after each new step."""
        log = self.model.state.log
        if log is not self._log:
            self._log, self._incident_logs = log, build_incident_logs(log)
        index = self._find_index()
        if index is not None:
            self._timeline = build_timeline(self._incident_logs[index])
        elif self.model.replay is not None:
            # The replay went back to before the incident began.
            self._timeline = self._asked = None
        if self.model.replay is not None:
            self._points = charts.cut_after(self._points, self.model.clock.now())
        timeline = self._timeline
        if timeline is None:
            return
        self._points = charts.extend_points(self._points, self._find_stats(timeline))
        content_key = (timeline.incident, len(timeline.steps))
        if content_key != self._asked:
            self._asked = content_key
            run_in_background(self, timeline.incident, lambda: self._read_evidence(timeline))

    def _read_evidence(
        self, timeline: IncidentTimeline
    ) -> tuple[tuple[EvidenceSnapshot, ...], tuple[MetricPoint, ...]]:
        return tuple(self.model.evidence(timeline.incident)), tuple(
            self.model.read_metrics(timeline.host, timeline.container.name)
        )

    def on_lines_resized(self) -> None:
        self._drawn = None
        self.redraw()

    def on_background_result(self, answer: BackgroundResult) -> None:
        if answer.topic != self._incident:
            return
        if answer.why:
            self.notify(escape_controls(f"no evidence: {answer.why}"), severity="warning", markup=False)
            return
        self._snapshots, points = answer.value
        samples = (point for snapshot in self._snapshots for point in snapshot.samples)
        self._points = charts.merge_points(samples, points, self._points)
        self.redraw()

    @property
    def _content(self) -> IncidentContent:
        assert self._timeline is not None  # noqa: S101 - used only if there is a timeline
        last = len(self._timeline.steps) - 1
        at = last if self._step_index is None else min(self._step_index, last)
        event = self._find_stats(self._timeline)
        stats = event.data if event is not None and isinstance(event.data, ContainerStats) else None
        return IncidentContent(
            self._timeline, at, self._snapshots, self._points, charts.find_limits(stats, self._snapshots)
        )

    def _find_stats(self, timeline: IncidentTimeline) -> Event | None:
        return find_newest_stats(self.model.state.stats.values(), (timeline.host, timeline.container.name))

    def _draw_content(self, content: IncidentContent) -> None:
        steps, why, evidence = (self.query_one(f"#{name}", Lines) for name in ("steps", "why", "evidence"))
        self.update_static("lead", incident_words.draw_lead(content, self.size.width))
        steps.show(incident_words.draw_steps(content, steps.room))
        steps.point(content.step_index)
        self.call_after_refresh(self._scroll_to_step)
        lately = incident_words.count_recent_actions(self._incident_logs, content.timeline, content.step)
        plots = max(PLOT_HEIGHTS[0], min(PLOT_HEIGHTS[1], (self.size.height - 20) // 2))
        wide = self.has_class("-wide")
        latest = content.step_index + 1 == len(content.timeline.steps)
        bounds = self._describe_limits(content.timeline) if latest else ""
        progress = self._find_progress(content.timeline) if latest else ""
        self.update_static("next", incident_words.draw_next(content, progress, self.size.width))
        width = (why if wide else evidence).room
        reasons = incident_words.draw_reasons(content, lately, width, bounds=bounds, room=steps.room)
        side = incident_words.draw_evidence(content, evidence.room, plots)
        why.show(reasons if wide else [])
        evidence.show(side if wide else [*reasons, *side])

    def _scroll_to_step(self) -> None:
        """Scroll until the selected step and the steps beside it are visible. The timeline grows, and its
        height is known only after layout."""
        if not self.is_current:
            return
        steps = self.query_one("#steps", Lines)
        top, height, at = steps.scroll_offset.y, max(1, steps.size.height), steps.cursor or 0
        margin = 1 if height > 2 else 0  # noqa: PLR2004 - the selected step and one on each side
        if not top + margin <= at < top + height - margin:
            steps.scroll_to(y=max(0, at - height // 2), animate=False)

    def _find_progress(self, timeline: IncidentTimeline) -> str:
        """What an action under way waits for. Empty without an action."""
        newest = self._find_stats(timeline)
        observed = newest.data.state if newest and isinstance(newest.data, ContainerStats) else None
        return find_progress(timeline, self.model.state.safety.get(timeline.host), observed)

    def _describe_limits(self, timeline: IncidentTimeline) -> str:
        """The limit status. Empty for an ended incident."""
        if timeline.status in SETTLED_STATUSES:
            return ""
        key = timeline.host, timeline.container.name
        return describe_limit_status(self.model.state.safety, key, self.model.clock.now())

    def _find_index(self) -> int | None:
        return next(
            (n for n, each in enumerate(self._incident_logs) if each.incident == self._incident), None
        )

    # --- keys ---------------------------------------------------------------------------------------

    def action_step(self, by: int) -> None:
        if self._timeline is not None:
            last = len(self._timeline.steps) - 1
            at = max(0, (last if self._step_index is None else min(self._step_index, last)) + by)
            self._step_index = at if at < last else None
            self.redraw()

    def action_incident(self, by: int) -> None:
        index = self._find_index()
        if index is None or not 0 <= index + by < len(self._incident_logs):
            self.notify("the log has no later incident" if by > 0 else "the log has no earlier incident")
            return
        self._incident = self._incident_logs[index + by].incident
        self._timeline = self._step_index = self._asked = None
        self._snapshots = self._points = ()
        for name in ("why", "evidence"):
            self.query_one(f"#{name}", Lines).scroll_home(animate=False)
        self.redraw()

    def action_scroll(self, by: int) -> None:
        for name in ("why", "evidence"):
            lines = self.query_one(f"#{name}", Lines)
            lines.scroll_to(y=lines.scroll_offset.y + by, animate=False, immediate=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "export" and self.model.exports is Exports.NONE:
            return False
        return super().check_action(action, parameters)

    def action_export(self) -> None:
        if self._timeline is None or self.model.exports is Exports.NONE:
            return
        content = self._content
        if self.model.exports is Exports.FILE:
            dialog = ExportDialog(
                f"Write this incident to a file: {', '.join(FORMATS)} select the format",
                make_file_name(content, ".md"),
                lambda path, over: write_export(content, path, over=over),
            )
            self.app.push_screen(dialog, self._notify_written)
        else:
            self.app.push_screen(DownloadDialog(), lambda suffix: self._deliver_download(content, suffix))

    def _deliver_download(self, content: IncidentContent, suffix: str | None) -> None:
        if suffix is not None:
            text = io.StringIO(FORMATS[suffix](content))
            self.app.deliver_text(text, save_filename=make_file_name(content, suffix))

    def _notify_written(self, path: Path | None) -> None:
        if path is not None:
            self.notify(escape_controls(f"written: {path}"), markup=False)

    def action_copy(self) -> None:
        if self._timeline is not None:
            text = as_markdown(self._content)[:MAX_COPIED_CHARACTERS]
            self.app.copy_to_clipboard(text)
            self.notify(f"copied {len(text)} characters, if the terminal supports OSC 52")
