"""Starts and inspections of one container hang: whatever is to be done to others goes on."""

from collections.abc import Sequence

import pytest

from hemostat.agents.responder.unresponsive import BRIEF_AFTER_HANG_SECONDS, FIRST_RETRY_SECONDS, MAX_HANGS
from hemostat.core.ledger.controls import ApprovalAnswer, Pause
from hemostat.core.settings.responder import ResponderSettings
from hemostat.errors import EngineTimeoutError
from hemostat.events import Outcome, Reason
from hemostat.ports import Defer, RunInBackground
from tests.support.responder_harness import ResponderHarness

HANGS = "took too long"


@pytest.fixture
def scene() -> ResponderHarness:
    return ResponderHarness()


def make_hang(scene: ResponderHarness, name: str, *calls: str) -> list[str]:
    """Which calls about this container have hung since; start and inspect unless others are named."""
    hung, identity = [], scene.engine.inspect(name).ref.id

    def hanging(doing: str, call):
        def wrapped(container: str, *rest):
            if container in {name, identity}:
                hung.append(doing)
                raise EngineTimeoutError(f"{doing} {name}: {HANGS}")
            return call(container, *rest)

        return wrapped

    for doing in calls or ("start", "inspect"):
        setattr(scene.engine, doing, hanging(doing, getattr(scene.engine, doing)))
    return hung


def test_hanging_container_is_deferred_and_polled_separately(scene):
    request, responder = scene.crashed(), scene.responder()
    hung = make_hang(scene, "web")
    assert isinstance(scene.step(request, responder), Defer)
    asked = len(hung)
    answer = responder.step(request, scene.clock.now())
    assert isinstance(answer, RunInBackground)
    assert len(hung) == asked, "no inspection before it runs apart"
    assert isinstance(answer.work(scene.clock.now()), Defer)


def test_container_with_a_hanging_start_is_polled_separately(scene):
    request, responder = scene.crashed(), scene.responder()
    make_hang(scene, "web", "start")
    for _ in range(2):
        assert isinstance(scene.step(request, responder), Defer)
    hung = make_hang(scene, "web", "inspect")
    assert isinstance(responder.step(request, scene.clock.now()), RunInBackground)
    assert hung == [], "no inspection before it runs apart"


def test_hanging_container_in_a_slot_does_not_slow_decisions(scene):
    request, responder = scene.crashed(), scene.responder(concurrency=1)
    scene.engine.crash(scene.make("shop"), 1)
    other = scene.request(container="shop", incident="i2")
    make_hang(scene, "web", "start")
    assert isinstance(scene.step(request, responder), Defer)
    hung, inspect_all, brief_calls = make_hang(scene, "web", "inspect"), scene.engine.inspect_all, []

    def note_brief(containers: Sequence[str], *, brief: bool = False):
        brief_calls.append(brief)
        return inspect_all(containers, brief=brief)

    scene.engine.inspect_all = note_brief
    assert isinstance(scene.step(other, responder), Defer)
    assert (hung, set(brief_calls)) == (["inspect"], {True})


def test_first_inspections_are_brief_after_a_hang(scene):
    request, responder = scene.crashed(), scene.responder()
    others = [scene.make(name) for name in ("slow", "shop")]
    for name in ("slow", "shop"):
        scene.engine.crash(name, 1)
    late, other = (scene.request(container=name, incident=name) for name in ("slow", "shop"))
    make_hang(scene, "web", "inspect")
    scene.step(request, responder)
    inspect_all, brief_calls = scene.engine.inspect_all, []

    def note_brief(containers: Sequence[str], *, brief: bool = False):
        brief_calls.append((containers, brief))
        is_slow = brief and containers == [others[0]]
        return {others[0]: EngineTimeoutError(HANGS)} if is_slow else inspect_all(containers, brief=brief)

    scene.engine.inspect_all = note_brief
    retry = responder.step(late, scene.clock.now())
    responder.step(other, scene.clock.now())
    assert brief_calls[:2] == [([each], True) for each in others]
    assert isinstance(retry, Defer)
    assert retry.until == scene.clock.now(), "the slow container is retried at once, with more time"
    assert scene.finish(late, responder).outcome is Outcome.HEALED


def test_hanging_container_is_polled_less_often_then_abandoned(scene):
    request, responder = scene.crashed(), scene.responder()
    hung = make_hang(scene, "web")
    done = scene.finish(request, responder)
    assert (done.outcome, done.reason) == (Outcome.FAILED, Reason.GIVEN_UP)
    assert HANGS in done.detail
    assert len(hung) < ResponderSettings().expire / 30
    assert not scene.ledger.read("h", "web").running_attempts


def test_late_approval_is_not_abandoned_at_once(scene):
    responder = scene.responder(mode="approve", approve_for=3600.0)
    request = scene.crashed()
    reported = [scene.step(request, responder).reported]
    (waiting,) = scene.desk.list_approvals()
    scene.clock.advance(ResponderSettings().expire + 100)
    scene.desk.answer_approval(
        waiting.id, ApprovalAnswer.APPROVED, by="ann", reason="", now=scene.clock.now()
    )
    start = scene.engine.start
    make_hang(scene, "web", "start")
    assert isinstance(scene.step(request, responder, reported), Defer)
    scene.engine.start = start
    assert scene.finish(request, responder, reported).outcome is Outcome.HEALED


def test_container_that_responds_again_is_healed(scene):
    request, responder = scene.crashed(), scene.responder()
    start, inspect = scene.engine.start, scene.engine.inspect
    make_hang(scene, "web")
    assert isinstance(scene.step(request, responder), Defer)
    scene.engine.start, scene.engine.inspect = start, inspect
    assert scene.finish(request, responder).outcome is Outcome.HEALED


def test_container_that_hangs_repeatedly_is_handled_separately(scene):
    """It answers each separate inspection, and hangs each other one."""
    request, responder = scene.crashed(), scene.responder()
    scene.desk.pause("*", Pause(by="ann", at=scene.clock.now()))
    answering = scene.engine.inspect
    hung, pauses = make_hang(scene, "web", "inspect"), []
    hanging = scene.engine.inspect
    for _ in range(20):
        answer = responder.step(request, scene.clock.now())
        if isinstance(answer, RunInBackground):
            scene.engine.inspect = answering
            answer = answer.work(scene.clock.now())
            scene.engine.inspect = hanging
            pauses.append(answer.until - scene.clock.now())
        scene.clock.advance(5.0)
    assert len(hung) == MAX_HANGS
    assert min(pauses[MAX_HANGS:]) >= FIRST_RETRY_SECONDS
    scene.engine.inspect = answering
    scene.clock.advance(BRIEF_AFTER_HANG_SECONDS)
    assert isinstance(responder.step(request, scene.clock.now()), Defer), "paused, as others are"


def test_unresponsive_engine_is_waited_for(scene):
    request, responder = scene.crashed(), scene.responder()
    make_hang(scene, "web")

    def hang() -> None:
        raise EngineTimeoutError(f"version: {HANGS}")

    scene.engine.ping = hang
    with pytest.raises(EngineTimeoutError):
        scene.step(request, responder)
