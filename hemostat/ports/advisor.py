"""A model that is asked for advice. What it is asked, and what its answer is worth, is decided elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from hemostat.core.llm.tool import Tool


class ToolCallRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a tool as the model made it: `arguments` need not be what the schema asks for. `id` is the
    vendor's, and names the call when its result is sent."""

    id: str
    name: str
    arguments: Mapping[str, Any]


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a call gave; `failed`: an error that the model may learn from."""

    call: str
    text: str
    failed: bool = False


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens, as the vendor counts them; `sent` includes what it had cached."""

    sent: int = 0
    received: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(sent=self.sent + other.sent, received=self.received + other.received)


class ModelTurn(msgspec.Struct, frozen=True, kw_only=True):
    """The model's turn. `raw` is the vendor's own form of it, to be sent back unchanged with the next one."""

    text: str = ""
    calls: tuple[ToolCallRequest, ...] = ()
    usage: Usage = Usage()
    raw: Any = None


Turn = str | ModelTurn | tuple[ToolResult, ...]
"""A conversation is a list of these: our words, the model's, and the results of its calls, in its order."""


class Advisor(Protocol):
    """Safe to use from several threads at once."""

    name: str
    """`vendor:model`, as diagnoses tell it."""

    def say(
        self,
        system: str,
        conversation: Sequence[Turn],
        tools: Sequence[Tool],
        *,
        must_call: str | None,
        max_tokens: int,
        timeout: float,
    ) -> ModelTurn:
        """The next turn. `must_call` names the tool that has to be called now; `max_tokens` bounds what is
        said; `timeout` in seconds bounds each wait for the network, not the whole.

        Raises AdvisorError: transient for what passes (with `wait` where the service names a time), not for
        a key that is refused, a request that is too large, a refusal, or an answer that is none. It repeats
        nothing: whoever asks has a time limit, and counts what every call costs.
        """
        ...

    def probe(self, timeout: float) -> None:
        """One tiny request, for `doctor`. Raises AdvisorError."""
        ...

    def close(self) -> None: ...


Vendor = Literal["anthropic", "openai"]
