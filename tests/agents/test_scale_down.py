"""What was scaled comes back down, whatever fails on the way, and people hear of it."""

from types import SimpleNamespace

import pytest

from hemostat.app.roles import _scale_back_regularly
from hemostat.errors import BusUnreachableError
from hemostat.ports import Interrupted
from tests.support.clock import FakeClock
from tests.support.samples import complete, event

TOLD = event(complete())


class Rounds:
    """A responder and a bus that fail in turn. The role stops after the last round."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.published: list[object] = []
        self.away = 0
        self.untold = False
        self.clock = FakeClock(on_sleep=self.on_sleep)

    def on_sleep(self, _: float) -> None:
        if not (self.outcomes or self.untold):
            raise Interrupted

    def scale_back_due(self, _: float) -> list[object]:
        failure = self.outcomes.pop(0)
        if failure is not None:
            raise failure
        self.untold = True
        return [TOLD]

    def publish(self, events: list[object]) -> None:
        if self.away:
            self.away -= 1
            raise BusUnreachableError("gone")
        self.published += events
        self.untold = False

    def run(self) -> None:
        _scale_back_regularly(SimpleNamespace(clock=self.clock, parts=SimpleNamespace(bus=self)), self)


@pytest.mark.parametrize("failure", [BusUnreachableError("gone"), ValueError("an unreadable record")])
def test_failed_round_is_followed_by_the_next(failure):
    rounds = Rounds(failure, None)
    rounds.run()
    assert rounds.published == [TOLD]


def test_scale_down_is_published_when_the_bus_returns():
    rounds = Rounds(None)
    rounds.away = 2
    rounds.run()
    assert rounds.published == [TOLD]
