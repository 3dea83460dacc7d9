"""Acting from the dashboard, under a pilot: what is asked, what is ordered, and what comes back."""

import threading

import msgspec
import pytest
from textual.events import Key

from hemostat import tui
from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.core.ledger.controls import ALL_CONTAINERS, Approval, ApprovalAnswer
from hemostat.errors import BusUnreachableError, HemoStatError
from hemostat.events import Action, Container, Outcome, Phase, Reason
from hemostat.operator import OperatorCommands
from hemostat.tui.actions.build import OrderPlan, OrderResult, PlannedOrder
from hemostat.tui.actions.runner import UNKNOWN_RESULT, OrderRunner
from hemostat.tui.app import Dashboard
from hemostat.tui.context import DashboardContext
from hemostat.tui.screens.asking import ConfirmDialog
from tests.support.clock import FakeClock
from tests.support.dashboard import says, screen, until
from tests.support.dashboard_actions import LIMITS, ME, ActionHarness
from tests.support.samples import NOW, WEB, alert, complete, event, heartbeat, stats

ASKED = Approval(
    id="a1",
    key="i2:1:0",
    incident="i2",
    host="h",
    container="db",
    action=Action.RESTART,
    plan="restart db, with its sidecar",
    cause="its health check fails",
    asked=NOW,
    until=NOW + 70,
)


async def confirmed(app, pilot, *keys: str, shown: str) -> None:
    """Press the keys, wait for the plan, say yes."""
    await pilot.press(*keys)
    await until(pilot, lambda: says(app, "y yes   n no") and says(app, shown))
    await pilot.press("y")


def test_restart_is_confirmed_ordered_and_answered():
    async def script(office, app, pilot):
        await pilot.press("j", "R")
        await until(pilot, lambda: says(app, "restart web, on h") and says(app, "the limits allow it"))
        assert says(app, "hemostat order restart web")
        assert office.ordered() == []
        await pilot.press("r", *"why y", "enter")
        await until(pilot, lambda: says(app, "hemostat order restart web --reason 'why y'"))
        await pilot.press("y")
        await until(pilot, office.ordered)
        (given,) = office.ordered()
        assert (given.host, given.data.container.name, given.data.action) == ("h", "web", Action.RESTART)
        assert (given.data.by, given.data.reason) == (ME, "why y")
        office.answer(given, durations={"total": 2.4})
        await until(pilot, lambda: office.clock.advance(0.3) and says(app, "web: restarted in 2.4 s"))

    ActionHarness().play(script)


def test_only_visible_container_is_the_target():
    async def script(office, app, pilot):
        await pilot.press("slash", *"name:web", "enter")
        await until(pilot, lambda: not says(app, "0 exited"))
        await pilot.press("R")
        await until(pilot, lambda: says(app, "restart web, on h"))

    ActionHarness().play(script)


@pytest.mark.parametrize("no", ["n", "escape"])
def test_declined_confirmation_orders_nothing(no):
    async def script(office, app, pilot):
        await pilot.press("R")
        await until(pilot, lambda: says(app, "the limits allow it"))
        await pilot.press(no)
        await until(pilot, lambda: not says(app, "y yes   n no"))
        await pilot.press("y")
        assert office.ordered() == []

    ActionHarness().play(script)


@pytest.mark.parametrize(
    ("keys", "action", "parameters"),
    [
        (["U"], Action.START, {}),
        (["D"], Action.STOP, {}),
        (["C"], Action.CLEANUP, {}),
        (["X", "down", "enter"], Action.SCALE, {"resource": "memory"}),
    ],
)
def test_every_action_has_its_key(keys, action, parameters):
    async def script(office, app, pilot):
        await confirmed(app, pilot, *keys, shown=f"hemostat order {action} db")
        await until(pilot, office.ordered)
        (given,) = office.ordered()
        assert (given.data.action, given.data.parameters) == (action, parameters)

    ActionHarness().play(script)


RUNS = msgspec.structs.replace(WEB, labels={"hemostat.exec": "flush --all"})


def test_command_of_the_label_is_shown_and_run():
    async def script(office, app, pilot):
        office.bus.publish_live([event(stats(container=RUNS), 5.5)], ttl=60)
        office.clock.advance(0.3)
        await until(pilot, lambda: app.model.state.stats["h/web"].data.container == RUNS)
        await pilot.press("j", "E")
        await until(pilot, lambda: says(app, "run in web: flush --all, on h"))
        assert says(app, "hemostat order exec web")
        await until(pilot, lambda: says(app, "the limits allow it"))
        await pilot.press("y")
        await until(pilot, office.ordered)
        (given,) = office.ordered()
        assert (given.data.action, given.data.container.name) == (Action.EXEC, "web")

    ActionHarness().play(script)


def test_missing_command_label_is_reported():
    async def script(_, app, pilot):
        await pilot.press("E")
        await until(pilot, lambda: says(app, "run in db: nothing: it has no label hemostat.exec"))

    ActionHarness().play(script)


def spent(*, override: bool) -> "ActionHarness":
    """Where the budget of orders is spent."""
    limits = msgspec.structs.replace(LIMITS, orders_budget=0, orders_override=override)
    return ActionHarness(limits)


def test_force_is_toggled_in_the_confirmation():
    async def script(office, app, pilot):
        await pilot.press("R")
        await until(pilot, lambda: says(app, "it will be refused: its budget is spent"))
        assert not says(app, "restart db --force")
        assert says(app, "f force past budget, breakers, back-off, rush and minimum, not pauses")
        await pilot.press("f")
        await until(pilot, lambda: says(app, "the limits allow it"))
        assert says(app, "hemostat order restart db --force")
        assert says(app, "ignoring budget, breakers, back-off, rush and minimum?")
        await pilot.press("f")
        await until(pilot, lambda: says(app, "it will be refused: its budget is spent"))
        assert not says(app, "restart db --force")
        await pilot.press("f", "y")
        await until(pilot, office.ordered)
        (given,) = office.ordered()
        assert given.data.force

    spent(override=True).play(script)


def test_ineffective_force_is_reported_and_off_by_default():
    async def script(office, app, pilot):
        await pilot.press("R", "f")
        await until(pilot, lambda: says(app, "--force is switched off"))
        assert says(app, "it will be refused: its budget is spent")
        await pilot.press("n")
        await confirmed(app, pilot, "R", shown="hemostat order restart db")
        await until(pilot, office.ordered)
        assert [each.data.force for each in office.ordered()] == [False]

    spent(override=False).play(script)


def test_pause_cannot_be_forced():
    async def script(_, app, pilot):
        await pilot.press("B")
        await until(pilot, lambda: says(app, "y yes   n no"))
        assert not says(app, "f force")
        await pilot.press("f")
        assert not says(app, "restart db --force")

    ActionHarness().play(script)


# --- quitting meanwhile ---------------------------------------------------------------------------------


class Slow(InMemoryBus):
    """One that takes an order only when it is let."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.let = threading.Event()

    def publish(self, events, *, state=None):
        if any(each.type == "order" for each in events):
            self.let.wait(20)
        super().publish(events, state=state)


@pytest.mark.parametrize("leave", ["q", "ctrl+c"])
def test_quit_after_confirmation_publishes_the_order(leave):
    async def script(_, app, pilot):
        await pilot.press("R")
        await until(pilot, lambda: says(app, "the limits allow it"))
        app.post_message(Key("y", "y"))
        if leave == "q":
            # What is typed before the question is gone is an answer to it.
            await until(pilot, lambda: not isinstance(app.screen, ConfirmDialog))
        app.post_message(Key(leave, None))
        await until(pilot, lambda: not app.is_running)

    office = ActionHarness(bus=Slow)
    model = office.play(script)
    assert office.ordered() == []
    office.bus.let.set()
    assert model.order_runner.finish() == []
    assert [each.data.container.name for each in office.ordered()] == ["db"]


def test_failure_during_quit_is_printed():
    deed = PlannedOrder(plan="restart db, on h", ask=lambda: "", do=lambda _: gone())
    plan = OrderPlan(deeds=(deed, deed), commands=())

    def gone():
        raise BusUnreachableError("Redis is gone")

    courier = OrderRunner()
    courier.run(plan, "", lambda: None)
    assert courier.finish() == ["restart db, on h: Redis is gone; 1 more not attempted"]
    assert courier.finish() == []
    let = threading.Event()
    held = PlannedOrder(
        plan="restart db, on h", ask=lambda: "", do=lambda _: let.wait(20) and OrderResult("done")
    )
    courier.run(OrderPlan(deeds=(held,), commands=()), "", lambda: None)
    assert courier.finish(timeout=0.0) == [f"restart db, on h: {UNKNOWN_RESULT}"]
    let.set()
    assert courier.finish() == []


def test_exit_code_reflects_a_failure_during_quit(monkeypatch):
    clock = FakeClock(NOW)
    model = DashboardContext(InMemoryBus(clock), clock)

    def failing(_: str) -> OrderResult:
        raise BusUnreachableError("Redis is gone")

    def quits(*_, **__) -> None:
        deed = PlannedOrder(plan="restart db, on h", ask=lambda: "", do=failing)
        model.order_runner.run(OrderPlan(deeds=(deed,), commands=()), "", lambda: None)

    monkeypatch.setattr(Dashboard, "run", quits)
    with pytest.raises(HemoStatError, match="restart db, on h: Redis is gone"):
        tui.run(model)


def test_each_marked_container_is_ordered_separately():
    async def script(office, app, pilot):
        await confirmed(app, pilot, "asterisk", "D", shown="hemostat order stop db web")
        await until(pilot, lambda: len(office.ordered()) == 2)
        assert {each.data.container.name for each in office.ordered()} == {"db", "web"}
        assert len({each.incident for each in office.ordered()}) == 2

    ActionHarness().play(script)


def test_marks_end_when_their_order_is_confirmed():
    async def script(office, app, pilot):
        await pilot.press("asterisk", "R")
        await until(pilot, lambda: says(app, "hemostat order restart db web"))
        await pilot.press("n")
        await until(pilot, lambda: says(app, "[2 marked]"))
        await confirmed(app, pilot, "R", shown="hemostat order restart db web")
        await until(pilot, lambda: says(app, "HemoStat ") and not says(app, "marked]"))
        await pilot.press("R")
        await until(pilot, lambda: says(app, "hemostat order restart db") and says(app, "do this?"))

    ActionHarness().play(script)


def test_expected_refusal_is_shown_before_and_after():
    async def script(office, app, pilot):
        await confirmed(app, pilot, "j", "R", shown="it will be refused: it is protected")
        await until(pilot, office.ordered)
        (given,) = office.ordered()
        office.answer(given, outcome=Outcome.REFUSED, reason=Reason.PROTECTED)
        await until(
            pilot, lambda: office.clock.advance(0.3) and says(app, "web: not restarted: it is protected")
        )

    ActionHarness(msgspec.structs.replace(LIMITS, protect=("web",))).play(script)


def test_waiting_order_shows_reason_then_outcome():
    async def script(office, app, pilot):
        await confirmed(app, pilot, "R", shown="restart db")
        await until(pilot, office.ordered)
        (given,) = office.ordered()
        office.answer(given, outcome=Outcome.WAITING, reason=Reason.MIN_HEALTHY)
        await until(pilot, lambda: office.clock.advance(0.3) and says(app, "db: waits"))
        office.answer(given, durations={"total": 1.0})
        await until(pilot, lambda: office.clock.advance(0.3) and says(app, "db: restarted in 1 s"))

    ActionHarness().play(script)


def test_missing_answer_is_shown_once():
    async def script(office, app, pilot):
        await confirmed(app, pilot, "R", shown="restart db")
        await until(pilot, lambda: says(app, "ordered: restart db"))
        office.clock.advance(31)
        await until(pilot, lambda: says(app, "db: no answer from the responder yet"))
        told = [each.message for each in app._notifications]
        assert told.count("db: no answer from the responder yet") == 1

    ActionHarness().play(script)


def test_order_needs_a_running_responder():
    async def script(office, app, pilot):
        office.bus.publish_live([event(stats(), 5.0, host="far")], ttl=60)
        await until(pilot, lambda: office.clock.advance(0.3) and says(app, " far "))
        await pilot.press("slash", *"host:far", "enter", "j", "R")
        await until(pilot, lambda: says(app, "no responder runs on far"))
        assert not says(app, "y yes   n no")

    ActionHarness().play(script)


class Gone(InMemoryBus):
    """One that takes no order."""

    def publish(self, events, *, state=None):
        if any(each.type in {"order", "decision"} for each in events):
            raise BusUnreachableError("Redis is gone")
        super().publish(events, state=state)


def test_failed_order_is_one_error_line():
    async def script(office, app, pilot):
        await confirmed(app, pilot, "asterisk", "R", shown="hemostat order restart db web")
        await until(pilot, lambda: says(app, "Redis is gone"))
        told = [each.message for each in app._notifications]
        assert told == ["restart db, on h: Redis is gone; 1 more not attempted"]

    ActionHarness(bus=Gone).play(script)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (80, ["View", "Incident", "Waiting", "Logs", "Restart", "Pause"]),
        (100, ["View", "Incident", "Waiting", "Logs", "Restart", "Pause", "Filter", "space Mark"]),
    ],
)
def test_footer_of_the_table_shows_the_keys_of_actions(width, expected):
    async def script(office, app, pilot):
        await pilot.resize_terminal(width, 30)
        await until(pilot, lambda: all(word in screen(app)[-1] for word in expected))

    ActionHarness().play(script)


@pytest.mark.parametrize("keys", [["enter"], ["i"]])
def test_actions_work_in_container_and_incident_views(keys):
    async def script(office, app, pilot):
        await pilot.press("j", *keys)
        await until(pilot, lambda: not says(app, "events"))
        await confirmed(app, pilot, "R", shown="hemostat order restart web")
        await until(pilot, office.ordered)
        (given,) = office.ordered()
        assert given.data.container == WEB
        office.answer(given, durations={"total": 2.4})
        await until(pilot, lambda: office.clock.advance(0.3) and says(app, "web: restarted in 2.4 s"))

    ActionHarness().play(script)


# --- pauses and breakers --------------------------------------------------------------------------------


def test_container_and_global_pauses_are_set_and_resumed():
    async def script(office, app, pilot):
        await pilot.press("Z")
        await until(pilot, lambda: says(app, "pause remediation") and says(app, "pause db for 10m"))
        await confirmed(app, pilot, "enter", shown="hemostat pause --for 10m --container db")
        await until(pilot, lambda: says(app, "paused: db"))
        assert office.desk.read_controls().find_pause("db", NOW + 5).until == NOW + 605
        shown = "hemostat pause"
        await confirmed(app, pilot, "Z", *["down"] * 7, "enter", shown=shown)
        await until(pilot, lambda: says(app, "paused: everything"))
        assert office.desk.read_controls().find_pause(ALL_CONTAINERS, NOW + 9e9).by == ME
        await pilot.press("Z")
        await until(pilot, lambda: says(app, "resume: db paused by ann@laptop for another 10 min"))
        await pilot.press(*["down"] * 8, "enter")
        await until(pilot, lambda: says(app, "hemostat resume"))
        await pilot.press("y")
        await until(pilot, lambda: says(app, "resumed: everything"))
        assert list(office.desk.read_controls().pauses) == ["db"]
        assert [each[:3] for each in office.decided()] == [
            ("paused", "db", ME),
            ("paused", "*", ME),
            ("resumed", "*", ME),
        ]

    ActionHarness().play(script)


def test_replaced_pause_is_mentioned():
    async def script(office, app, pilot):
        office.hand._operator.pause("db", by="bob@h", reason="deploy")
        await pilot.press("Z", "enter")
        await until(pilot, lambda: says(app, "this replaces: paused by bob@h (deploy)"))

    ActionHarness().play(script)


def test_circuit_breaker_is_reset():
    async def script(office, app, pilot):
        await confirmed(app, pilot, "B", shown="hemostat reset --container db")
        await until(pilot, lambda: says(app, "breaker closed: db"))
        assert office.desk.read_controls().get_reset_time("db") == NOW + 5
        assert office.decided() == [("reset", "db", ME, "")]

    ActionHarness().play(script)


# --- approvals ------------------------------------------------------------------------------------------


def harness_with_approval() -> ActionHarness:
    office = ActionHarness()
    office.desk.request_approval(ASKED)
    done = complete(
        container=Container(id="c2", name="db"), outcome=Outcome.AWAITING_APPROVAL, reason=Reason.APPROVAL
    )
    office.bus.publish([event(done, 4.5, incident="i2")])
    return office


@pytest.mark.parametrize(("key", "answer"), [("y", ApprovalAnswer.APPROVED), ("n", ApprovalAnswer.REJECTED)])
def test_pending_approval_is_shown_and_answered(key, answer):
    async def script(office, app, pilot):
        await until(pilot, lambda: says(app, "1 waits for you: w"))
        await pilot.press("w")
        await until(pilot, lambda: says(app, "restart db, with its sidecar") and says(app, "01:05 left"))
        office.clock.advance(5)
        await until(pilot, lambda: says(app, "01:00 left"))
        await pilot.press(key)
        verb = "approve" if key == "y" else "reject"
        await until(pilot, lambda: says(app, f"{verb}: restart db, with its sidecar, on h"))
        assert office.decided() == []
        await pilot.press("r", *"why", "enter")
        await until(pilot, lambda: says(app, f"hemostat {verb} a1 --reason why"))
        await pilot.press("y")
        await until(pilot, lambda: says(app, f"{answer}: restart of db"))
        (known,) = office.desk.list_approvals()
        assert (known.answer, known.by, known.reason) == (answer, ME, "why")
        assert office.decided() == [(answer, "db", ME, "why")]

    harness_with_approval().play(script)


@pytest.mark.parametrize("key", ["y", "n"])
def test_answer_that_is_not_confirmed_has_no_effect(key):
    async def script(office, app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: says(app, "1 waiting"))
        await pilot.press(key)
        await until(pilot, lambda: says(app, "y yes   n no   r reason"))
        await pilot.press("n")
        await until(pilot, lambda: not says(app, "y yes   n no"))
        assert [each.answer for each in office.desk.list_approvals()] == [None]
        assert office.decided() == []

    harness_with_approval().play(script)


def test_approved_item_shows_who_approved_instead_of_the_time_left():
    async def script(office, app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: says(app, "01:05 left") and says(app, "hemostat approve a1"))
        await confirmed(app, pilot, "y", shown="approve: restart db")
        await until(pilot, lambda: says(app, f"approved by {ME}, running"))
        assert not says(app, " left")
        assert not says(app, "hemostat approve a1")

    harness_with_approval().play(script)


def test_incident_without_a_known_request_waits_in_a_read_only_dashboard():
    async def script(office, app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: says(app, "1 waiting") and says(app, "hemostat approvals"))
        assert not says(app, "it has expired")

    harness_with_approval().play(script, acts=False)


def test_request_that_is_read_late_is_answered_by_the_same_keys(monkeypatch):
    office, answers = harness_with_approval(), []

    def read_late():
        if not answers:
            raise BusUnreachableError("Redis is gone")
        return answers

    monkeypatch.setattr(office.desk, "list_approvals", read_late)

    async def script(_, app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: says(app, "1 waiting") and says(app, "Redis is gone"))
        answers.append(ASKED)
        await until(pilot, lambda: says(app, "01:05 left") and says(app, "1 waiting"))
        await pilot.press("y")
        await until(pilot, lambda: says(app, "approve: restart db, with its sidecar, on h"))

    office.play(script)


@pytest.mark.parametrize("plan", ["", "restart"])
def test_answer_to_an_approval_names_the_container(plan):
    async def script(office, app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: says(app, "hemostat approve a1"))
        await confirmed(app, pilot, "n", shown="reject: restart db, on h")
        await until(pilot, lambda: says(app, "rejected: restart of db;"))

    office = harness_with_approval()
    (asked,) = office.desk.list_approvals()
    office.desk._approvals = {asked.key: msgspec.structs.replace(asked, plan=plan)}
    office.play(script)


def test_expired_approval_cannot_be_approved():
    async def script(office, app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: says(app, "2 waiting"))
        office.clock.advance(66)
        await until(pilot, lambda: says(app, "it has expired") and says(app, "no heartbeat for"))
        await pilot.press("y")
        await until(pilot, lambda: says(app, "too late: it has expired"))
        assert [each.answer for each in office.desk.list_approvals()] == [None, None]
        await confirmed(app, pilot, "j", "y", shown="approve: restart web: restart db, with its sidecar")
        await until(pilot, lambda: says(app, "approved: restart of web"))

    office = harness_with_approval()
    later = {"id": "a2", "key": "k2", "container": "web", "asked": NOW + 1, "until": NOW + 600}
    office.desk.request_approval(msgspec.structs.replace(ASKED, **later))
    office.play(script)


def test_first_of_two_answers_is_used():
    async def script(office, app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: says(app, "1 waiting"))
        await pilot.press("y")
        await until(pilot, lambda: says(app, "y yes   n no"))
        office.desk.answer_approval("a1", ApprovalAnswer.REJECTED, by="bob@h", reason="", now=NOW + 5)
        await pilot.press("y")
        await until(pilot, lambda: says(app, "too late: rejected by bob@h"))
        assert office.decided() == []

    harness_with_approval().play(script)


def test_withdrawn_approval_is_not_answered():
    async def script(office, app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: says(app, "1 waiting"))
        await pilot.press("y")
        await until(pilot, lambda: says(app, "y yes   n no"))
        office.desk.withdraw_approval(ASKED.key, by="responder@a", reason="tried before", now=NOW + 5)
        await pilot.press("y")
        await until(pilot, lambda: says(app, "too late: HemoStat withdrew it: tried before"))
        assert office.decided() == []

    harness_with_approval().play(script)


# --- incidents left to people ---------------------------------------------------------------------------


def harness_with_escalation() -> ActionHarness:
    office = ActionHarness()
    outcome = {"outcome": Outcome.ESCALATED, "reason": Reason.NEEDS_PERSON, "action": Action.NONE}
    office.bus.publish(
        [event(complete(container=Container(id="c2", name="db"), **outcome), 4.5, incident="i2")]
    )
    return office


def test_escalation_is_acknowledged_and_then_listed_last():
    async def script(office, app, pilot):
        await until(pilot, lambda: says(app, "1 waits for you: w"))
        await pilot.press("w")
        await until(pilot, lambda: says(app, "over to you") and says(app, "hemostat close i2"))
        await confirmed(app, pilot, "a", shown="hemostat acknowledge i2")
        await until(pilot, lambda: says(app, f"acknowledged by {ME}") and says(app, "0 waiting"))
        assert office.decided() == [("acknowledged", "db", ME, "")]
        await pilot.press("escape")
        await until(pilot, lambda: says(app, "events") and not says(app, "for you: w"))
        assert says(app, "1 open incident")

    harness_with_escalation().play(script, size=(140, 30))


def test_escalation_is_closed_and_stays_selected():
    async def script(office, app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: says(app, "hemostat close i2"))
        await confirmed(app, pilot, "c", shown="close db, exited; another failure opens it again")
        await until(pilot, lambda: says(app, "closed: db, exited"))
        await until(pilot, lambda: says(app, "settled") and says(app, "0 waiting"))
        assert office.decided() == [("closed", "db", ME, "")]
        await pilot.press("c")
        await until(pilot, lambda: says(app, "no open incident is selected"))
        await pilot.press("escape")
        await until(pilot, lambda: says(app, "no open incident") and says(app, "events"))

    harness_with_escalation().play(script)


@pytest.mark.parametrize("key", ["a", "c"])
def test_decision_on_ended_incident_is_reported_and_not_recorded(key):
    async def script(office, app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: says(app, "hemostat close i2"))
        await pilot.press(key)
        await until(pilot, lambda: says(app, "y yes   n no"))
        ended = alert(container=Container(id="c2", name="db"), phase=Phase.CLEARED)
        office.bus.publish([event(ended, 4.8, incident="i2")])
        await until(pilot, lambda: not app.model.state.unwell)
        await pilot.press("y")
        await until(pilot, lambda: says(app, "no longer open: "))
        assert office.decided() == []

    harness_with_escalation().play(script)


@pytest.mark.parametrize("key", ["a", "c"])
def test_unexpected_error_of_a_decision_is_shown(key, monkeypatch):
    def fail(*_, **__):
        raise TypeError("close() takes 1 argument")

    monkeypatch.setattr(OperatorCommands, "close", fail)
    monkeypatch.setattr(OperatorCommands, "acknowledge", fail)

    async def script(_, app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: says(app, "hemostat close i2"))
        await confirmed(app, pilot, key, shown="y yes   n no")
        bug = "bug: TypeError: close() takes 1 argument"
        await until(pilot, lambda: any(bug in each.message for each in app._notifications))

    harness_with_escalation().play(script)


def test_unexpected_error_of_a_prediction_is_shown(monkeypatch):
    def fail(*_):
        raise KeyError("db")

    monkeypatch.setattr(OperatorCommands, "describe_prediction", fail)

    async def script(_, app, pilot):
        await pilot.press("R")
        await until(pilot, lambda: says(app, "the limits are unknown: bug: KeyError: 'db'"))

    ActionHarness().play(script)


def test_read_only_dashboard_lists_what_waits_without_action_keys():
    async def script(office, app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: says(app, "hemostat close i2"))
        before = app.screen
        await pilot.press("a", "c", "y", "n", "R")
        assert app.screen is before
        assert not {"a", "c", "y", "n", "R"} & before.active_bindings.keys()
        assert office.decided() == []

    harness_with_escalation().play(script, acts=False)


# --- where one only looks -------------------------------------------------------------------------------

KEYS = ["R", "U", "D", "X", "C", "E", "Z", "B"]


@pytest.mark.parametrize("view", [[], ["enter"], ["i"]])
def test_read_only_dashboard_has_no_action_keys(view):
    async def script(office, app, pilot):
        await pilot.press("j", *view)
        await until(pilot, lambda: bool(view) != says(app, "events"))
        before = app.screen
        await pilot.press(*KEYS)
        assert app.screen is before
        assert not says(app, "Restart")
        assert not set(KEYS) & before.active_bindings.keys()
        titles = {each.title for each in app.get_system_commands(before)}
        assert not titles & {"Restart", "Pause", "Acknowledge", "Close", "Close all breakers"}
        assert office.ordered() == office.decided() == []

    ActionHarness().play(script, acts=False)


def test_actions_are_in_help_and_palette():
    async def script(_, app, pilot):
        titles = {each.title for each in app.get_system_commands(app.screen)}
        assert titles >= {"Restart", "Stop", "Pause", "Waiting", "Close all breakers"}
        await pilot.press("question_mark")
        await until(pilot, lambda: says(app, "restart it"))

    ActionHarness().play(script, size=(100, 50))


@pytest.mark.parametrize("size", [(40, 12), (80, 24)])
def test_hostile_names_are_escaped_in_the_confirmation(size):
    name = "\x1b[2J[bold]x; rm -rf $HOME"

    async def script(office, app, pilot):
        await pilot.press("slash", *"rm", "enter", "j", "R")
        await until(pilot, lambda: says(app, "y yes   n no") and says(app, "hemostat order"))
        assert all(line.isprintable() for line in screen(app))

    office = ActionHarness()
    office.bus.publish_live([event(stats(container=Container(id="x", name=name)), 5.0)], ttl=60)
    office.bus.publish_live([event(heartbeat("responder"), 5.0)], ttl=60)
    office.play(script, size=size)
