"""Work in daemon threads."""

import threading

import pytest

from hemostat.background import run_in_background


def test_future_has_the_result_of_the_work():
    assert run_in_background(lambda: 7, "seven").result(10) == 7


def test_future_raises_the_exception_of_the_work():
    with pytest.raises(ZeroDivisionError):
        run_in_background(lambda: 1 / 0, "fails").result(10)


def test_work_runs_in_a_daemon_thread_of_the_given_name():
    thread = run_in_background(threading.current_thread, "named").result(10)
    assert (thread.name, thread.daemon) == ("named", True)
