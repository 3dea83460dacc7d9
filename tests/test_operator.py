"""What people do leaves a trail: who, what, why, and until when."""

import msgspec
import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.in_memory.controls import InMemoryControls
from hemostat.adapters.in_memory.ledger import InMemoryLedger
from hemostat.core.ledger.controls import ALL_CONTAINERS, Approval, ApprovalAnswer
from hemostat.core.remediation.decision import Act
from hemostat.core.remediation.orders import ALLOWED_TEXT, NO_FORCE_TEXT
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Decided, Event, Outcome, Word
from hemostat.operator import OperatorCommands
from tests.support.clock import FakeClock
from tests.support.samples import NOW, alert, complete, event, order

ASKED = Approval(
    id="a1",
    key="i1:1:0",
    incident="i1",
    host="far",
    container="web",
    action=Action.RESTART,
    asked=NOW,
    until=NOW + 60,
)


class Office:
    def __init__(self) -> None:
        self.clock, self.desk = FakeClock(NOW), InMemoryControls()
        self.bus = InMemoryBus(self.clock)
        ledger = InMemoryLedger(self.desk, self.bus.incidents, self.bus.seals)
        self.orders = OperatorCommands(self.bus, self.desk, ledger, self.clock, ResponderSettings(), host="h")

    def told(self, stream: str = "decision") -> list[Event]:
        return self.bus.read_recent(stream, 9)


@pytest.fixture
def office() -> Office:
    return Office()


def test_order_names_the_host_and_the_operator(office):
    incident = office.orders.place_order("far", order())
    (told,) = office.told("order")
    assert (told.host, told.incident, told.source, told.data) == ("far", incident, "people@ann@h", order())
    assert office.bus.incidents == {}, "a request cannot hide behind it"


def test_repeated_order_is_a_second_order(office):
    first = office.orders.place_order("far", order())
    office.clock.advance(1)
    assert office.orders.place_order("far", order()) != first


def test_read_only_commands_publish_nothing(office):
    assert isinstance(office.orders.predict_decision("far", order()), Act)
    assert office.orders.read_overview("far").running == 0
    assert office.told("order") == office.told() == []


def test_ineffective_force_is_reported(office):
    assert office.orders.describe_prediction("far", order()) == ALLOWED_TEXT
    forced = msgspec.structs.replace(order(), force=True)
    assert office.orders.describe_prediction("far", forced) == f"{ALLOWED_TEXT}; {NO_FORCE_TEXT}"


def test_decision_takes_effect_and_is_published(office):
    orders = office.orders
    orders.pause(ALL_CONTAINERS, by="ann", reason="deploy", seconds=60)
    orders.reset_breaker("web", by="bob")
    assert office.desk.read_controls().get_reset_time("web") == NOW
    assert orders.resume(ALL_CONTAINERS, by="ann")
    assert [each.data for each in office.told()] == [
        Decided(what=Word.PAUSED, by="ann", container="*", reason="deploy", until=NOW + 60),
        Decided(what=Word.RESET, by="bob", container="web"),
        Decided(what=Word.RESUMED, by="ann", container="*"),
    ]
    assert {(each.host, each.incident) for each in office.told()} == {("h", None)}


def test_effective_answer_is_published_with_its_incident(office):
    office.desk.request_approval(ASKED)
    approval, counts = office.orders.answer_approval(
        "a1", ApprovalAnswer.REJECTED, by="ann", reason="not now"
    )
    assert (approval.answer, counts) == (ApprovalAnswer.REJECTED, True)
    office.clock.advance(1)
    approval, counts = office.orders.answer_approval("a1", ApprovalAnswer.APPROVED, by="ann")
    assert (approval.answer, counts) == (ApprovalAnswer.REJECTED, False)
    (told,) = office.told()
    assert (told.host, told.incident) == ("far", "i1")
    assert told.data == Decided(
        what=Word.REJECTED, by="ann", container="web", reason="not now", action=Action.RESTART
    )


def test_decision_without_effect_is_not_published(office):
    assert not office.orders.resume("web", by="ann")
    assert office.orders.answer_approval("a1", ApprovalAnswer.APPROVED, by="ann") is None
    assert office.told() == []


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-5.0, NOW), (120.0, NOW + 120.001), (3600.0, NOW), (250_000_000_000 - NOW, NOW)],
)
def test_decision_follows_its_incident_unless_that_is_far_ahead(office, seconds, expected):
    """A clock may be ahead, but not by hours: the decision would come after all later events."""
    office.bus.publish(
        [
            event(alert(), min(seconds, 0.0) - 1.0, incident="i1"),
            event(complete(outcome=Outcome.ESCALATED), seconds, incident="i1"),
        ]
    )
    (incident_log,) = office.orders.list_incidents()
    office.orders.close(incident_log, by="ann@h")
    (decision,) = office.bus.read_recent("decision", 9)
    assert decision.time == pytest.approx(expected, abs=1e-4)
    assert office.orders.list_incidents()[0].status == "closed"
