"""Screens from which operators act on the shown container, through the responder and its limits.

In a read-only dashboard these keys are absent.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from textual.app import SystemCommand
from textual.binding import BindingType

from hemostat.core.history.incident_log import IncidentLog
from hemostat.core.history.waiting_list import count_unacknowledged
from hemostat.core.ledger.controls import ALL_CONTAINERS, describe_pause, is_pause_active
from hemostat.core.text import escape_controls
from hemostat.events import Action, Container, ContainerStats
from hemostat.tui.actions.background import OrdersCompleted
from hemostat.tui.actions.build import (
    PAUSE_LENGTHS,
    FindIncident,
    OrderBuilder,
    OrderPlan,
    OrderTarget,
    name_target,
)
from hemostat.tui.data.state import build_role_status, find_open_incident, list_waiting_items
from hemostat.tui.screens.asking import Choice, ChoiceDialog, ConfirmDialog
from hemostat.tui.screens.binding import make_binding
from hemostat.tui.screens.live import LiveScreen

RESOURCES: Final = ("cpu", "memory", "replicas")
ACTIONS: Final = frozenset({"order", "scale", "pause", "reset", "acknowledge", "close"})

ACTION_BINDINGS: Final[list[BindingType]] = [
    make_binding("w", "waiting", "Waiting", "act.waiting", "show what waits for a person", in_footer=True),
    make_binding("L", "logs", "Logs", "logs", "its logs, or those of all that are marked", in_footer=True),
    make_binding("R", "order('restart')", "Restart", "act.restart", "restart it", in_footer=True),
    make_binding(
        "Z",
        "pause",
        "Pause",
        "act.pause",
        "pause remediation of it or of everything, or resume",
        in_footer=True,
    ),
    make_binding("b", "shell", "Shell", "shell", "a shell in it; the dashboard comes back after it"),
    make_binding("U", "order('start')", "Start", "act.start", "start it"),
    make_binding("D", "order('stop')", "Stop", "act.stop", "stop it; it stays stopped"),
    make_binding("X", "scale", "Scale", "act.scale", "raise its CPU, memory or replicas"),
    make_binding("C", "order('cleanup')", "Clean up", "act.cleanup", "delete the files that its label names"),
    make_binding("E", "order('exec')", "Run", "act.exec", "run the command that its label names"),
    make_binding("B", "reset", "Reset", "act.reset", "close its circuit breaker"),
]
INCIDENT_BINDINGS: Final[list[BindingType]] = [
    make_binding(
        "a",
        "acknowledge",
        "Acknowledge",
        "act.acknowledge",
        "record that you take care of it",
        in_footer=True,
    ),
    make_binding("c", "close", "Close", "act.close", "close the incident that you settled", in_footer=True),
]
"""Bindings of screens that show one incident or select one."""


class ActionScreen(LiveScreen):
    BINDINGS: ClassVar[list[BindingType]] = []

    def list_subjects(self) -> Sequence[tuple[str, Container]]:
        """Host and container that an action would apply to."""
        raise NotImplementedError

    def find_chosen_incident(self) -> IncidentLog | None:
        """The incident that would be acknowledged or closed; None if no open incident is selected."""
        return None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ACTIONS and self.model.act is None:
            return False
        if action == "shell" and self.model.find_shell is None:
            return False
        return super().check_action(action, parameters)

    def list_commands(self) -> Iterable[SystemCommand]:
        if hand := self.model.act:
            words = "earlier failures no longer count"
            yield SystemCommand(
                "Close all breakers",
                words,
                lambda: self._ask_confirmation(hand.plan_resets([ALL_CONTAINERS])),
            )

    def describe_waiting(self) -> str:
        """How much waits for a person, and the key that shows it. Empty if nothing waits."""
        is_live = self.model.replay is None
        items = list_waiting_items(self.model.state, self.model.clock.now(), is_live=is_live)
        count = count_unacknowledged(items)
        key = self.find_key("waiting")
        waits = f"{count} {'waits' if count == 1 else 'wait'} for you"
        return f"{waits}{f': {key}' if key else ''}" if count else ""

    def find_key(self, action: str) -> str:
        """The key of an action on this screen, as text; empty without one."""
        bindings = (each.binding for each in self.active_bindings.values())
        return next((self.app.get_key_display(each) for each in bindings if each.action == action), "")

    # --- keys ---------------------------------------------------------------------------------------

    def action_order(self, action: str) -> None:
        if (builder := self.model.act) and (targets := self._list_targets()):
            self._ask_confirmation(builder.plan_orders(Action(action), targets))

    def action_scale(self) -> None:
        if (builder := self.model.act) and (targets := self._list_targets()):
            choices = [(name, builder.plan_orders(Action.SCALE, targets, name)) for name in RESOURCES]
            self.app.push_screen(
                ChoiceDialog(f"scale {_name_subjects(self.list_subjects())}", choices), self._ask_confirmation
            )

    def action_pause(self) -> None:
        if builder := self.model.act:
            names = sorted({container.name for _, container in self.list_subjects()})
            choices = [
                (f"{label} {f'for {length}' if length else 'until resumed'}", plan)
                for label, of in (
                    (f"pause {_name_subjects(self.list_subjects())}", names),
                    ("pause everything", [ALL_CONTAINERS]),
                )
                for length, seconds in PAUSE_LENGTHS
                if of
                for plan in [builder.plan_pauses(of, length, seconds)]
            ]
            self.app.push_screen(
                ChoiceDialog("pause remediation", choices, lambda: self._list_resumes(builder)),
                self._ask_confirmation,
            )

    def action_reset(self) -> None:
        names = sorted({container.name for _, container in self.list_subjects()})
        if (builder := self.model.act) and (names or self._warn_nothing_chosen()):
            self._ask_confirmation(builder.plan_resets(names))

    def action_waiting(self) -> None:
        from hemostat.tui.screens.waiting_list import WaitingScreen

        self.app.push_screen(WaitingScreen(self.model))

    def action_acknowledge(self) -> None:
        if (builder := self.model.act) and (incident_log := self._require_incident()):
            self._ask_confirmation(
                builder.plan_acknowledgement(incident_log, self._make_finder(incident_log))
            )

    def action_close(self) -> None:
        if (builder := self.model.act) and (incident_log := self._require_incident()):
            self._ask_confirmation(builder.plan_close(incident_log, self._make_finder(incident_log)))

    def action_logs(self) -> None:
        if places := [(host, container.name) for host, container in self.list_subjects()]:
            from hemostat.tui.screens.log import LogScreen

            self.app.push_screen(LogScreen(self.model, places))
        else:
            self._warn_nothing_chosen()

    def action_shell(self) -> None:
        subjects = self.list_subjects()
        if self.model.find_shell is None:
            return
        if len(subjects) != 1:
            self.notify("select one container", severity="warning")
            return
        from hemostat.tui.screens.shell import ShellScreen

        host, container = subjects[0]
        current = self.find_current(host, container)
        shell = self.model.find_shell(host)
        self.app.push_screen(ShellScreen(shell, current.id, current.name), self._report_shell)

    def _report_shell(self, why: str | None) -> None:
        if why:
            self.notify(escape_controls(why), severity="warning", markup=False)

    # --- helpers ------------------------------------------------------------------------------------

    def _list_targets(self) -> list[OrderTarget]:
        """The targets of an order. Empty, with a message, if no order is possible."""
        now, stats = self.model.clock.now(), self.model.state.stats
        alive = {
            role.host
            for role in build_role_status(self.model.state, now).roles
            if role.role == "responder" and not role.stale
        }
        several = len({event.host for event in stats.values()} | alive) > 1
        targets = [
            OrderTarget(host, container, f"{host}/{container.name}" if several else container.name)
            for host, container in self.list_subjects()
        ]
        if not targets:
            self._warn_nothing_chosen()
        for host in sorted({target.host for target in targets} - alive):
            self.notify(
                escape_controls(f"no responder runs on {host}: start it there with: hemostat respond"),
                severity="error",
                markup=False,
            )
            return []
        return targets

    def _require_incident(self) -> IncidentLog | None:
        incident_log = self.find_chosen_incident()
        if incident_log is None:
            self.notify("no open incident is selected", severity="warning")
        return incident_log

    def _make_finder(self, incident_log: IncidentLog) -> FindIncident:
        """Finds the incident as it is then. One whose events are no longer in the log is taken as it was."""

        def find() -> IncidentLog | None:
            state, incident = self.model.state, incident_log.incident
            is_known = any(event.incident == incident for event in state.log)
            return find_open_incident(state, incident) if is_known else incident_log

        return find

    def _warn_nothing_chosen(self) -> bool:
        self.notify("select a container first", severity="warning")
        return False

    def _list_resumes(self, builder: OrderBuilder) -> list[Choice]:
        now = self.model.clock.now()
        return [
            (
                f"resume: {describe_pause(f'{name_target(name)} paused', pause, now)}",
                builder.plan_resume(name),
            )
            for name, pause in sorted(builder.read_controls().pauses.items())
            if is_pause_active(pause, now)
        ]

    def _ask_confirmation(self, plan: OrderPlan | None) -> None:
        if plan is None:
            return

        app, runner = self.app, self.model.order_runner

        def complete() -> None:
            app.post_message(OrdersCompleted())
            self.handle_order_result()

        def do(agreed: OrderPlan, reason: str) -> None:
            runner.run(agreed, reason, complete)
            self.clear_marks()

        app.push_screen(ConfirmDialog(plan, do))

    def handle_order_result(self) -> None:
        """Called from the order's thread for each result of a plan that was confirmed on this screen."""

    def clear_marks(self) -> None:
        """Called when a plan was confirmed, so that the next one does not apply to the same marks."""

    def find_current(self, host: str, container: Container) -> Container:
        """The container as it is now: it may have been recreated under its name. The host is never
        another container with its name."""
        if container.is_host:
            return container
        matches = (
            event.data.container
            for event in self.model.state.stats.values()
            if event.host == host
            and isinstance(event.data, ContainerStats)
            and event.data.container.name == container.name
        )
        return next(matches, container)


def _name_subjects(subjects: Sequence[tuple[str, Container]]) -> str:
    return subjects[0][1].name if len(subjects) == 1 else f"{len(subjects)} marked containers"
