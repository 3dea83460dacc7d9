"""An advisor that loads in the background: its SDK takes seconds to load, and incidents must not wait for
that.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from hemostat.background import run_in_background
from hemostat.core.redact import redact
from hemostat.core.text import escape_controls
from hemostat.errors import AdvisorError, AdvisorUnreachableError, HemoStatError
from hemostat.ports import Advisor, ModelTurn, Tool, Turn

MAX_REASON_CHARACTERS: Final = 200


class LazyAdvisor:
    """An advisor created in its own thread. Callers wait until it is ready."""

    def __init__(self, name: str, make: Callable[[], Advisor]) -> None:
        self.name = name
        self._future = run_in_background(make, "advisor")

    def request_turn(
        self,
        system: str,
        conversation: Sequence[Turn],
        tools: Sequence[Tool],
        *,
        must_call: str | None,
        max_tokens: int,
        timeout: float,
    ) -> ModelTurn:
        return self._await_advisor().request_turn(
            system, conversation, tools, must_call=must_call, max_tokens=max_tokens, timeout=timeout
        )

    def probe(self, timeout: float) -> None:
        """Probe the advisor, in at most twice the timeout, however slowly data arrives."""
        advisor = self._await_advisor()
        try:
            run_in_background(lambda: advisor.probe(timeout), "advisor").result(2 * timeout)
        except TimeoutError:
            raise AdvisorUnreachableError(f"{self.name} did not answer in time") from None

    def close(self) -> None:
        with suppress(AdvisorError):
            self._await_advisor().close()

    def _await_advisor(self) -> Advisor:
        """The advisor.

        Raises AdvisorError if it cannot be created: then the rules decide, as without an answer.
        """
        try:
            return self._future.result()
        except HemoStatError:
            raise
        except Exception as error:  # noqa: BLE001 - an SDK may raise any exception
            raise _make_unusable_error(self.name, error) from None


def _make_unusable_error(name: str, error: Exception) -> AdvisorError:
    if "SOCKS" in str(error):
        message = f"{name} cannot be used: the environment names a SOCKS proxy, which needs socksio"
        hint = "pip install socksio, or name its host in NO_PROXY"
        return AdvisorError(message, hint=hint, transient=False)
    reason = escape_controls(redact(str(error)))[:MAX_REASON_CHARACTERS]
    return AdvisorError(f"{name} cannot be used: {type(error).__name__}: {reason}", transient=False)
