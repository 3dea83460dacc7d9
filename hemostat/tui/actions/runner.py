"""Has done what was confirmed, each plan in a thread of its own: who ordered goes on looking, whatever the
bus does. Who quits meanwhile waits for it: what was ordered is sent, or it is told that it was not.
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
"""Seconds that a user who quits is kept waiting; the bus gives up before."""
UNKNOWN_RESULT: Final = "nobody knows whether it was done: there was no answer in time"


class OrderOutcome(msgspec.Struct, frozen=True):
    """`why` says why it was not done; empty if it was."""

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
        """`told` is called from the thread whenever there is a result."""

        def run() -> None:
            for number, deed in enumerate(plan.deeds):
                try:
                    result = OrderOutcome(deed.do(reason))
                except HemoStatError as error:
                    left = len(plan.deeds) - number - 1
                    rest = f"; not tried: {left} more" if left else ""
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
        """Those that nobody has asked for yet."""
        found: list[OrderOutcome] = []
        while not self._results.empty():
            found.append(self._results.get())
        return found

    def finish(self, patience: float = FINISH_SECONDS) -> list[str]:
        """Wait for what is under way, `patience` seconds at most; in words what failed of which nobody was
        told yet, and what nobody knows of."""
        end = time.monotonic() + patience
        for thread, _ in self._running:
            thread.join(max(0.0, end - time.monotonic()))
        unknown = [plan for thread, plan in self._running if thread.is_alive()]
        failed = [each.failure for each in self.results() if each.why]
        return failed + [f"{plan.deeds[0].plan}: {UNKNOWN_RESULT}" for plan in unknown]
