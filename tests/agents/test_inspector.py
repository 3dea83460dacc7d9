"""Containers that the engine does not answer about, and when they are inspected again."""

import pytest

from hemostat.agents.monitor.inspector import (
    BATCH_SIZE,
    BRIEF_AFTER_HANG_SECONDS,
    MAX_HANGS,
    MAX_RETRIES,
    Inspector,
)
from hemostat.core.model import ContainerInfo
from hemostat.errors import (
    EngineError,
    EngineTimeoutError,
    EngineUnreachableError,
    NoSuchContainerError,
)
from hemostat.events import Container

NOW = 10_000.0


class Engine:
    """Answers about all containers, except for those with an error."""

    def __init__(self) -> None:
        self.errors: dict[str, EngineError] = {}
        self.calls: list[tuple[tuple[str, ...], bool]] = []

    def inspect_all(self, ids, *, brief: bool = False):
        self.calls.append((tuple(ids), brief))
        return {
            each: self.errors.get(each) or ContainerInfo(ref=Container(id=each, name=each), status="running")
            for each in ids
        }

    def was_stopped(self, container: str, *, brief: bool = False) -> bool | None:
        self.calls.append(((container,), brief))
        if error := self.errors.get(container):
            raise error
        return True

    def hang(self, *ids: str) -> None:
        self.errors |= {each: EngineTimeoutError(f"inspect {each}: no answer") for each in ids}


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def inspector(engine) -> Inspector:
    return Inspector(engine)


def hang(engine: Engine, inspector: Inspector, *ids: str, now: float = NOW) -> None:
    engine.hang(*ids)
    for each in ids:
        assert inspector.inspect(each, each, now) is None
    engine.errors.clear()
    engine.calls.clear()


def inspect(inspector: Inspector, container: str, now: float = NOW) -> str | None:
    info = inspector.inspect(container, container, now)
    return info and info.ref.id


def test_container_that_hangs_is_retried_with_growing_intervals(engine, inspector):
    engine.hang("a")
    assert inspect(inspector, "a") is None
    assert inspector.warnings == ("cannot inspect a: no answer",)
    tries = []
    for second in range(1, 200):
        count = len(engine.calls)
        assert list(inspector.retry_unresponsive(NOW + second)) == []
        tries += [second] if len(engine.calls) > count else []
    assert tries == [5, 15, 35, 75, 135, 195]
    engine.errors.clear()
    assert list(inspector.retry_unresponsive(NOW + 255)) == ["a"]
    assert inspector.warnings == ()


def test_warning_has_the_whole_error_without_a_prefix(engine, inspector):
    engine.errors["a"] = EngineError("broken")
    list(inspector.inspect_all({"a": "web"}, NOW))
    assert inspector.warnings == ("cannot inspect web: broken",)
    assert inspector.hung_count == 0


def test_container_that_waits_for_a_retry_is_not_asked_about(engine, inspector):
    hang(engine, inspector, "a")
    assert [info.ref.id for info in inspector.inspect_all({"a": "a", "b": "b"}, NOW)] == ["b"]
    assert engine.calls == [(("b",), True)]


@pytest.mark.parametrize(
    ("later", "is_brief"),
    [(0.0, True), (BRIEF_AFTER_HANG_SECONDS - 1, True), (BRIEF_AFTER_HANG_SECONDS, False), (-1.0, False)],
)
def test_inspections_get_less_time_after_a_hang(engine, inspector, later, is_brief):
    hang(engine, inspector, "a")
    inspect(inspector, "b", NOW + later)
    assert engine.calls == [(("b",), is_brief)]


@pytest.mark.parametrize(("later", "is_asked"), [(59.9, False), (60.0, True), (-0.1, True)])
def test_inspections_are_separate_for_a_minute_after_several_hangs(engine, inspector, later, is_asked):
    hang(engine, inspector, *"abcd")
    assert len("abcd") == MAX_HANGS
    assert inspect(inspector, "x", NOW + later) == ("x" if is_asked else None)
    assert (engine.calls != []) is is_asked


def test_fewer_hangs_do_not_make_inspections_separate(engine, inspector):
    hang(engine, inspector, *"abc")
    assert inspect(inspector, "x") == "x"


def test_container_that_answered_separately_is_asked_for_longer(engine, inspector):
    hang(engine, inspector, *"abcd")
    assert inspector.inspect("x", "x", NOW, answered=True).ref.id == "x"
    inspector._hang_times.extend([NOW] * MAX_HANGS)
    assert inspector.inspect("y", "y", NOW, answered=True) is None


def test_container_that_was_left_out_is_inspected_separately(engine, inspector):
    hang(engine, inspector, *"abcd")
    inspect(inspector, "x")
    assert inspector.warnings == ("cannot inspect a, b, c, d: no answer",), "no attempt was made for x"
    assert list(inspector.retry(NOW)) == ["x"]
    assert engine.calls == [(("x",), True)]
    assert inspector.inspect("x", "x", NOW, answered=True).ref.id == "x"
    assert len(engine.calls) == 1, "the answer was used"


def test_separate_answer_is_not_used_after_another_request(engine, inspector):
    hang(engine, inspector, *"abcd")
    inspect(inspector, "x")
    list(inspector.retry(NOW))
    inspect(inspector, "x", NOW + 60)
    engine.calls.clear()
    inspector.inspect("x", "x", NOW + 60, answered=True)
    assert engine.calls == [(("x",), True)]


def test_list_is_left_to_separate_inspections_after_a_hang(engine, inspector):
    names = {f"c{number}": f"c{number}" for number in range(2 * BATCH_SIZE + 1)}
    engine.hang("c3")
    answers = [each.ref.id for each in inspector.inspect_until_hung(names, NOW, print)]
    assert answers == ["c0", "c1", "c2", "c4", "c5", "c6", "c7"]
    assert len(engine.calls) == 1
    assert list(inspector.retry(NOW)) == [f"c{number}" for number in range(BATCH_SIZE, 2 * BATCH_SIZE + 1)]
    assert [len(ids) for ids, _ in engine.calls[1:]] == [BATCH_SIZE, 1]


def test_removed_container_is_reported(engine, inspector):
    engine.errors["a"] = NoSuchContainerError("gone")
    removed: list[str] = []
    assert list(inspector.inspect_all({"a": "a"}, NOW, removed.append)) == []
    assert removed == ["a"]
    assert inspector.warnings == ()
    with pytest.raises(NoSuchContainerError):
        inspect(inspector, "a")


def test_container_removed_while_it_was_retried_is_yielded(engine, inspector):
    hang(engine, inspector, "a")
    engine.errors["a"] = NoSuchContainerError("gone")
    assert list(inspector.retry_unresponsive(NOW + 5)) == ["a"]
    assert inspector.inspect("b", "b", NOW, answered=True).ref.id == "b"


def test_few_containers_that_hung_of_late_are_retried_in_a_round(engine, inspector):
    names = {f"h{number}": f"h{number}" for number in range(MAX_RETRIES + 4)}
    engine.hang(*names)
    assert list(inspector.inspect_all(names, NOW)) == []
    engine.calls.clear()
    list(inspector.retry_unresponsive(NOW + 5))
    assert [(len(ids), brief) for ids, brief in engine.calls] == [(MAX_RETRIES, False)]


def test_removed_containers_are_forgotten(engine, inspector):
    hang(engine, inspector, "a", "b", "c")
    inspector.forget("a")
    assert inspector.warnings == ("cannot inspect b, c: no answer",)
    inspector.keep_only(["b"])
    assert inspector.warnings == ("cannot inspect b: no answer",)
    assert list(inspector._hung) == ["b"]


def test_forgotten_container_leaves_no_answer(engine, inspector):
    hang(engine, inspector, *"abcd")
    for name in ("x", "y"):
        inspect(inspector, name)
    list(inspector.retry(NOW))
    inspector.forget("x")
    inspector.keep_only(["z"])
    engine.calls.clear()
    for name in ("x", "y"):
        inspector.inspect(name, name, NOW, answered=True)
    assert len(engine.calls) == 2


def test_old_hang_of_a_container_is_forgotten(engine, inspector):
    hang(engine, inspector, "a")
    hang(engine, inspector, "b", now=NOW + BRIEF_AFTER_HANG_SECONDS - 1)
    assert list(inspector._hung) == ["a", "b"]
    hang(engine, inspector, "c", now=NOW + BRIEF_AFTER_HANG_SECONDS)
    assert list(inspector._hung) == ["b", "c"]


def read_mark(inspector: Inspector, container: str, now: float = NOW) -> bool | None:
    try:
        return inspector.read_stop_mark(container, now)
    except EngineTimeoutError:
        return None


def test_mark_that_hangs_leaves_less_time_for_the_next_ones(engine, inspector):
    engine.hang("a")
    assert read_mark(inspector, "a") is None
    assert read_mark(inspector, "b") is True
    assert engine.calls == [(("a",), False), (("b",), True)]


def test_marks_that_hang_count_with_hung_inspections(engine, inspector):
    names = [f"x{number}" for number in range(2 * MAX_HANGS)]
    engine.hang(*names)
    for each in names:
        assert read_mark(inspector, each) is None
    assert inspector.hung_count == 2 * MAX_HANGS
    engine.calls.clear()
    assert read_mark(inspector, "b") is None
    assert inspect(inspector, "c") is None
    assert engine.calls == []


def test_container_that_has_hung_is_not_asked_again_after_many_hangs(engine, inspector):
    hang(engine, inspector, *(f"x{number}" for number in range(MAX_HANGS)))
    assert read_mark(inspector, "x0") is None
    assert engine.calls == []
    assert read_mark(inspector, "b") is True


def test_error_about_one_mark_is_no_error_of_the_engine(engine, inspector):
    engine.errors["a"] = EngineError("inspect a: longer than 16 MiB")
    with pytest.raises(EngineTimeoutError):
        inspector.read_stop_mark("a", NOW)
    engine.errors["a"] = EngineUnreachableError("no engine")
    with pytest.raises(EngineUnreachableError):
        inspector.read_stop_mark("a", NOW)
