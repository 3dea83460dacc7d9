"""An advisor that is on its way: its SDK takes a second or several to load, and no crash waits for that."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from hemostat.ports import Advisor, Said, Tool, Turn


class LateAdvisor:
    """Made in a thread of its own; who asks before it is there waits for it."""

    def __init__(self, name: str, make: Callable[[], Advisor]) -> None:
        self.name = name
        self._made: Future[Advisor] = Future()
        threading.Thread(target=self._load, args=(make,), name="advisor", daemon=True).start()

    def _load(self, make: Callable[[], Advisor]) -> None:
        try:
            self._made.set_result(make())
        except Exception as error:  # noqa: BLE001 - whoever asks is told
            self._made.set_exception(error)

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
        self._made.result().probe(timeout)

    def close(self) -> None:
        self._made.result().close()
