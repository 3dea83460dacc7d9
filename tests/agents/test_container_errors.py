"""Errors of one container or one loop, which must not stop the others."""

import threading

import pytest

from hemostat.agents.monitor.container_errors import HINT, ContainerErrors
from hemostat.agents.monitor.loop_errors import LIST_ACTIVITY, LoopErrors
from hemostat.agents.monitor.observation_queue import MAX_LEFT_OUT_TAKEN, ObservationQueue
from hemostat.core.model import Connected, EngineEvent, Waited
from hemostat.errors import BusError, EngineError
from hemostat.events import Container


def fail(error: Exception):
    def call() -> None:
        raise error

    return call


def count_logged(caplog, event: str) -> int:
    return sum(record.getMessage().startswith(event) for record in caplog.records)


def test_error_of_a_container_is_a_warning_until_it_is_over(caplog):
    errors = ContainerErrors()
    assert errors.attempt("c", "web", "read", fail(ValueError("bad label"))) is None
    assert errors.warnings == (f"cannot read web: ValueError: bad label; {HINT}",)
    assert ("c" in errors, "d" in errors) == (True, False)
    assert errors.attempt("c", "web", "judge", lambda: 7) == 7
    assert len(errors.warnings) == 1, "another activity"
    assert errors.attempt("c", "web", "read", lambda: 8) == 8
    assert errors.warnings == ()


def test_same_error_of_a_container_is_logged_once(caplog):
    errors = ContainerErrors()
    for reason in ("a", "a", "b"):
        errors.attempt("c", "web", "read", fail(ValueError(reason)))
    assert count_logged(caplog, "container.failed") == 2


def test_containers_with_the_same_error_share_a_warning():
    errors = ContainerErrors()
    for name, doing in (("a", "read"), ("b", "read"), ("b", "judge")):
        errors.attempt(name, name, doing, fail(ValueError("x")))
    assert errors.warnings == (
        f"cannot read a, b: ValueError: x; {HINT}",
        f"cannot judge b: ValueError: x; {HINT}",
    )


@pytest.mark.parametrize("trait", ["transient", "curable"])
def test_error_that_waiting_cures_is_raised(trait):
    error = EngineError("does not answer")
    error.transient = error.curable = False
    setattr(error, trait, True)
    errors = ContainerErrors()
    with pytest.raises(EngineError):
        errors.attempt("c", "web", "read", fail(error))
    assert errors.warnings == ()


def test_error_of_the_engine_about_one_container_is_recorded():
    error = EngineError("broken")
    error.transient = error.curable = False
    errors = ContainerErrors()
    assert errors.attempt("c", "web", "read", fail(error)) is None
    assert "c" in errors


def test_removed_containers_leave_no_error():
    errors = ContainerErrors()
    for identity in ("", "a", "b", "c"):
        errors.attempt(identity, identity, "read", fail(ValueError("x")))
    errors.forget("a")
    assert [each in errors for each in ("", "a", "b", "c")] == [True, False, True, True]
    errors.keep_only(["b"])
    assert [each in errors for each in ("", "a", "b", "c")] == [True, False, True, False]


def test_secret_in_an_error_is_masked():
    errors = ContainerErrors()
    errors.attempt("c", "web", "read", fail(ValueError("password=hunter2")))
    assert "hunter2" not in errors.warnings[0]


# --- loops ------------------------------------------------------------------------------------------


def test_error_of_a_loop_is_a_warning_until_it_is_over(caplog):
    errors = LoopErrors()
    for reason in ("a", "a", "b"):
        assert errors.attempt("probing", fail(ValueError(reason))) is None
    assert errors.warnings == ("probing fails: ValueError: b; details are in the log",)
    assert errors.trouble == ""
    assert count_logged(caplog, "monitor.failed") == 2
    assert errors.attempt("probing", lambda: 7) == 7
    assert errors.warnings == ()


def test_monitor_that_cannot_list_watches_no_container():
    errors = LoopErrors()
    errors.attempt(LIST_ACTIVITY, fail(ValueError("a")))
    assert errors.trouble == "no container is watched: ValueError: a"
    assert errors.warnings == ()


def test_lost_bus_ends_the_loop():
    errors = LoopErrors()
    with pytest.raises(BusError):
        errors.attempt("probing", fail(BusError("gone")))
    assert errors.warnings == ()


# --- the queue between the threads ------------------------------------------------------------------


def event(name: str, time: float = 100.0) -> EngineEvent:
    return EngineEvent(time=time, action="kill", container=Container(id=name, name=name))


def test_observation_wakes_the_thread_that_waits():
    queue, results = ObservationQueue(), []
    thread = threading.Thread(target=lambda: results.append(queue.get(30.0)))
    thread.start()
    queue.put(Waited())
    thread.join(30.0)
    assert results == [Waited()]


def test_empty_queue_returns_nothing_after_the_timeout():
    queue = ObservationQueue()
    assert queue.get(0.0) is None
    assert queue.get(0.001) is None
    queue.put(Connected())
    assert len(queue) == 1
    assert queue.get(0.0) == Connected()
    assert len(queue) == 0


def test_containers_with_dropped_events_are_taken_in_portions():
    queue = ObservationQueue()
    names = {f"c{number}" for number in range(MAX_LEFT_OUT_TAKEN + 3)}
    for name in names:
        for _ in range(9):
            queue.put(event(name))
    first, second = queue.take_left_out(), queue.take_left_out()
    assert (len(first), len(second)) == (MAX_LEFT_OUT_TAKEN, 3)
    assert {*first, *second} == names
    assert queue.take_left_out() == []


def test_overflow_is_reported_once():
    queue = ObservationQueue()
    assert not queue.take_overflow()
    queue._intake.has_overflowed = True
    assert queue.take_overflow()
    assert not queue.take_overflow()
    assert queue.span is None
    queue.put(event("c", 7.0))
    assert tuple(queue.span) == (7.0, 7.0)
