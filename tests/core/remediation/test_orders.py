"""What people order: by the same rules, but for those that ask whether it is needed."""

import msgspec
import pytest

from hemostat.core.ledger.controls import Controls, Pause
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.llm.validate import list_choices
from hemostat.core.remediation.decision import (
    Act,
    DecisionInput,
    Refuse,
    RepeatOutcome,
    ReplicaHealth,
    Resume,
    Wait,
)
from hemostat.core.remediation.orders import build_request, describe_decision, describe_plan, preview_decision
from hemostat.core.remediation.policy import decide
from hemostat.core.remediation.repetition import build_attempt_key
from hemostat.core.remediation.windows import NO_WINDOWS
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import (
    Action,
    Container,
    Kind,
    Order,
    Outcome,
    Reason,
    decode,
    encode,
    order_id,
    read_earlier_note,
    seal,
)
from tests.support.attempts import LEASE, PAUSED, attempt, failed
from tests.support.samples import NOW, alert, event, needed, order

LIMITS = ResponderSettings()
ORDERED = tuple(attempt(3000.0 - n, ordered=True) for n in range(10))
SET_BY = "responder.orders_budget sets it"
OVERRIDE = ResponderSettings(orders_override=True)
NO_REPLICAS = ReplicaHealth()


def ask(
    *attempts: Attempt,
    limits: ResponderSettings = LIMITS,
    wanted=None,
    peers=NO_REPLICAS,
    at=NOW - 1,
    **book,
):
    """Decide on an order that was given a second ago, without an alert of a monitor."""
    wanted = order() if wanted is None else wanted
    known = LedgerSnapshot(**{"version": 1, "attempts": attempts, "seal": seal(wanted, at), **book})
    situation = DecisionInput(book=known, peers=peers, order=wanted)
    return decide(build_request(wanted, at), "o1", situation, limits, by="responder@a", lease=LEASE, now=NOW)


def labelled(**labels: str) -> Container:
    return Container(id="c1", name="web", labels={f"hemostat.{key}": value for key, value in labels.items()})


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.NONE])
def test_order_is_permitted_without_a_failure(action):
    decision = ask(wanted=order(action=action))
    assert isinstance(decision, Act)
    assert decision.attempt.action is action


@pytest.mark.parametrize(
    "limits", [ResponderSettings(mode="approve"), ResponderSettings(modes={Action.RESTART: "approve"})]
)
def test_order_needs_no_approval(limits):
    assert isinstance(ask(limits=limits), Act)


@pytest.mark.parametrize(
    ("limits", "container", "reason"),
    [
        (LIMITS, labelled(protect="true"), Reason.PROTECTED),
        (ResponderSettings(protect=("w*",)), labelled(), Reason.PROTECTED),
        (ResponderSettings(orders=(Action.START,)), labelled(), Reason.NOT_ALLOWED),
        (ResponderSettings(mode="dry-run"), labelled(), Reason.DRY_RUN),
        (LIMITS, labelled(mode="dry-run"), Reason.DRY_RUN),
        (ResponderSettings(orders_budget=0), labelled(), Reason.BUDGET_SPENT),
    ],
)
def test_forbidden_action_is_refused_for_everyone(limits, container, reason):
    decision = ask(limits=limits, wanted=order(container=container))
    assert isinstance(decision, Refuse)
    assert decision.reason is reason


def test_actions_label_does_not_limit_orders():
    assert isinstance(ask(wanted=order(container=labelled(actions=""))), Act)


@pytest.mark.parametrize("limits", [LIMITS, ResponderSettings(actions=tuple(Action))])
def test_stop_needs_an_order(limits):
    told = needed(alert=alert(since=NOW - 1), action=Action.STOP)
    situation = DecisionInput(book=LedgerSnapshot(version=1, alerted_container="web"))
    decision = decide(told, "i1", situation, limits, by="responder@a", lease=LEASE, now=NOW)
    assert decision == Refuse(Reason.NOT_ALLOWED, "only an operator can stop a container")
    assert "stop" not in {choice for kind in Kind for choice in list_choices(alert(kind=kind), limits)}


def test_action_none_is_not_an_order():
    assert isinstance(ask(wanted=order(action=Action.NONE)), Refuse)


@pytest.mark.parametrize(
    ("attempts", "book", "reason"),
    [
        (ORDERED, {}, Reason.BUDGET_SPENT),
        (
            (),
            {"ended_attempts": tuple(failed(50.0 + n, container=f"c{n}", host_fault=True) for n in range(5))},
            Reason.BREAKER_OPEN,
        ),
    ],
)
def test_limits_apply_to_orders_unless_overridden(attempts, book, reason):
    forced = order(force=True)
    for wanted, limits in ((order(), LIMITS), (order(), OVERRIDE), (forced, LIMITS)):
        decision = ask(*attempts, wanted=wanted, limits=limits, **book)
        assert isinstance(decision, Refuse)
        assert decision.reason is reason
    assert isinstance(ask(*attempts, wanted=forced, limits=OVERRIDE, **book), Act)


def test_automatic_actions_use_no_budget_of_orders():
    spent = [attempt(ago) for ago in (3000.0, 2000.0, 1000.0)]
    assert isinstance(ask(*spent), Act)
    assert isinstance(ask(limits=ResponderSettings(budget=0)), Act)


def test_orders_use_no_budget_of_automatic_actions():
    recent = LedgerSnapshot(version=1, attempts=ORDERED, alerted_container="web")
    request = needed(alert=alert(since=NOW - 1))
    limits = ResponderSettings(backoff=0.0)
    decision = decide(
        request, "i1", DecisionInput(book=recent), limits, by="responder@a", lease=LEASE, now=NOW
    )
    assert isinstance(decision, Act)
    assert not decision.attempt.ordered


def test_attempt_of_an_order_is_marked():
    decision = ask()
    assert isinstance(decision, Act)
    assert decision.attempt.ordered


def test_budget_of_orders_moves_on_with_its_window():
    limits = ResponderSettings(orders_budget=2, budget_window=100.0, backoff=0.0)
    first, second = attempt(99.0, ordered=True), attempt(50.0, ordered=True)
    assert ask(first, second, limits=limits) == Refuse(
        Reason.BUDGET_SPENT, "2 of 2 orders in 1 min 40 s, again in 1 s; responder.orders_budget sets it"
    )
    older = attempt(100.0, ordered=True)
    assert isinstance(ask(older, second, limits=limits), Act)
    unused = attempt(40.0, ordered=True, outcome=Outcome.REFUSED)
    assert isinstance(ask(older, second, unused, limits=limits), Act)


def test_refused_order_names_the_way_out():
    failures = tuple(failed(50.0 + n) for n in range(3))
    decision = ask(*failures)
    assert isinstance(decision, Refuse)
    assert decision.detail.endswith("; hemostat reset --container web closes it")
    host = tuple(failed(50.0 + n, container=f"c{n}", host_fault=True) for n in range(5))
    decision = ask(ended_attempts=host)
    assert isinstance(decision, Refuse)
    assert decision.detail.endswith("; hemostat reset closes it")
    decision = ask(*ORDERED, limits=OVERRIDE)
    assert isinstance(decision, Refuse)
    assert decision.detail.endswith("; --force overrides it")


def test_backoff_and_minimum_replicas_apply_to_orders():
    thin = ReplicaHealth(2, 0, itself=True)
    assert isinstance(ask(attempt(5.0)), Wait)
    assert isinstance(ask(peers=thin), Wait)
    assert isinstance(ask(attempt(5.0), wanted=order(force=True), limits=OVERRIDE, peers=thin), Act)


def test_override_does_not_cover_running_or_protected():
    busy = attempt(1.0, key="other", outcome=None)
    forced = order(force=True)
    assert isinstance(ask(wanted=forced, limits=OVERRIDE, running_attempts=(busy,)), Wait)
    kept = order(force=True, container=labelled(protect="true"))
    assert isinstance(ask(wanted=kept, limits=OVERRIDE), Refuse)


@pytest.mark.parametrize("limits", [LIMITS, OVERRIDE])
def test_order_is_refused_while_paused(limits):
    decision = ask(wanted=order(force=True), limits=limits, controls=Controls(pauses={"*": PAUSED}))
    assert decision == Refuse(Reason.PAUSED, "by ann: resume, then order it again")
    over = Pause(by="ann", at=NOW - 60, until=NOW - 1)
    assert isinstance(ask(controls=Controls(pauses={"*": over})), Act)


def test_expired_order_is_not_executed():
    assert ask(at=NOW - 960) == Refuse(Reason.EXPIRED, "ordered 16 min ago")


def test_order_is_executed_once():
    done = attempt(2.0, key=build_attempt_key(build_request(order(), NOW), "o1"))
    assert ask(done) == RepeatOutcome(done)
    begun = msgspec.structs.replace(done, outcome=None)
    assert ask(begun) == Resume(begun, lease=NOW + LEASE)
    assert isinstance(ask(begun, controls=Controls(pauses={"*": PAUSED})), Wait), "it is not lost"


@pytest.mark.parametrize("given", ["", seal(order(action=Action.STOP), NOW - 1), seal(order(), NOW - 9)])
def test_order_without_a_seal_is_refused(given):
    """A client that may return orders to their stream gives no order: neither a new one nor an old one
    again."""
    begun = attempt(2.0, key=build_attempt_key(build_request(order(), NOW), "o1"), outcome=None)
    for attempts in ((), (begun,)):
        assert ask(*attempts, seal=given) == Refuse(
            Reason.UNKNOWN_INCIDENT, "no operator published this order"
        )


def test_order_keeps_its_seal_with_the_note_of_an_earlier_version():
    given = event(order())
    raw = encode(given).replace(b'"force":false', b'"force":false,"told":["min_healthy"]')
    noted = decode(raw)
    assert read_earlier_note(raw) == ("min_healthy",)
    assert isinstance(noted.data, Order)
    assert seal(noted.data, NOW) == seal(order(), NOW)


def test_orders_are_identified_by_their_id():
    ids = [
        order_id("h", each, at)
        for each, at in (
            (order(), NOW),
            (order(), NOW + 0.001),
            (order(by="bob@h"), NOW),
            (order(action=Action.STOP), NOW),
        )
    ]
    assert len(set(ids)) == len(ids)
    assert order_id("h", order(), NOW) == ids[0]


def test_ordered_stop_does_not_count_as_a_failure():
    recent = [failed(ago) for ago in (300.0, 200.0, 100.0)]
    stopped = attempt(50.0, action=Action.STOP, outcome=Outcome.HEALED)
    decision = ask(*recent, stopped, limits=ResponderSettings(budget=9, backoff=0.0))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.BREAKER_OPEN


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (order(), "restart web"),
        (order(action=Action.STOP), "stop web, which then stays stopped until an operator starts it"),
        (
            order(container=Container(id="c1", name="web", labels={"PODMAN_SYSTEMD_UNIT": "web.service"})),
            "restart web, although systemd manages it and may start it again",
        ),
        (order(action=Action.EXEC, container=labelled(exec="reload -q")), "run in web: reload -q"),
        (order(action=Action.EXEC), "run in web: nothing: it has no label hemostat.exec"),
        (
            order(action=Action.CLEANUP, container=labelled(**{"cleanup.paths": "/tmp/a"})),
            "empty in web: /tmp/a",
        ),
        (
            order(action=Action.SCALE, parameters={"resource": "cpu"}),
            "raise the cpu limit of web by half, up to its ceiling",
        ),
    ],
)
def test_preview_shows_the_action(wanted, words):
    assert describe_plan(wanted) == words


@pytest.mark.parametrize(
    ("attempts", "controls", "limits", "words"),
    [
        ((), Controls(), LIMITS, "the limits allow it"),
        (
            ORDERED,
            Controls(),
            LIMITS,
            f"it will be refused: its budget is spent (10 of 10 orders in 1 h, again in 10 min; {SET_BY})",
        ),
        ((attempt(5.0),), Controls(), LIMITS, "it will wait: back-off of 10 s"),
        ((), Controls(), ResponderSettings(mode="dry-run"), "no action: the mode is dry-run"),
        (
            (),
            Controls(pauses={"web": PAUSED}),
            LIMITS,
            "it will be refused: paused by ann: resume, then order it again",
        ),
    ],
)
def test_preview_shows_the_limits(attempts, controls, limits, words):
    elsewhere = tuple(attempt(ago, container="db") for ago in (3.0, 2.0, 1.0))
    survey = LedgerSnapshot(version=1, attempts=(*elsewhere, *attempts), controls=controls)
    assert describe_decision(preview_decision(order(), survey, limits, NO_WINDOWS, NOW)) == words
