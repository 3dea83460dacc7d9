"""Work in daemon threads."""

import threading
from functools import partial

import pytest

from hemostat.background import DaemonPool, run_in_background
from tests.support.engine_fixtures import eventually


def test_future_has_the_result_of_the_work():
    assert run_in_background(lambda: 7, "seven").result(10) == 7


def test_future_raises_the_exception_of_the_work():
    with pytest.raises(ZeroDivisionError):
        run_in_background(lambda: 1 / 0, "fails").result(10)


def test_work_runs_in_a_daemon_thread_of_the_given_name():
    thread = run_in_background(threading.current_thread, "named").result(10)
    assert (thread.name, thread.daemon) == ("named", True)


def test_pool_runs_no_more_work_at_once_than_it_has_threads():
    pool, go, begun, ended = DaemonPool(2, "pool"), threading.Event(), list[int](), list[int]()

    def work(number: int) -> None:
        begun.append(number)
        go.wait(10)
        ended.append(number)

    for number in range(5):
        pool.submit(partial(work, number))
    eventually(lambda: len(begun) == 2)
    go.set()
    eventually(lambda: sorted(ended) == list(range(5)))
    pool.stop()


def test_pool_reuses_an_idle_thread():
    pool, names = DaemonPool(4, "pool"), list[int]()
    for count in range(1, 4):
        pool.submit(lambda: names.append(threading.get_ident()))
        eventually(lambda count=count: len(names) == count and pool._idle_count == 1)
    pool.stop()
    assert len(set(names)) == 1


def test_pool_continues_after_work_that_fails(caplog):
    pool, ended = DaemonPool(1, "pool"), threading.Event()
    pool.submit(lambda: 1 / 0)
    pool.submit(ended.set)
    assert ended.wait(10)
    pool.stop()
    assert "background_work.failed thread=pool" in caplog.text


def test_stopped_pool_drops_the_work_that_waits():
    pool, begun, go, late = DaemonPool(1, "pool"), threading.Event(), threading.Event(), list[int]()

    def hold() -> None:
        begun.set()
        go.wait(10)

    pool.submit(hold)
    pool.submit(lambda: late.append(1))
    assert begun.wait(10)
    pool.stop()
    pool.submit(lambda: late.append(2))
    go.set()
    eventually(lambda: "pool" not in {thread.name for thread in threading.enumerate()})
    assert late == []
