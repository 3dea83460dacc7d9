"""What has changed since yesterday: the incidents of 24 hours, beside those of the 24 hours before."""

from datetime import datetime
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from hemostat.core.history.comparison import PeriodReport
from hemostat.tui.actions.background import BackgroundResult, run_in_background
from hemostat.tui.context import DashboardContext
from hemostat.tui.render.report import draw_report
from hemostat.tui.render.text import BAD, FAINT
from hemostat.tui.screens.binding import make_binding
from hemostat.tui.screens.live import LiveScreen
from hemostat.tui.widgets.footer import KeyFooter
from hemostat.tui.widgets.lines import Lines

DAY_SECONDS: Final = 86_400.0
TIME_FORMAT: Final = "%d %b %H:%M"


class ReportScreen(LiveScreen):
    CSS = "ReportScreen > Static { height: 1; background: $panel; } ReportScreen > Lines { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        make_binding(
            "escape,d", "dismiss", "Back", "report.back", "previous screen", in_footer=True, display="esc"
        ),
        make_binding("r", "read", "Refresh", "report.refresh", "read the incidents again", in_footer=True),
        make_binding(
            "pagedown,down,j,space", "scroll_lines('report', 1)", "Down", "report.down", "page down"
        ),
        make_binding("pageup,up,k", "scroll_lines('report', -1)", "Up", "report.up", "page up"),
    ]

    def __init__(self, model: DashboardContext) -> None:
        super().__init__(model)
        self._lines = [Text("reading the stored incidents", FAINT)]
        self._title = ""

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Lines(id="report")
        yield KeyFooter()

    def on_mount(self) -> None:
        super().on_mount()
        self.action_read()

    def action_read(self) -> None:
        if (read_report := self.model.read_report) is not None:
            now = self.model.clock.now()
            run_in_background(self, "report", lambda: read_report(now - DAY_SECONDS, now))

    def on_background_result(self, answer: BackgroundResult) -> None:
        if answer.why:
            self._lines = [Text(f"! the incidents cannot be read: {answer.why}", BAD)]
        else:
            report: PeriodReport = answer.value
            self._lines, self._title = draw_report(report), _format_period(report)
        self.redraw()

    def draw(self) -> None:
        self.update_static("title", Text.assemble((" since yesterday ", "bold reverse"), self._title))
        self.query_one("#report", Lines).show(self._lines)


def _format_period(report: PeriodReport) -> str:
    since, until = (
        datetime.fromtimestamp(moment).astimezone().strftime(TIME_FORMAT)
        for moment in (report.since, report.until)
    )
    return f"  {since} to {until}, and the 24 hours before"
