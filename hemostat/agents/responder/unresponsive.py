"""Handles containers that the engine does not answer about, while it answers about others.

A start can hang for good, and every inspection of its container with it. So no thread waits for such a
container: its requests are deferred, longer each time, and few containers are retried at the same time.
After one has hung, first inspections get less time, because many containers may hang. A container that hangs
repeatedly is retried separately even while it answers, because it can be made to hang and to answer at will.
An engine that does not answer at all affects all containers: that is waited out by the caller.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from hemostat.agents.responder.attempts import inspect_if_present
from hemostat.agents.responder.outcome import RequestCase
from hemostat.core.model import ContainerInfo
from hemostat.errors import EngineError, EngineTimeoutError, NoSuchContainerError
from hemostat.events import Event
from hemostat.ports import Clock, Defer, Engine, RunInBackground

FIRST_RETRY_SECONDS: Final = 5.0
MAX_RETRY_SECONDS: Final = 60.0
MAX_CONCURRENT: Final = 2
"""Maximum number of containers that are retried at the same time."""
BRIEF_AFTER_HANG_SECONDS: Final = 600.0
"""Seconds after a hang for which first inspections get less time: other requests wait for the thread."""
MAX_HANGS: Final = 2
"""Number of times that a container may hang, each within BRIEF_AFTER_HANG_SECONDS of the last, before all its
requests are handled separately."""
DEFER_REASON: Final = "the engine does not answer requests about it"

T = TypeVar("T")
DecideStep = Callable[[float], Sequence[Event] | Defer | RunInBackground]


class UnresponsiveContainers:
    """The containers that the engine does not answer about. Safe to use from several threads at once. A
    request is given up after `expire` seconds in which the engine has not answered about its container,
    however old the request was by then."""

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
        """When the engine first did not answer about each, by container id (epoch seconds)."""
        self._hangs: dict[str, tuple[int, float]] = {}
        """How often each has hung while a thread waited that others need, and when it last did (epoch
        seconds)."""
        self._hung_at = 0.0
        """When the engine last did not answer about a container (epoch seconds)."""
        self._slots = threading.BoundedSemaphore(MAX_CONCURRENT)

    def __contains__(self, case: RequestCase) -> bool:
        container = case.request.alert.container.id
        return container in self._since or self._hangs_repeatedly(container)

    def inspect(self, case: RequestCase) -> ContainerInfo | None:
        """Inspect the container of a request; None where it was removed, and for the host. A container that
        does not answer in the short time after a hang is retried separately at once."""
        container = case.request.alert.container
        if container.is_host or case in self or not self._has_hung_lately():
            return inspect_if_present(self._engine, container)
        answer = self._engine.inspect_all([container.id], brief=True)[container.id]
        if isinstance(answer, NoSuchContainerError):
            return None
        if isinstance(answer, EngineError):
            raise answer
        return answer

    def _has_hung_lately(self) -> bool:
        return 0 <= self._clock.now() - self._hung_at < BRIEF_AFTER_HANG_SECONDS

    def _hangs_repeatedly(self, container: str) -> bool:
        count, hung_at = self._hangs.get(container, (0, 0.0))
        return count >= MAX_HANGS and 0 <= self._clock.now() - hung_at < BRIEF_AFTER_HANG_SECONDS

    def attempt(self, case: RequestCase, call: Callable[[], T]) -> T | list[Event] | Defer:
        """Return the call's result, or defer the request. Raises EngineError where the engine does not answer
        at all."""
        container = case.request.alert.container.id
        try:
            result = call()
        except EngineTimeoutError as error:
            self._engine.ping()
            return self._postpone(case, error)
        if not isinstance(result, RunInBackground):
            self._since.pop(container, None)
        return result

    def retry(self, case: RequestCase, step: DecideStep, now: float) -> Sequence[Event] | Defer:
        """Retry a container that the engine has not answered about, or not always. Background work of `step`
        runs here, too."""
        if not self._slots.acquire(blocking=False):
            return Defer(now + FIRST_RETRY_SECONDS, DEFER_REASON)
        try:
            result = self.attempt(case, lambda: step(now))
            result = result.work(now) if isinstance(result, RunInBackground) else result
            if isinstance(result, Defer) and self._hangs_repeatedly(case.request.alert.container.id):
                again = max(result.until, now + FIRST_RETRY_SECONDS)
                return msgspec.structs.replace(result, until=again)
            return result
        finally:
            self._slots.release()

    def _postpone(self, case: RequestCase, error: EngineTimeoutError) -> list[Event] | Defer:
        container, now = case.request.alert.container.id, self._clock.now()
        if case not in self:
            self._note_hang(container, now)
        if container not in self._since and self._has_hung_lately():
            self._since[container] = self._hung_at = now
            return Defer(now, DEFER_REASON)
        self._hung_at = now
        age = now - max(self._since.setdefault(container, now), case.event.time)
        if age > self._expire:
            self._since.pop(container, None)
            return self._give_up(case, str(error))
        return Defer(now + min(max(age, FIRST_RETRY_SECONDS), MAX_RETRY_SECONDS), DEFER_REASON)

    def _note_hang(self, container: str, now: float) -> None:
        recent = {
            each: row for each, row in self._hangs.items() if 0 <= now - row[1] < BRIEF_AFTER_HANG_SECONDS
        }
        self._hangs = {**recent, container: (recent.get(container, (0, 0.0))[0] + 1, now)}
