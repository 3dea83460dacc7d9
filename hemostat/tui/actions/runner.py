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


def describe_error(error: Exception) -> str:
    """The error for the user. One that HemoStat does not raise on purpose is a bug."""
    return error.message if isinstance(error, HemoStatError) else f"bug: {type(error).__name__}: {error}"


class OrderRunner:
    def __init__(self) -> None:
        self._running: list[tuple[threading.Thread, OrderPlan]] = []
        self._results: queue.SimpleQueue[OrderOutcome] = queue.SimpleQueue()

    def run(self, plan: OrderPlan, reason: str, on_result: Callable[[], object]) -> None:
        """Carry out the plan. `on_result` is called from the thread for each result."""

        def run() -> None:
            for number, order in enumerate(plan.deeds):
                try:
                    result = OrderOutcome(order.do(reason))
                except Exception as error:  # noqa: BLE001 - no order ends without a result
                    left = len(plan.deeds) - number - 1
                    rest = f"; {left} more not attempted" if left else ""
                    result = OrderOutcome(OrderResult(order.plan), f"{describe_error(error)}{rest}")
                self._results.put(result)
                on_result()
                if result.why:
                    return

        thread = threading.Thread(target=run, name="order", daemon=True)
        self._running = [each for each in self._running if each[0].is_alive()]
        self._running.append((thread, plan))
        thread.start()

    def take_results(self) -> list[OrderOutcome]:
        """Results that were not fetched yet."""
        results: list[OrderOutcome] = []
        while not self._results.empty():
            results.append(self._results.get())
        return results

    def finish(self, timeout: float = FINISH_SECONDS) -> list[str]:
        """Wait for running plans, at most `timeout` seconds.

        Returns texts for failures not yet reported, and for plans whose result is unknown.
        """
        end = time.monotonic() + timeout
        for thread, _ in self._running:
            thread.join(max(0.0, end - time.monotonic()))
        unknown = [plan for thread, plan in self._running if thread.is_alive()]
        failed = [each.failure for each in self.take_results() if each.why]
        return failed + [f"{plan.deeds[0].plan}: {UNKNOWN_RESULT}" for plan in unknown]
