"""How often the responder decides: once for an action, unless something has changed."""

from collections import Counter
from collections.abc import Callable

import pytest

from hemostat.agents.responder.responder import DECISION_SECONDS, Responder
from hemostat.core.ledger.controls import Pause
from hemostat.core.remediation import policy
from hemostat.events import Action, Event, Outcome, Reason
from hemostat.ports import Defer, RunInBackground
from tests.agents.test_responder import put_off
from tests.support.responder_harness import ResponderHarness, run_step


@pytest.fixture
def scene() -> ResponderHarness:
    return ResponderHarness()


@pytest.fixture
def counts(scene: ResponderHarness, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Calls of the policy, of the ledger and of the engine."""
    counter: Counter[str] = Counter()
    for owner, name in ((policy, "decide"), (scene.ledger, "read"), (scene.engine, "inspect")):
        monkeypatch.setattr(owner, name, count_calls(counter, name, getattr(owner, name)))
    return counter


def count_calls(counter: Counter[str], name: str, function: Callable[..., object]) -> Callable[..., object]:
    def call(*args: object, **options: object) -> object:
        counter[name] += 1
        return function(*args, **options)

    return call


def decide(scene: ResponderHarness, event: Event, responder: Responder) -> RunInBackground:
    answer = responder.step(event, scene.clock.now())
    assert isinstance(answer, RunInBackground)
    return answer


def test_crash_takes_one_decision_and_three_ledger_reads(scene, counts):
    """The reads are: before the decision, before the action, and after it."""
    event = scene.crashed()
    counts.clear()
    (done,) = run_step(scene.responder(), event, scene.clock.now())
    assert done.data.outcome is Outcome.HEALED
    assert (counts["decide"], counts["read"]) == (1, 3)


def test_container_is_inspected_again_before_the_action(scene, counts):
    answer = decide(scene, scene.crashed(), scene.responder())
    scene.engine.start("web")
    starts = scene.starts()
    (done,) = answer.work(scene.clock.now())
    assert (done.data.reason, scene.starts()) == (Reason.RECOVERED, starts)
    assert counts["decide"] == 1


def test_decision_is_repeated_after_a_wait_in_the_queue(scene, counts):
    answer = decide(scene, scene.crashed(), scene.responder())
    (done,) = answer.work(scene.clock.advance(DECISION_SECONDS))
    assert (done.data.outcome, counts["decide"], counts["read"]) == (Outcome.HEALED, 2, 4)


def test_decision_is_repeated_when_the_clock_was_set_back(scene, counts):
    answer = decide(scene, scene.crashed(), scene.responder())
    answer.work(scene.clock.advance(-1))
    assert counts["decide"] == 2


def test_decision_is_repeated_when_the_ledger_has_changed(scene, counts):
    """Another responder acts between the decision and the reservation."""
    event, decided = scene.crashed(), scene.clock.now()
    answer = decide(scene, event, scene.responder("a"))
    assert scene.step(event, scene.responder("b")).outcome is Outcome.HEALED
    counts.clear()
    (done,) = answer.work(decided)
    assert (done.data.outcome, counts["decide"], scene.starts()) == (Outcome.HEALED, 1, 1)


def test_pause_after_the_decision_holds_the_action_back(scene):
    event, responder = scene.crashed(), scene.responder()
    answer = decide(scene, event, responder)
    scene.desk.pause("*", Pause(by="ann", at=scene.clock.now()))
    assert isinstance(answer.work(scene.clock.now()), Defer)
    assert put_off(scene, event, responder).reported == Reason.PAUSED
    assert (scene.engine.inspect("web").is_running, scene.starts()) == (False, 0)
    scene.desk.resume("*")
    assert scene.step(event, responder).action is Action.RESTART
    assert scene.starts() == 1
