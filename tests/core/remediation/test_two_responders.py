"""Two responders on one ledger cannot act twice on a request, nor exceed the limits together."""

from collections import defaultdict

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hemostat.adapters.in_memory.controls import InMemoryControls
from hemostat.adapters.in_memory.ledger import InMemoryLedger
from hemostat.core.ledger.controls import ALL_CONTAINERS, Pause
from hemostat.core.ledger.rows import Attempt
from hemostat.core.remediation.decision import (
    Act,
    DecisionInput,
    Resume,
)
from hemostat.core.remediation.orders import build_request as request_of
from hemostat.core.remediation.policy import decide
from hemostat.core.remediation.repetition import build_attempt_key
from hemostat.core.remediation.slots import select_slot_holders
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Container, Order, Outcome, RemediationNeeded, seal
from tests.support.attempts import LEASE
from tests.support.samples import NOW, alert, needed, order

CONTAINERS = {
    name: Container(id=name, name=name, labels=labels)
    for name, labels in {
        "web-1": {"com.docker.compose.project": "p", "com.docker.compose.service": "web"},
        "web-2": {"com.docker.compose.project": "p", "com.docker.compose.service": "web"},
        "db": {},
        "queue": {},
    }.items()
}
TIGHT = ResponderSettings(
    concurrency=2, budget=2, orders_budget=1, backoff=1.0, expire=1e9, rush=5, breaker_failures=2
)
ORDERS = st.tuples(
    st.sampled_from(sorted(CONTAINERS)),
    st.sampled_from([Action.RESTART, Action.STOP]),
    st.just(1),
)
"""A container, what is ordered, and which order it is: few, so that they too are delivered again."""
REQUESTS = st.tuples(st.sampled_from(sorted(CONTAINERS)), st.integers(1, 4))
"""A container and which occurrence of its incident: few, so that they are delivered again and again."""


class Responders(RuleBasedStateMachine):
    """Two responders on one ledger: requests and orders come once or often, actions end well or badly or not
    at all."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.desk = InMemoryControls()
        self.seals: dict[tuple[str, str | None], str] = {}
        self.ledger = InMemoryLedger(self.desk, {("h", name): name for name in CONTAINERS}, self.seals)
        self.acting: list[tuple[Attempt, str]] = []
        """Attempts in hand, and by whom."""
        self.acted: dict[tuple[str, bool], list[float]] = defaultdict(list)
        self.begun: dict[str, Attempt] = {}
        """What was reserved, by its key."""

    @rule(calls=st.lists(st.tuples(REQUESTS, st.sampled_from("ab")), min_size=1, max_size=2))
    def deliver(self, calls: list[tuple[tuple[str, int], str]]) -> None:
        """The ledger is read for every request before any of them is decided on: a race."""
        self.race(
            [
                (needed(alert=alert(container=CONTAINERS[name], occurrence=occurrence)), name, None, by)
                for (name, occurrence), by in calls
            ]
        )

    @rule(calls=st.lists(st.tuples(ORDERS, st.sampled_from("ab")), min_size=1, max_size=2))
    def deliver_orders(self, calls: list[tuple[tuple[str, Action, int], str]]) -> None:
        wanted = [
            (order(container=CONTAINERS[name], action=action, force=True), f"{name}:{action}:{number}", by)
            for (name, action, number), by in calls
        ]
        self.seals |= {("h", incident): seal(each, NOW) for each, incident, _ in wanted}
        self.race([(request_of(each, NOW), incident, each, by) for each, incident, by in wanted])

    def race(self, calls: list[tuple[RemediationNeeded, str, Order | None, str]]) -> None:
        books = [
            self.ledger.read(
                "h", request.alert.container.name, incident, build_attempt_key(request, incident)
            )
            for request, incident, _, _ in calls
        ]
        for (request, incident, by_people, by), book in zip(calls, books, strict=True):
            situation = DecisionInput(book=book, order=by_people)
            decision = decide(request, incident, situation, TIGHT, by=by, lease=LEASE, now=self.now)
            if isinstance(decision, Act) and self.ledger.reserve("h", decision.attempt, book.version):
                self.begin(decision.attempt, by)
            elif isinstance(decision, Resume):
                renewed = msgspec.structs.replace(decision.attempt, by=by, lease=decision.lease)
                if self.ledger.reserve("h", renewed, book.version):
                    self.resume(renewed, by)

    def begin(self, attempt: Attempt, by: str) -> None:
        assert attempt.key not in self.begun, f"{attempt.key} is begun twice"
        self.acted[attempt.container, attempt.ordered].append(self.now)
        self.work(attempt, by)

    def work(self, attempt: Attempt, by: str) -> None:
        assert not self.desk.read_controls().pauses
        others = [other for other, _ in self.acting if other.lease > self.now and other.key != attempt.key]
        assert attempt.container not in {other.container for other in others}
        assert attempt.service is None or attempt.service not in {other.service for other in others}
        assert len(select_slot_holders(others, self.now)) < TIGHT.concurrency
        self.begun[attempt.key] = attempt
        self.acting = [each for each in self.acting if each[0].key != attempt.key]
        self.acting.append((attempt, by))

    def resume(self, attempt: Attempt, by: str) -> None:
        first = self.begun[attempt.key]
        assert first.by == by or first.lease <= self.now, f"{attempt.key} is {first.by}'s, not {by}'s"
        assert attempt.lease > self.now
        self.work(attempt, by)

    @precondition(lambda self: self.acting)
    @rule(data=st.data(), outcome=st.sampled_from([Outcome.HEALED, Outcome.FAILED]))
    def finish(self, data: st.DataObject, outcome: Outcome) -> None:
        held = data.draw(st.sampled_from(self.acting))
        self.acting.remove(held)
        self.ledger.finish("h", msgspec.structs.replace(held[0], outcome=outcome, finished=self.now))

    @precondition(lambda self: self.acting)
    @rule(by=st.sampled_from("ab"))
    def crash(self, by: str) -> None:
        self.acting = [each for each in self.acting if each[1] != by]

    @rule()
    def press_or_release_the_kill_switch(self) -> None:
        if not self.desk.resume(ALL_CONTAINERS):
            self.desk.pause(ALL_CONTAINERS, Pause(by="ann", at=self.now))

    @rule(seconds=st.sampled_from([0.1, 5.0, 30.0, 400.0, -1.0, -300.0]))
    def set_clock(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def the_budget_holds(self) -> None:
        for (_, is_ordered), times in self.acted.items():
            limit = TIGHT.orders_budget if is_ordered else TIGHT.budget
            for first in times:
                within = [time for time in times if first <= time < first + TIGHT.budget_window]
                assert len(within) <= limit


TestResponders = Responders.TestCase
TestResponders.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
