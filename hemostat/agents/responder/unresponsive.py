"""Containers that the engine does not answer about, while it answers otherwise.

A start can hang for good, and every inspection of its container with it. So no thread waits for that: what
was to be done is put off, longer each time, and few are asked about again at the same time. An engine that
answers nobody concerns all containers: that is waited out.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from hemostat.agents.responder.outcome import RequestCase
from hemostat.errors import EngineTimeoutError
from hemostat.events import Event
from hemostat.ports import Clock, Defer, Engine, RunInBackground

FIRST_RETRY_SECONDS: Final = 5.0
MAX_RETRY_SECONDS: Final = 60.0
MAX_CONCURRENT: Final = 2
"""Containers that are asked about again at the same time."""
DEFER_REASON: Final = "the engine does not answer about it"

T = TypeVar("T")
DecideStep = Callable[[float], Sequence[Event] | Defer | RunInBackground]


class UnresponsiveContainers:
    """Safe to use from several threads at once. A request is given up after `expire` seconds in which the
    engine has not answered about its container, however old the request was by then."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        expire: float,
        give_up: Callable[[RequestCase, str], list[Event]],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._expire = expire
        self._give_up = give_up
        self._since: dict[str, float] = {}
        """When each was first not answered about, by container id (epoch seconds)."""
        self._slots = threading.BoundedSemaphore(MAX_CONCURRENT)

    def __contains__(self, case: RequestCase) -> bool:
        return case.request.alert.container.id in self._since

    def attempt(self, case: RequestCase, call: Callable[[], T]) -> T | list[Event] | Defer:
        """Raises EngineError where the engine answers nobody."""
        container = case.request.alert.container.id
        try:
            result = call()
        except EngineTimeoutError as error:
            self._engine.version()
            return self._postpone(case, error)
        if not isinstance(result, RunInBackground):
            self._since.pop(container, None)
        return result

    def again(self, case: RequestCase, step: DecideStep, now: float) -> Sequence[Event] | Defer:
        """What is done about one that is known not to be answered about. What `step` has run apart is an
        attempt of its own."""
        if not self._slots.acquire(blocking=False):
            return Defer(now + FIRST_RETRY_SECONDS, DEFER_REASON)
        try:
            result = self.attempt(case, lambda: step(now))
            return result.work(now) if isinstance(result, RunInBackground) else result
        finally:
            self._slots.release()

    def _postpone(self, case: RequestCase, error: EngineTimeoutError) -> list[Event] | Defer:
        container, now = case.request.alert.container.id, self._clock.now()
        age = now - max(self._since.setdefault(container, now), case.event.time)
        if age > self._expire:
            self._since.pop(container, None)
            return self._give_up(case, str(error))
        return Defer(now + min(max(age, FIRST_RETRY_SECONDS), MAX_RETRY_SECONDS), DEFER_REASON)
