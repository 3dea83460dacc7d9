"""How often a container that does not answer is asked about."""

import pytest

from hemostat.agents.responder.brief_inspector import BriefInspector
from hemostat.core.model import ContainerInfo
from hemostat.errors import EngineError, EngineTimeoutError
from hemostat.events import Container
from tests.support.clock import FakeClock


class Engine:
    def __init__(self) -> None:
        self.errors: dict[str, EngineError] = {}
        self.calls: list[list[str]] = []

    def inspect_all(self, ids, *, brief: bool = False):
        assert brief
        self.calls.append(list(ids))
        return {
            each: self.errors.get(each) or ContainerInfo(ref=Container(id=each, name=each), status="running")
            for each in ids
        }


class Scene:
    def __init__(self) -> None:
        self.clock, self.engine = FakeClock(), Engine()
        self.inspector = BriefInspector(self.engine, self.clock)
        self.engine.errors["a"] = EngineTimeoutError("no answer")

    def is_asked(self, seconds: float, *containers: str) -> bool:
        """Whether the engine is asked about the containers after this time."""
        self.clock.advance(seconds)
        self.engine.calls.clear()
        self.inspector.inspect(containers or ["a"])
        return self.engine.calls != []


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_container_that_answers_is_asked_about_each_time(scene):
    scene.engine.errors.clear()
    assert [scene.is_asked(0), scene.is_asked(0)] == [True, True]
    answers = scene.inspector.inspect(["b", "a", "b"])
    assert (list(answers), scene.engine.calls[-1]) == (["b", "a"], ["b", "a"])
    assert all(isinstance(each, ContainerInfo) for each in answers.values())


def test_silent_container_rests_for_twice_as_long_each_time(scene):
    scene.is_asked(0)
    for rest in (5, 10, 20, 40, 80, 120, 120):
        assert not scene.is_asked(rest - 0.1)
        assert scene.is_asked(0.1)


def test_resting_container_is_answered_with_an_error(scene):
    scene.inspector.inspect(["a"])
    answers = scene.inspector.inspect(["a", "b"])
    assert isinstance(answers["a"], EngineTimeoutError)
    assert str(answers["a"]) == "inspect a: it has not answered lately"
    assert isinstance(answers["b"], ContainerInfo)
    assert scene.engine.calls == [["a"], ["b"]]
    assert not scene.is_asked(0, "a")


def test_container_that_answers_again_does_not_rest(scene):
    scene.is_asked(0)
    scene.is_asked(5)
    scene.engine.errors.clear()
    assert scene.is_asked(10)
    scene.engine.errors["a"] = EngineTimeoutError("no answer")
    assert scene.is_asked(0)
    assert [scene.is_asked(4.9), scene.is_asked(0.1)] == [False, True]


def test_other_error_does_not_make_a_container_rest(scene):
    scene.engine.errors["a"] = EngineError("broken")
    assert [scene.is_asked(0), scene.is_asked(0)] == [True, True]


def test_clock_set_back_ends_the_rest(scene):
    scene.is_asked(0)
    assert scene.is_asked(-1.0)


def test_silence_is_forgotten_after_four_minutes(scene):
    scene.is_asked(0)
    scene.is_asked(5)
    scene.is_asked(239, "b")
    assert list(scene.inspector._silent) == ["a"]
    scene.is_asked(1, "b")
    assert list(scene.inspector._silent) == []
