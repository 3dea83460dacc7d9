"""What waits for a person: approvals, incidents left to people, and faults of HemoStat itself.

Each with since when, why, and the key or command that settles it.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from hemostat.core.history.incident_log import UNFINISHED_STATUSES, IncidentLog
from hemostat.core.history.waiting_list import WaitingItem, WaitingKind, count_unacknowledged
from hemostat.core.ledger.controls import Approval, ApprovalAnswer
from hemostat.core.text import escape_controls
from hemostat.events import Container, Outcome
from hemostat.tui.actions import background
from hemostat.tui.actions.background import run_in_background
from hemostat.tui.context import DashboardContext
from hemostat.tui.data.state import find_open_incident, list_waiting_items
from hemostat.tui.render.text import BAD
from hemostat.tui.render.waiting_list import draw_item, draw_plan, measure_subjects
from hemostat.tui.screens.acting import ACTION_BINDINGS, INCIDENT_BINDINGS, ActionScreen
from hemostat.tui.screens.binding import make_binding
from hemostat.tui.widgets.footer import KeyFooter
from hemostat.tui.widgets.lines import Lines

REFRESH_SECONDS: Final = 2.0
"""Seconds between two requests of the pending approvals."""


class WaitingScreen(ActionScreen):
    CSS = """
    WaitingScreen > Static { height: 1; }
    WaitingScreen > #title { background: $panel; }
    WaitingScreen > #waiting { height: 1fr; }
    WaitingScreen > #plan { height: auto; max-height: 60%; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        make_binding("y", "answer('approved')", "Approve", "waiting.approve", "approve it", in_footer=True),
        make_binding("n", "answer('rejected')", "Reject", "waiting.reject", "reject it", in_footer=True),
        *INCIDENT_BINDINGS,
        make_binding("enter,i", "incident", "Incident", "waiting.incident", "show the incident"),
        make_binding("down,j", "move(1)", "Next", "waiting.next", "next one", in_footer=True, display="↓ ↑"),
        make_binding("up,k", "move(-1)", "Previous", "waiting.previous", "previous one"),
        make_binding(
            "escape,w", "back", "Back", "waiting.back", "previous screen", in_footer=True, display="esc"
        ),
        *(each for each in ACTION_BINDINGS if "waiting" not in str(each)),
    ]

    def __init__(self, model: DashboardContext) -> None:
        super().__init__(model)
        self._approvals: dict[str, Approval] = {}
        """By id; oldest first."""
        self._items: Sequence[WaitingItem] = ()
        self._chosen: WaitingItem | None = None
        """The selected item, which may have been settled.

        It stays selected, so that no key applies to another item.
        """
        self._chosen_index = 0
        self._fetch_error = ""
        self._has_answer = model.act is None

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Lines(id="waiting")
        yield Static(id="plan")
        yield KeyFooter()

    def on_mount(self) -> None:
        self.set_interval(REFRESH_SECONDS, self._fetch_approvals)
        self._fetch_approvals()

    def list_subjects(self) -> list[tuple[str, Container]]:
        incident_log = self.find_chosen_incident()
        if incident_log is None:
            return []
        host = incident_log.host
        return [(host, self.find_current(host, incident_log.container))]

    def find_chosen_incident(self) -> IncidentLog | None:
        item = self._chosen
        approval = self._find_chosen_approval()
        incident = approval.incident if approval else item.id if item else ""
        return find_open_incident(self.model.state, incident) if incident else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "answer" and self.model.act is None:
            return False
        return super().check_action(action, parameters)

    def _fetch_approvals(self) -> None:
        if builder := self.model.act:
            run_in_background(self, "waiting", builder.list_approvals)

    def on_background_result(self, answer: background.BackgroundResult) -> None:
        self._has_answer, self._fetch_error = True, answer.why
        if not answer.why:
            self._approvals = {each.id: each for each in answer.value}
        self.redraw()

    def draw(self) -> None:
        now, chosen = self.model.clock.now(), self._chosen
        self._items = list_waiting_items(
            self.model.state, now, self._approvals.values(), is_live=self.model.replay is None
        )
        if chosen is None and self._items:
            chosen = self._items[0]
        at = next((number for number, each in enumerate(self._items) if self._is_chosen(each, chosen)), None)
        if chosen is not None and at is None:
            at = min(self._chosen_index, len(self._items))
            self._items = (*self._items[:at], chosen, *self._items[at:])
        self._chosen = None if at is None else self._items[at]
        self._chosen_index = at or 0
        self._draw_title()
        nothing = [Text("nothing waits for a person")] if self._has_answer and not self._fetch_error else []
        lines = self.query_one("#waiting", Lines)
        width = measure_subjects(self._items)
        drawn = [draw_item(each, self._describe_end(each), now, width) for each in self._items]
        lines.show(drawn or nothing)
        lines.point(at)
        incident_log = self.find_chosen_incident()
        kind = None if incident_log is None else incident_log.kind
        self.update_static(
            "plan",
            Text()
            if self._chosen is None
            else draw_plan(
                self._chosen, self._find_chosen_approval(), kind, now, self._describe_end(self._chosen)
            ),
        )

    def _draw_title(self) -> None:
        count = count_unacknowledged(each for each in self._items if not self._describe_end(each))
        title = Text.assemble(
            (" waiting for a person ", "bold reverse"), f"  {count} waiting" if self._has_answer else "  …"
        )
        title.append(f"  ! {escape_controls(self._fetch_error)}" if self._fetch_error else "", BAD)
        self.update_static("title", title)

    def _describe_end(self, item: WaitingItem) -> str:
        """Why the item no longer waits; empty while it waits."""
        if (approval := self._find_approval(item)) is not None:
            is_open = approval.is_open(self.model.clock.now())
            return "" if is_open else f"{approval.describe_end()}{self._describe_progress(approval)}"
        if item.id:
            return "" if find_open_incident(self.model.state, item.id) else "settled"
        return ""

    def _is_chosen(self, item: WaitingItem, chosen: WaitingItem | None) -> bool:
        """An incident that waits for an unknown request is the request, once that is known."""
        approval = self._find_approval(item)
        if approval is None or chosen is None or chosen.kind is not WaitingKind.APPROVAL:
            return _is_same(item, chosen)
        return _is_same(item, chosen) or chosen.id == approval.incident

    def _describe_progress(self, approval: Approval) -> str:
        """What has become of an approved action, while its incident is open."""
        if approval.answer is not ApprovalAnswer.APPROVED:
            return ""
        incident_log = find_open_incident(self.model.state, approval.incident)
        if incident_log is None or incident_log.status not in UNFINISHED_STATUSES:
            return ""
        return ", waiting" if incident_log.status == Outcome.WAITING else ", running"

    # --- keys ---------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        if self._items:
            at = next(
                (number for number, each in enumerate(self._items) if _is_same(each, self._chosen)), -by
            )
            self._chosen = self._items[max(0, min(at + by, len(self._items) - 1))]
            self.redraw()

    def on_lines_line_selected(self, message: Lines.LineSelected) -> None:
        if message.number < len(self._items):
            self._chosen = self._items[message.number]
            self.redraw()

    def action_answer(self, word: str) -> None:
        approval, builder = self._find_chosen_approval(), self.model.act
        if approval is None or builder is None:
            self.notify("no approval is selected", severity="warning")
        elif not approval.is_open(self.model.clock.now()):
            self.notify(
                escape_controls(f"too late: {approval.describe_end()}"), severity="warning", markup=False
            )
        else:
            self._ask_confirmation(builder.plan_answer(approval, ApprovalAnswer(word)))

    def handle_order_result(self) -> None:
        self._fetch_approvals()

    def _find_chosen_approval(self) -> Approval | None:
        return self._find_approval(self._chosen)

    def _find_approval(self, item: WaitingItem | None) -> Approval | None:
        return self._approvals.get(item.id) if item and item.kind is WaitingKind.APPROVAL else None

    def action_incident(self) -> None:
        if incident_log := self.find_chosen_incident():
            from hemostat.tui.screens.incident import IncidentScreen

            self.app.push_screen(IncidentScreen(self.model, incident_log.incident))
        else:
            self.notify("no open incident is selected", severity="warning")

    def action_back(self) -> None:
        self.dismiss()


def _is_same(item: WaitingItem, other: WaitingItem | None) -> bool:
    return other is not None and (item.id, item.host, item.subject) == (other.id, other.host, other.subject)
