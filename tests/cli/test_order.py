"""`hemostat order`: shown, asked, given, answered."""

import threading

import pytest

from hemostat.core.labels.container_ref import build_reference
from hemostat.core.ledger.controls import ALL_CONTAINERS
from hemostat.events import Action, Event, Kind, Outcome, Reason, State
from tests.support.engine_fixtures import eventually
from tests.support.samples import complete, event, heartbeat, stats

pytestmark = pytest.mark.redis


@pytest.fixture
def watched(bus):
    """Two containers, and a responder that says it is alive."""
    bus.publish_live(
        [
            event(heartbeat("responder")),
            *(event(stats(container=build_reference(name, name, "", {}))) for name in ("web", "db")),
        ],
        ttl=60,
    )
    return bus


def answering(bus, **outcomes: Outcome) -> threading.Thread:
    """A responder that gives these answers to orders for these containers, and first a waiting one."""

    def answer() -> None:
        eventually(lambda: len(bus.read_recent("order", 9)) == len(outcomes))
        for asked in bus.read_recent("order", 9):
            wanted = asked.data
            for outcome, reason in (
                (Outcome.WAITING, Reason.MIN_HEALTHY),
                (outcomes[wanted.container.name], Reason.VERIFIED),
            ):
                done = complete(
                    container=wanted.container,
                    kind=Kind.ORDERED,
                    action=wanted.action,
                    outcome=outcome,
                    reason=reason,
                )
                told = Event.make(
                    done, time=asked.time + 1, host="h", source="responder@1", incident=asked.incident
                )
                bus.publish([told])

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_order_is_shown_published_and_answered(hemostat, watched):
    answers = answering(watched, web=Outcome.HEALED)
    said = hemostat("order", "restart", "web", "--yes", "--by", "ann@h", "--reason", "it is slow")
    answers.join()
    assert (said.code, said.out) == (0, "web: restarted in 3.1 s\n")
    assert "restart web, on h: the limits allow it" in said.err
    assert "web: waits: too few replicas are healthy" in said.err
    (given,) = watched.read_recent("order", 9)
    assert (given.host, given.data.action, given.data.by, given.data.reason) == (
        "h",
        Action.RESTART,
        "ann@h",
        "it is slow",
    )


def test_each_of_several_orders_is_answered(hemostat, watched):
    answers = answering(watched, web=Outcome.HEALED, db=Outcome.REFUSED)
    said = hemostat("order", "stop", "web", "db", "web", "--yes", "--json")
    answers.join()
    assert said.code == 1
    assert [(each["container"], each["outcome"]) for each in said.json] == [
        ("web", "healed"),
        ("db", "refused"),
    ]


def test_no_wait_reports_the_published_order(hemostat, watched):
    said = hemostat("order", "start", "h/web", "--yes", "--no-wait")
    assert (said.code, said.out) == (0, "web: ordered\n")
    assert len(watched.read_recent("order", 9)) == 1


def test_host_is_required_with_several_hosts(hemostat, watched):
    """And a responder must run on it."""
    watched.publish_live([event(stats(container=build_reference("x", "far", "", {})), host="other")], ttl=60)
    assert "write HOST/CONTAINER" in hemostat("order", "restart", "web", "--yes").err
    assert hemostat("order", "restart", "h/web", "--yes", "--no-wait").code == 0
    assert "no responder runs on other" in hemostat("order", "restart", "other/far", "--yes").err


def test_missing_answer_has_its_own_exit_code(hemostat, watched):
    said = hemostat("order", "restart", "web", "--yes", "--timeout", "0.1s")
    assert (said.code, said.out) == (4, "web: no answer yet\n")
    assert "no answer within 100 ms" in said.err


def test_order_without_terminal_needs_yes(hemostat, watched):
    said = hemostat("order", "restart", "web")
    assert said.code == 2
    assert "restart web, on h" in said.err
    assert "no terminal for the confirmation: add --yes" in said.err
    assert watched.read_recent("order", 9) == []


@pytest.mark.parametrize(("answer", "orders"), [("n\n", 0), ("y\n", 1)])
def test_order_on_a_terminal_asks_for_confirmation(hemostat, watched, monkeypatch, answer, orders):
    monkeypatch.setattr("hemostat.cli.operator.order.can_ask", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer.strip())
    hemostat("order", "restart", "web", "--no-wait")
    assert len(watched.read_recent("order", 9)) == orders


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("restart", "webb"), "no watched container is named 'webb'"),
        (("scale", "web"), "--resource is required by scale, and only by scale"),
        (("restart", "web", "--resource", "cpu"), "--resource is required by scale, and only by scale"),
        (("none", "web"), "none"),
    ],
)
def test_invalid_order_is_reported_with_a_hint(hemostat, watched, arguments, words):
    said = hemostat("order", *arguments, "--yes")
    assert said.code != 0
    assert words in said.err
    assert watched.read_recent("order", 9) == []


def test_limits_are_shown_before_confirmation(hemostat, watched):
    hemostat("pause", "--container", "web", "--by", "bob")
    said = hemostat("order", "restart", "web", "--yes", "--no-wait")
    assert "it will be refused: paused by bob: resume, then order it again" in said.err


def test_status_shows_pauses_with_their_author(hemostat, watched):
    assert "SAFETY" not in hemostat("status").out
    hemostat("pause", "--container", "web", "--by", "bob", "--reason", "deploy")
    assert "paused by bob (deploy)" in hemostat("status").out
    hemostat("pause", "--for", "1h", "--by", "ann")
    out = hemostat("status").out
    assert "paused by ann for another" in out
    safety = hemostat("status", "--json").json["safety"]
    assert safety["h"]["pause"]["by"] == "ann"
    assert (ALL_CONTAINERS in safety["h"]["containers"], "web" in safety["h"]["containers"]) == (False, True)


def test_each_decision_is_described_in_words(hemostat, watched):
    hemostat("pause", "--for", "30m", "--by", "ann", "--reason", "deploy")
    hemostat("resume", "--by", "ann")
    hemostat("reset", "--container", "web", "--by", "bob")
    hemostat("order", "stop", "web", "--yes", "--no-wait", "--by", "bob")
    told = [line.split(None, 4)[2:] for line in hemostat("events").out.splitlines()]
    assert told == [
        ["*", "decision", "paused for 30 min, all containers, by ann (deploy)"],
        ["*", "decision", "resumed, all containers, by ann"],
        ["web", "decision", "breaker closed by bob"],
        ["web", "order", "bob asks for a stop"],
    ]


def test_stopped_container_can_be_ordered(hemostat, watched):
    down = stats(
        container=build_reference("d", "down", "", {}), state=State(status="exited"), cpu=None, memory=None
    )
    watched.publish_live([event(down)], ttl=60)
    assert hemostat("order", "start", "down", "--yes", "--no-wait").code == 0
