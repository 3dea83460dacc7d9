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
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Container, Kind, Outcome, Reason, order_id, seal
from tests.support.attempts import LEASE, PAUSED, attempt, failed
from tests.support.samples import NOW, alert, needed, order

LIMITS = ResponderSettings()
SPENT = tuple(attempt(ago) for ago in (3000.0, 2000.0, 1000.0))
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
    """Decide on an order that was given a second ago; no monitor told of anything."""
    wanted = order() if wanted is None else wanted
    known = LedgerSnapshot(**{"version": 1, "attempts": attempts, "seal": seal(wanted, at), **book})
    situation = DecisionInput(book=known, peers=peers, order=wanted)
    return decide(build_request(wanted, at), "o1", situation, limits, by="responder@a", lease=LEASE, now=NOW)


def labelled(**labels: str) -> Container:
    return Container(id="c1", name="web", labels={f"hemostat.{key}": value for key, value in labels.items()})


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.NONE])
def test_what_a_person_orders_is_done_though_nothing_has_failed(action):
    decision = ask(wanted=order(action=action))
    assert isinstance(decision, Act)
    assert decision.attempt.action is action


@pytest.mark.parametrize(
    "limits", [ResponderSettings(mode="approve"), ResponderSettings(modes={Action.RESTART: "approve"})]
)
def test_an_order_is_an_approval(limits):
    assert isinstance(ask(limits=limits), Act)


@pytest.mark.parametrize(
    ("limits", "container", "reason"),
    [
        (LIMITS, labelled(protect="true"), Reason.PROTECTED),
        (ResponderSettings(protect=("w*",)), labelled(), Reason.PROTECTED),
        (ResponderSettings(orders=(Action.START,)), labelled(), Reason.NOT_ALLOWED),
        (ResponderSettings(mode="dry-run"), labelled(), Reason.DRY_RUN),
        (LIMITS, labelled(mode="dry-run"), Reason.DRY_RUN),
        (ResponderSettings(budget=0), labelled(), Reason.BUDGET_SPENT),
    ],
)
def test_what_is_forbidden_is_refused_whoever_orders_it(limits, container, reason):
    decision = ask(limits=limits, wanted=order(container=container))
    assert isinstance(decision, Refuse)
    assert decision.reason is reason


def test_the_label_says_what_is_done_without_a_person_and_not_what_one_may_order():
    assert isinstance(ask(wanted=order(container=labelled(actions=""))), Act)


@pytest.mark.parametrize("limits", [LIMITS, ResponderSettings(actions=tuple(Action))])
def test_nobody_but_a_person_stops_a_container(limits):
    told = needed(alert=alert(since=NOW - 1), action=Action.STOP)
    situation = DecisionInput(book=LedgerSnapshot(version=1, patient="web"))
    decision = decide(told, "i1", situation, limits, by="responder@a", lease=LEASE, now=NOW)
    assert decision == Refuse(Reason.NOT_ALLOWED, "only an operator can stop a container")
    assert "stop" not in {choice for kind in Kind for choice in list_choices(alert(kind=kind), limits)}


def test_nothing_is_no_order():
    assert isinstance(ask(wanted=order(action=Action.NONE)), Refuse)


@pytest.mark.parametrize(
    ("attempts", "book", "reason"),
    [
        (SPENT, {}, Reason.BUDGET_SPENT),
        (tuple(attempt(ago) for ago in (5000.0, 4000.0, 3000.0)), {}, Reason.COOLDOWN),
        (
            (),
            {"ended": tuple(failed(50.0 + n, container=f"c{n}", host_fault=True) for n in range(5))},
            Reason.BREAKER_OPEN,
        ),
    ],
)
def test_the_limits_hold_for_people_too_unless_they_may_and_do_override_them(attempts, book, reason):
    forced = order(force=True)
    for wanted, limits in ((order(), LIMITS), (order(), OVERRIDE), (forced, LIMITS)):
        decision = ask(*attempts, wanted=wanted, limits=limits, **book)
        assert isinstance(decision, Refuse)
        assert decision.reason is reason
    assert isinstance(ask(*attempts, wanted=forced, limits=OVERRIDE, **book), Act)


def test_back_off_and_the_minimum_of_healthy_replicas_hold_for_people_too():
    thin = ReplicaHealth(2, 0, itself=True)
    assert isinstance(ask(attempt(5.0)), Wait)
    assert isinstance(ask(peers=thin), Wait)
    assert isinstance(ask(attempt(5.0), wanted=order(force=True), limits=OVERRIDE, peers=thin), Act)


def test_nobody_overrides_what_is_under_way_or_protected():
    busy = attempt(1.0, key="other", outcome=None)
    forced = order(force=True)
    assert isinstance(ask(wanted=forced, limits=OVERRIDE, running=(busy,)), Wait)
    kept = order(force=True, container=labelled(protect="true"))
    assert isinstance(ask(wanted=kept, limits=OVERRIDE), Refuse)


@pytest.mark.parametrize("limits", [LIMITS, OVERRIDE])
def test_while_paused_an_order_is_refused_and_not_kept_for_later(limits):
    decision = ask(wanted=order(force=True), limits=limits, controls=Controls(pauses={"*": PAUSED}))
    assert decision == Refuse(Reason.PAUSED, "by ann: resume, then order it again")
    over = Pause(by="ann", at=NOW - 60, until=NOW - 1)
    assert isinstance(ask(controls=Controls(pauses={"*": over})), Act)


def test_an_order_that_nobody_took_in_time_is_not_done_any_more():
    assert ask(at=NOW - 960) == Refuse(Reason.EXPIRED, "ordered 16 min ago")


def test_an_order_is_done_once():
    done = attempt(2.0, key=build_attempt_key(build_request(order(), NOW), "o1"))
    assert ask(done) == RepeatOutcome(done)
    begun = msgspec.structs.replace(done, outcome=None)
    assert ask(begun) == Resume(begun, lease=NOW + LEASE)
    assert isinstance(ask(begun, controls=Controls(pauses={"*": PAUSED})), Wait), "it is not lost"


@pytest.mark.parametrize("given", ["", seal(order(action=Action.STOP), NOW - 1), seal(order(), NOW - 9)])
def test_what_no_person_gave_is_no_order(given):
    """Whoever may put orders back on their stream gives none: not another one, nor an old one again."""
    begun = attempt(2.0, key=build_attempt_key(build_request(order(), NOW), "o1"), outcome=None)
    for attempts in ((), (begun,)):
        assert ask(*attempts, seal=given) == Refuse(
            Reason.UNKNOWN_INCIDENT, "no operator published this order"
        )


def test_what_the_responder_has_noted_does_not_make_it_another():
    noted = order(told=(Reason.MIN_HEALTHY,))
    assert isinstance(ask(wanted=noted, seal=seal(order(), NOW - 1)), Act)


def test_two_orders_are_two_and_one_is_one():
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
    assert order_id("h", order(told=(Reason.MIN_HEALTHY,)), NOW) == ids[0]


def test_that_a_container_was_stopped_says_nothing_of_whether_it_can_be_healed():
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
def test_a_person_sees_what_would_be_done(wanted, words):
    assert describe_plan(wanted) == words


@pytest.mark.parametrize(
    ("attempts", "controls", "limits", "words"),
    [
        ((), Controls(), LIMITS, "the limits allow it"),
        (SPENT, Controls(), LIMITS, "it will be refused: budget_spent (3 of 3 in 1 h, again in 43 min 20 s)"),
        ((attempt(5.0),), Controls(), LIMITS, "it will wait: back-off of 10 s"),
        ((), Controls(), ResponderSettings(mode="dry-run"), "no action: the mode is dry-run"),
        (
            (),
            Controls(pauses={"web": PAUSED}),
            LIMITS,
            "it will be refused: paused (by ann: resume, then order it again)",
        ),
    ],
)
def test_a_person_sees_what_the_limits_say_before_ordering(attempts, controls, limits, words):
    elsewhere = tuple(attempt(ago, container="db") for ago in (3.0, 2.0, 1.0))
    survey = LedgerSnapshot(version=1, attempts=(*elsewhere, *attempts), controls=controls)
    assert describe_decision(preview_decision(order(), survey, limits, NOW)) == words
