"""Carries out confirmed plans, each in its own thread, so that the dashboard stays usable if the bus is slow.

A user who quits meanwhile waits: an order is sent, or its failure is reported.
"""

import queue
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from hemostat.errors import HemoStatError
from hemostat.tui.actions.build import OrderPlan, OrderResult

FINISH_SECONDS: Final = 15.0
"""Seconds that a user who quits may wait. The bus gives up earlier."""
UNKNOWN_RESULT: Final = "outcome unknown: no answer in time"


class OrderOutcome(msgspec.Struct, frozen=True):
    """The outcome of one order. `why` is the error, empty on success."""

    done: OrderResult
    why: str = ""

    @property
    def failure(self) -> str:
        return f"{self.done.told}: {self.why}"


class OrderRunner:
    def __init__(self) -> None:
        self._running: list[tuple[threading.Thread, OrderPlan]] = []
        self._results: queue.SimpleQueue[OrderOutcome] = queue.SimpleQueue()

    def carry(self, plan: OrderPlan, reason: str, told: Callable[[], object]) -> None:
        """Carry out the plan. `told` is called from the thread for each result."""

        def run() -> None:
            for number, deed in enumerate(plan.deeds):
                try:
                    result = OrderOutcome(deed.do(reason))
                except HemoStatError as error:
                    left = len(plan.deeds) - number - 1
                    rest = f"; {left} more not attempted" if left else ""
                    result = OrderOutcome(OrderResult(deed.plan), f"{error.message}{rest}")
                self._results.put(result)
                told()
                if result.why:
                    return

        thread = threading.Thread(target=run, name="order", daemon=True)
        self._running = [each for each in self._running if each[0].is_alive()]
        self._running.append((thread, plan))
        thread.start()

    def results(self) -> list[OrderOutcome]:
        """Results that were not fetched yet."""
        found: list[OrderOutcome] = []
        while not self._results.empty():
            found.append(self._results.get())
        return found

    def finish(self, patience: float = FINISH_SECONDS) -> list[str]:
        """Wait for running plans, at most `patience` seconds.

        Returns texts for failures not yet reported, and for plans whose result is unknown.
        """
        end = time.monotonic() + patience
        for thread, _ in self._running:
            thread.join(max(0.0, end - time.monotonic()))
        unknown = [plan for thread, plan in self._running if thread.is_alive()]
        failed = [each.failure for each in self.results() if each.why]
        return failed + [f"{plan.deeds[0].plan}: {UNKNOWN_RESULT}" for plan in unknown]
