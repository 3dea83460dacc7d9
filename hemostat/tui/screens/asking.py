"""Dialogs: choose one of several plans, and confirm a plan."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from hemostat.core.remediation.orders import ALLOWED_TEXT, FORCED_LIMITS_TEXT
from hemostat.core.text import escape_controls
from hemostat.tui.actions.background import BackgroundResult, run_in_background
from hemostat.tui.actions.build import OrderPlan
from hemostat.tui.render.text import BAD, BUSY, FAINT, GOOD

Choice = tuple[str, OrderPlan]
"""A label and its plan."""


class ChoiceDialog(ModalScreen[OrderPlan | None]):
    """Choose one of several plans.

    `more` returns choices that are slow to find, and may raise HemoStatError.
    """

    CSS = """
    ChoiceDialog { align: center middle; }
    ChoiceDialog OptionList {
        width: 90%; max-width: 76; height: auto; max-height: 100%; border: round $accent;
    }
    """
    AUTO_FOCUS = "OptionList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Cancel"),
        Binding("j", "move(1)", "Down", show=False),
        Binding("k", "move(-1)", "Up", show=False),
    ]

    def __init__(
        self, title: str, choices: Sequence[Choice], more: Callable[[], Sequence[Choice]] | None = None
    ) -> None:
        super().__init__()
        self._title = title
        self._choices = list(choices)
        self._more = more

    def compose(self) -> ComposeResult:
        chooser = OptionList(*(Text(escape_controls(name)) for name, _ in self._choices), markup=False)
        chooser.border_title = Text(escape_controls(self._title))
        chooser.border_subtitle = "enter selects, esc cancels"
        yield chooser

    def on_mount(self) -> None:
        if self._more is not None:
            run_in_background(self, "more", self._more)

    def on_background_result(self, answer: BackgroundResult) -> None:
        if answer.why:
            self.notify(escape_controls(answer.why), severity="error", markup=False)
            return
        self._choices += answer.value
        self.query_one(OptionList).add_options([Text(escape_controls(name)) for name, _ in answer.value])

    def action_move(self, by: int) -> None:
        chooser = self.query_one(OptionList)
        (chooser.action_cursor_down if by > 0 else chooser.action_cursor_up)()

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[message.option_index][1])


class ConfirmDialog(ModalScreen[None]):
    """Confirm a plan. `do` is called with the confirmed plan and the reason, which may be empty.

    It is called at once, because the next key may quit.
    """

    CSS = """
    ConfirmDialog { align: center middle; }
    ConfirmDialog > Vertical {
        width: 92%; max-width: 100; height: auto; max-height: 100%; padding: 0 1;
        border: round $accent; background: $surface;
    }
    ConfirmDialog VerticalScroll { height: auto; max-height: 30vh; }
    ConfirmDialog Static { height: auto; }
    ConfirmDialog #command { margin: 1 0; max-height: 20vh; }
    ConfirmDialog Input { border: none; padding: 0; height: 1; display: none; }
    """
    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "Do it"),
        Binding("n,escape", "no", "Do not"),
        Binding("r", "reason", "Reason"),
        Binding("f", "force", "Force"),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, plan: OrderPlan, do: Callable[[OrderPlan, str], object]) -> None:
        super().__init__()
        self._plan = plan
        self._do = do
        self._objections: dict[int, tuple[str, str]] = {}
        """The objection to each order, by its number, and the text's style."""

    def compose(self) -> ComposeResult:
        with Vertical():
            with VerticalScroll(can_focus=False):
                yield Static(id="deeds")
            yield Static(id="command")
            yield Input(placeholder="reason, stored with the event", id="reason", compact=True)
            yield Static(id="keys")

    def on_mount(self) -> None:
        self._fetch_objections()

    def _fetch_objections(self) -> None:
        plan, self._objections = self._plan, {}
        self._draw_plan()
        run_in_background(self, _describe_kind(plan), lambda: [order.ask() for order in plan.deeds])

    def on_background_result(self, answer: BackgroundResult) -> None:
        if answer.topic != _describe_kind(self._plan):
            return
        if answer.why:
            problem = f"the limits are unknown: {answer.why}"
            self._objections = dict.fromkeys(range(len(self._plan.deeds)), (problem, BAD))
        else:
            self._objections = {
                number: (objection, GOOD if objection == ALLOWED_TEXT else BUSY)
                for number, objection in enumerate(answer.value)
            }
        self._draw_plan()

    def _draw_plan(self) -> None:
        count, forced = len(self._plan.deeds), self._plan.forced
        subject = "this" if count == 1 else f"these {count}"
        self.query_one(
            Vertical
        ).border_title = f"do {subject}{f', ignoring {FORCED_LIMITS_TEXT}' if forced else ''}?"
        keys = "y yes   n no   r reason"
        if self.focused is not None:
            keys = "enter, esc  end of the reason"
        elif self._plan.other is not None:
            keys += "\nf apply the limits" if forced else f"\nf force past {FORCED_LIMITS_TEXT}, not pauses"
        self.query_one("#keys", Static).update(Text(keys, "bold"))
        text = Text()
        for number, order in enumerate(self._plan.deeds):
            objection, style = self._objections.get(number, ("…", FAINT))
            text.append(escape_controls(order.plan), "bold")
            text.append(f"\n  {escape_controls(objection)}" if objection else "", style)
            text.append("\n" if number + 1 < len(self._plan.deeds) else "")
        self.query_one("#deeds", Static).update(text)
        commands = self._plan.format_commands(self.query_one(Input).value.strip())
        self.query_one("#command", Static).update(Text("\n".join(map(escape_controls, commands)), FAINT))

    def on_input_changed(self) -> None:
        self._draw_plan()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.set_focus(None)

    def on_descendant_focus(self) -> None:
        self._draw_plan()

    def on_descendant_blur(self) -> None:
        self._draw_plan()

    def action_reason(self) -> None:
        field = self.query_one(Input)
        field.display = True
        field.focus()

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False, immediate=True)

    def action_yes(self) -> None:
        if self.is_current:
            self._do(self._plan, self.query_one(Input).value.strip())
            self.dismiss()

    def action_force(self) -> None:
        if self._plan.other is not None:
            self._plan = self._plan.other()
            self._fetch_objections()

    def action_no(self) -> None:
        if self.focused is not None:
            self.set_focus(None)
        elif self.is_current:
            self.dismiss()


def _describe_kind(plan: OrderPlan) -> str:
    return "ignoring the limits" if plan.forced else "within the limits"
