"""Starts and inspections of one container hang: whatever is to be done to others goes on."""

import pytest

from hemostat.core.limits import Limits
from hemostat.errors import EngineTimeoutError
from hemostat.events import Outcome, Reason
from hemostat.ports import Apart, Later
from tests.agents.test_responder import Scene

HANGS = "took too long"


@pytest.fixture
def scene() -> Scene:
    return Scene()


def make_hang(scene: Scene, name: str) -> list[str]:
    """Which calls about this container have hung since."""
    hung, identity = [], scene.engine.inspect(name).ref.id

    def hanging(doing: str, call):
        def wrapped(container: str, *rest):
            if container in {name, identity}:
                hung.append(doing)
                raise EngineTimeoutError(f"{doing} {name}: {HANGS}")
            return call(container, *rest)

        return wrapped

    for doing in ("start", "inspect"):
        setattr(scene.engine, doing, hanging(doing, getattr(scene.engine, doing)))
    return hung


def test_what_hangs_is_put_off_and_asked_about_apart_from_the_others(scene):
    request, responder = scene.crashed(), scene.responder()
    hung = make_hang(scene, "web")
    assert isinstance(scene.step(request, responder), Later)
    asked = len(hung)
    answer = responder.step(request, scene.clock.now())
    assert isinstance(answer, Apart)
    assert len(hung) == asked, "no inspection before it runs apart"
    assert isinstance(answer.work(scene.clock.now()), Later)


def test_it_is_asked_about_less_and_less_often_and_given_up_in_the_end(scene):
    request, responder = scene.crashed(), scene.responder()
    hung = make_hang(scene, "web")
    done = scene.finish(request, responder)
    assert (done.outcome, done.reason) == (Outcome.FAILED, Reason.GIVEN_UP)
    assert HANGS in done.detail
    assert len(hung) < Limits().expire / 30
    assert not scene.ledger.read("h", "web").running


def test_one_that_is_answered_about_again_is_healed(scene):
    request, responder = scene.crashed(), scene.responder()
    start, inspect = scene.engine.start, scene.engine.inspect
    make_hang(scene, "web")
    assert isinstance(scene.step(request, responder), Later)
    scene.engine.start, scene.engine.inspect = start, inspect
    assert scene.finish(request, responder).outcome is Outcome.HEALED


def test_an_engine_that_answers_nobody_is_waited_out(scene):
    request, responder = scene.crashed(), scene.responder()
    make_hang(scene, "web")

    def hang() -> None:
        raise EngineTimeoutError(f"version: {HANGS}")

    scene.engine.version = hang
    with pytest.raises(EngineTimeoutError):
        scene.step(request, responder)
