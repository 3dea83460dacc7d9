"""Waiting approvals: the time left, the exact action, and the answer."""

from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input, Static

from hemostat.core.ledger import controls
from hemostat.core.ledger.controls import Approval
from hemostat.core.text import escape_controls
from hemostat.tui.actions import background
from hemostat.tui.actions.background import OrdersCompleted, run_in_background
from hemostat.tui.actions.build import OrderBuilder
from hemostat.tui.context import DashboardContext
from hemostat.tui.render.text import BAD, BUSY, FAINT, fit, format_countdown
from hemostat.tui.screens.binding import make_binding
from hemostat.tui.screens.live import LiveScreen
from hemostat.tui.widgets.footer import KeyFooter
from hemostat.tui.widgets.lines import Lines

REFRESH_SECONDS: Final = 2.0
"""Seconds between two requests of the waiting approvals."""


class ApprovalsScreen(LiveScreen):
    CSS = """
    ApprovalsScreen > Static { height: 1; }
    ApprovalsScreen > #title { background: $panel; }
    ApprovalsScreen > #waiting { height: 1fr; }
    ApprovalsScreen > #plan { height: auto; max-height: 60%; background: $surface; }
    ApprovalsScreen > Input { border: none; padding: 0; height: 1; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        make_binding("y", "answer('approved')", "Approve", "waiting.approve", "approve it", in_footer=True),
        make_binding("n", "answer('rejected')", "Reject", "waiting.reject", "reject it", in_footer=True),
        make_binding("r", "reason", "Reason", "waiting.reason", "enter a reason", in_footer=True),
        make_binding("down,j", "move(1)", "Next", "waiting.next", "next one", in_footer=True, display="↓ ↑"),
        make_binding("up,k", "move(-1)", "Previous", "waiting.previous", "previous one"),
        make_binding(
            "escape,w", "back", "Back", "waiting.back", "previous screen", in_footer=True, display="esc"
        ),
    ]

    def __init__(self, model: DashboardContext, builder: OrderBuilder) -> None:
        super().__init__(model)
        self._order_builder = builder
        self._approvals: dict[str, Approval] = {}
        """By id; oldest first."""
        self._chosen_id = ""
        """The selected id.

        A selected approval stays selected when it expires, so that y cannot apply to another.
        """
        self._fetch_error = ""
        self._has_answer = False

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Lines(id="waiting")
        yield Static(id="plan")
        yield Input(placeholder="reason, stored with the event; confirm with enter", compact=True)
        yield KeyFooter()

    def on_mount(self) -> None:
        self.set_interval(REFRESH_SECONDS, self._fetch_approvals)
        self._fetch_approvals()

    def _fetch_approvals(self) -> None:
        run_in_background(self, "waiting", self._order_builder.list_approvals)

    def on_background_result(self, answer: background.BackgroundResult) -> None:
        self._has_answer, self._fetch_error = True, answer.why
        if not answer.why:
            self._approvals = {each.id: each for each in answer.value}
        self.redraw()

    @property
    def _visible_approvals(self) -> list[Approval]:
        """The open approvals, and the selected one in any state."""
        now = self.model.clock.now()
        return [each for each in self._approvals.values() if each.is_open(now) or each.id == self._chosen_id]

    def draw(self) -> None:
        approvals, now = self._visible_approvals, self.model.clock.now()
        if not self._chosen_id and approvals:
            self._chosen_id = approvals[0].id
        waits = sum(each.is_open(now) for each in approvals)
        count_text = f"  {waits} waiting" if self._has_answer else "  …"
        title = Text.assemble((" waiting for approval ", "bold reverse"), count_text)
        title.append(f"  ! {escape_controls(self._fetch_error)}" if self._fetch_error else "", BAD)
        self.update_static("title", title)
        lines = self.query_one("#waiting", Lines)
        nothing = (
            [Text("no action is waiting for approval", FAINT)]
            if self._has_answer and not self._fetch_error
            else []
        )
        lines.show([_draw_line(each, now) for each in approvals] or nothing)
        at = next((number for number, each in enumerate(approvals) if each.id == self._chosen_id), None)
        lines.point(at)
        self.update_static("plan", Text() if at is None else _draw_plan(approvals[at]))

    # --- keys ---------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        ids = [each.id for each in self._visible_approvals]
        if ids:
            at = ids.index(self._chosen_id) + by if self._chosen_id in ids else 0
            self._chosen_id = ids[max(0, min(at, len(ids) - 1))]
            self.redraw()

    def on_lines_line_selected(self, message: Lines.LineSelected) -> None:
        approvals = self._visible_approvals
        if message.number < len(approvals):
            self._chosen_id = approvals[message.number].id
            self.redraw()

    def action_answer(self, word: str) -> None:
        approval, answer = self._approvals.get(self._chosen_id), controls.ApprovalAnswer(word)
        if approval is None:
            self.notify("nothing is selected", severity="warning")
        elif not approval.is_open(self.model.clock.now()):
            self.notify(
                escape_controls(f"too late: {_describe_state(approval)}"), severity="warning", markup=False
            )
        else:
            field = self.query_one(Input)
            reason, field.value, field.display = field.value.strip(), "", False
            app, plan = self.app, self._order_builder.plan_answer(approval, answer)

            def told() -> None:
                app.post_message(OrdersCompleted())
                self._fetch_approvals()

            self.model.order_runner.run(plan, reason, told)

    def action_reason(self) -> None:
        field = self.query_one(Input)
        field.display = True
        field.focus()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.set_focus(None)

    def action_back(self) -> None:
        if self.focused is not None:
            self.set_focus(None)
        else:
            self.dismiss()


def _draw_line(approval: Approval, now: float) -> Text:
    is_open = approval.is_open(now)
    time_left = f"{format_countdown(approval.until - now)} left" if is_open else _describe_state(approval)
    return Text.assemble(
        (f"{fit(time_left, 14)} ", BUSY if is_open else FAINT),
        (f"{fit(str(approval.action), 8)} ", "bold"),
        fit(approval.container, 24),
        (f" {escape_controls(approval.cause)}", FAINT),
    )


def _describe_state(approval: Approval) -> str:
    return f"{approval.answer} by {approval.by}" if approval.answer else "it has expired"


def _draw_plan(approval: Approval) -> Text:
    """The exact action, its target and reason, and how to answer from the command line."""
    return Text.assemble(
        ("what   ", FAINT),
        (escape_controls(approval.plan or f"{approval.action} {approval.container}"), "bold"),
        ("\nwhere  ", FAINT),
        escape_controls(f"{approval.host}/{approval.container}"),
        ("\nwhy    ", FAINT),
        escape_controls(approval.cause or "unknown"),
        ("\n       ", FAINT),
        (escape_controls(f"incident {approval.incident}   hemostat approve {approval.id}"), FAINT),
    )
