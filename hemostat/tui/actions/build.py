"""Builds the orders that an operator can give: as text, as the equivalent command line, and as calls.

No order bypasses the responder: all use hemostat.operator, as the command line does.
"""

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from hemostat.core.history.incident_log import UNFINISHED_STATUSES, IncidentLog
from hemostat.core.ledger import controls as control
from hemostat.core.ledger.controls import ALL_CONTAINERS, Approval, ApprovalAnswer, Controls
from hemostat.core.remediation.orders import describe_plan
from hemostat.core.wording import describe_kind
from hemostat.events import Action, Container, Order
from hemostat.ports import Clock

if TYPE_CHECKING:
    from hemostat.operator import OperatorCommands

PAUSE_LENGTHS: Final = (("10m", 600.0), ("30m", 1800.0), ("1h", 3600.0), ("", None))
"""Lengths of a pause, as the command line's text and in seconds. None: until resumed."""

FindIncident = Callable[[], IncidentLog | None]
"""Returns an open incident, None once it has ended."""


class OrderTarget(msgspec.Struct, frozen=True):
    """The container that an order is for.

    `named` is its name on the command line, with its host if there are several.
    """

    host: str
    container: Container
    named: str


class OrderResult(msgspec.Struct, frozen=True):
    """What to report after an order was sent.

    `incident` is the incident in which the responder answers, empty if no answer follows. `about` is the
    container's name.
    """

    told: str
    incident: str = ""
    about: str = ""


class PlannedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order that can be carried out.

    `ask` returns the objections to it, and `do` carries it out for a reason.

    Both may be slow and may raise HemoStatError.
    """

    plan: str
    ask: Callable[[], str]
    do: Callable[[str], OrderResult]


class OrderPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The orders that are confirmed together.

    `commands` are the equivalent command lines. `forced`: ignores budget and breakers. `other` is the same
    plan with the opposite of `forced`, None if there is no such plan.
    """

    deeds: tuple[PlannedOrder, ...]
    commands: tuple[tuple[str, ...], ...]
    forced: bool = False
    other: "Callable[[], OrderPlan] | None" = None

    def format_commands(self, reason: str) -> list[str]:
        """The commands, quoted for a shell."""
        why = ("--reason", reason) if reason else ()
        return [shlex.join(("hemostat", *command, *why)) for command in self.commands]


class OrderBuilder:
    """Builds the orders of one operator. `by` is the operator as user@host."""

    def __init__(self, orders: "OperatorCommands", clock: Clock, *, by: str) -> None:
        self._operator = orders
        self._clock = clock
        self._by = by

    # --- orders -------------------------------------------------------------------------------------

    def plan_orders(
        self, action: Action, targets: Sequence[OrderTarget], resource: str = "", *, force: bool = False
    ) -> OrderPlan:
        """A plan with one order for each container. `resource` is the resource to scale."""
        options = (*(("--resource", resource) if resource else ()), *(("--force",) if force else ()))
        return OrderPlan(
            deeds=tuple(self._plan_order(action, target, resource, force=force) for target in targets),
            commands=(("order", str(action), *(target.named for target in targets), *options),),
            forced=force,
            other=lambda: self.plan_orders(action, targets, resource, force=not force),
        )

    def _plan_order(self, action: Action, target: OrderTarget, resource: str, *, force: bool) -> PlannedOrder:
        parameters: dict[str, float | str | bool] = {"resource": resource} if resource else {}
        order = Order(
            container=target.container, action=action, by=self._by, parameters=parameters, force=force
        )

        def place(reason: str) -> OrderResult:
            options = msgspec.structs.replace(order, reason=reason)
            name = target.container.name
            return OrderResult(
                f"ordered: {action} {name}", self._operator.place_order(target.host, options), name
            )

        return PlannedOrder(
            plan=f"{describe_plan(order)}, on {target.host}",
            ask=lambda: self._operator.describe_prediction(target.host, order),
            do=place,
        )

    # --- pauses and breakers ------------------------------------------------------------------------

    def read_controls(self) -> Controls:
        return self._operator.read_controls()

    def plan_pauses(self, names: Sequence[str], length: str, seconds: float | None) -> OrderPlan:
        """`names` are containers, or ALL_CONTAINERS alone.

        `length` and `seconds` are one of PAUSE_LENGTHS.
        """
        how_long = ("--for", length) if length else ()
        return OrderPlan(
            deeds=tuple(self._plan_pause(name, length, seconds) for name in names),
            commands=tuple(("pause", *how_long, *_make_container_option(name)) for name in names),
        )

    def _plan_pause(self, name: str, length: str, seconds: float | None) -> PlannedOrder:
        def known() -> str:
            now, pause = self._clock.now(), self.read_controls().pauses.get(name)
            is_paused = pause is not None and control.is_pause_active(pause, now)
            return (
                f"this replaces: {control.describe_pause('paused', pause, now)}"
                if pause and is_paused
                else ""
            )

        def put(reason: str) -> OrderResult:
            self._operator.pause(name, by=self._by, reason=reason, seconds=seconds)
            return OrderResult(f"paused: {name_target(name)}")

        until = f"for {length}" if length else "until resumed"
        return PlannedOrder(
            plan=f"pause remediation of {name_target(name)} {until}; detection continues", ask=known, do=put
        )

    def plan_resume(self, name: str) -> OrderPlan:
        def lift(reason: str) -> OrderResult:
            is_resumed = self._operator.resume(name, by=self._by, reason=reason)
            return OrderResult(
                f"resumed: {name_target(name)}"
                if is_resumed
                else f"no pause was in effect for {name_target(name)}"
            )

        order = PlannedOrder(plan=f"resume {name_target(name)}", ask=lambda: "", do=lift)
        return OrderPlan(deeds=(order,), commands=(("resume", *_make_container_option(name)),))

    def plan_resets(self, names: Sequence[str]) -> OrderPlan:
        return OrderPlan(
            deeds=tuple(self._plan_reset(name) for name in names),
            commands=tuple(("reset", *_make_container_option(name)) for name in names),
        )

    def _plan_reset(self, name: str) -> PlannedOrder:
        def close(reason: str) -> OrderResult:
            self._operator.reset_breaker(name, by=self._by, reason=reason)
            return OrderResult(f"breaker closed: {name_target(name)}")

        text = f"close the breaker of {name_target(name)}: earlier failures no longer count"
        return PlannedOrder(plan=text, ask=lambda: "", do=close)

    # --- incidents ----------------------------------------------------------------------------------

    def plan_acknowledgement(self, incident_log: IncidentLog, find_current: FindIncident) -> OrderPlan:
        """`find_current` returns the incident as it is when the plan is confirmed."""

        def do(reason: str) -> OrderResult:
            if (current := find_current()) is None:
                return OrderResult(f"no longer open: {_name_incident(incident_log)}")
            self._operator.acknowledge(current, by=self._by, reason=reason)
            return OrderResult(f"acknowledged: {_name_incident(current)}")

        note = incident_log.acknowledgement
        order = PlannedOrder(
            plan=f"acknowledge {_name_incident(incident_log)}; you take care of it, and it stays open",
            ask=lambda: f"already acknowledged by {note.by}" if note else "",
            do=do,
        )
        return OrderPlan(deeds=(order,), commands=(("acknowledge", incident_log.incident),))

    def plan_close(self, incident_log: IncidentLog, find_current: FindIncident) -> OrderPlan:
        """`find_current` returns the incident as it is when the plan is confirmed."""

        def do(reason: str) -> OrderResult:
            if (current := find_current()) is None:
                return OrderResult(f"no longer open: {_name_incident(incident_log)}")
            self._operator.close(current, by=self._by, reason=reason)
            return OrderResult(f"closed: {_name_incident(current)}")

        is_unfinished = incident_log.status in UNFINISHED_STATUSES
        order = PlannedOrder(
            plan=f"close {_name_incident(incident_log)}; another failure opens it again",
            ask=lambda: "HemoStat still works on it: this will be refused" if is_unfinished else "",
            do=do,
        )
        return OrderPlan(deeds=(order,), commands=(("close", incident_log.incident),))

    # --- approvals ----------------------------------------------------------------------------------

    def list_approvals(self) -> list[Approval]:
        return self._operator.list_approvals()

    def plan_answer(self, approval: Approval, answer: ApprovalAnswer) -> OrderPlan:
        """A plan that answers an approval. The first of two answers counts."""
        subject = f"{approval.action} of {approval.container}"

        def give(reason: str) -> OrderResult:
            answered = self._operator.answer_approval(approval.id, answer, by=self._by, reason=reason)
            if answered is None:
                return OrderResult(f"{subject} no longer waits for approval")
            decision, counts = answered
            if counts:
                left = "" if answer is ApprovalAnswer.APPROVED else "; the failure is left to people"
                return OrderResult(f"{answer}: {subject}{left}")
            return OrderResult(f"too late: {decision.describe_end()}")

        verb = "approve" if answer is ApprovalAnswer.APPROVED else "reject"
        what = f"{verb}: {_describe_action(approval)}, on {approval.host}"
        order = PlannedOrder(plan=what, ask=lambda: "", do=give)
        return OrderPlan(deeds=(order,), commands=((verb, approval.id),))


def _describe_action(approval: Approval) -> str:
    """The action that waits for approval, its container, and what else the plan says."""
    action = f"{approval.action} {approval.container}"
    if approval.plan in {"", str(approval.action)}:
        return action
    return approval.plan if approval.container in approval.plan else f"{action}: {approval.plan}"


def _name_incident(incident_log: IncidentLog) -> str:
    return f"{incident_log.container.name}, {describe_kind(incident_log.kind)}"


def name_target(name: str) -> str:
    return "everything" if name == ALL_CONTAINERS else name


def _make_container_option(name: str) -> tuple[str, ...]:
    return () if name == ALL_CONTAINERS else ("--container", name)
