"""An advisor that is on its way: its SDK takes a second or several to load, and no crash waits for that."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from hemostat.errors import AdvisorUnreachableError
from hemostat.ports import Advisor, Said, Tool, Turn

T = TypeVar("T")


class LateAdvisor:
    """Made in a thread of its own; who asks before it is there waits for it."""

    def __init__(self, name: str, make: Callable[[], Advisor]) -> None:
        self.name = name
        self._made = _aside(make)

    def say(
        self,
        system: str,
        conversation: Sequence[Turn],
        tools: Sequence[Tool],
        *,
        must_call: str | None,
        max_tokens: int,
        timeout: float,
    ) -> Said:
        advisor = self._made.result()
        return advisor.say(
            system, conversation, tools, must_call=must_call, max_tokens=max_tokens, timeout=timeout
        )

    def probe(self, timeout: float) -> None:
        """In twice the time at most, however slowly something comes."""
        made = self._made.result()
        try:
            _aside(lambda: made.probe(timeout)).result(2 * timeout)
        except TimeoutError:
            raise AdvisorUnreachableError(f"{self.name} did not answer in time") from None

    def close(self) -> None:
        self._made.result().close()


def _aside(work: Callable[[], T]) -> Future[T]:
    """In a thread that does not keep the process from ending."""
    told: Future[T] = Future()

    def run() -> None:
        try:
            told.set_result(work())
        except Exception as error:  # noqa: BLE001 - whoever asks is told
            told.set_exception(error)

    threading.Thread(target=run, name="advisor", daemon=True).start()
    return told
