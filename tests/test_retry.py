"""Waiting out what passes."""

import pytest

from hemostat.errors import BusUnreachableError, EngineError
from hemostat.ports import Interrupted
from hemostat.retry import FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS, Retry
from tests.support.clock import FakeClock


def failing(count: int, error: Exception):
    failures = [error] * count

    def call() -> str:
        if failures:
            raise failures.pop()
        return "done"

    return call


def test_wait_grows_to_a_maximum():
    waits: list[float] = []
    clock = FakeClock(on_sleep=waits.append)
    assert Retry(clock)(failing(12, BusUnreachableError("gone"))) == "done"
    assert waits[:3] == [FIRST_DELAY_SECONDS, 2 * FIRST_DELAY_SECONDS, 4 * FIRST_DELAY_SECONDS]
    assert max(waits) == MAX_DELAY_SECONDS


def test_reason_of_the_wait_is_reported():
    said: list[str] = []
    patience = Retry(FakeClock(on_sleep=lambda _: said.append(patience.trouble)))
    patience(failing(2, BusUnreachableError("gone")))
    assert said == ["gone", "gone"]
    assert patience.trouble == ""


def test_permanent_error_is_not_retried():
    with pytest.raises(EngineError):
        Retry(FakeClock())(failing(1, EngineError("no")))


def test_stop_ends_the_wait():
    def stop(_: float) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        Retry(FakeClock(on_sleep=stop))(failing(5, BusUnreachableError("gone")))
