"""A language model that gives advice. The questions, and the judgement of the answers, are in core.llm."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from hemostat.core.llm.tool import Tool


class ToolCallRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call as the model made it: `arguments` may not match the schema. `id` is the vendor's, and
    identifies the call when its result is sent."""

    id: str
    name: str
    arguments: Mapping[str, Any]


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a call; `failed`: an error that the model may learn from."""

    call: str
    text: str
    failed: bool = False


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens, as the vendor counts them; `sent` includes cached tokens."""

    sent: int = 0
    received: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(sent=self.sent + other.sent, received=self.received + other.received)


class ModelTurn(msgspec.Struct, frozen=True, kw_only=True):
    """The model's turn. `raw` is the vendor's own form of the turn, sent back unchanged with the next one."""

    text: str = ""
    calls: tuple[ToolCallRequest, ...] = ()
    usage: Usage = Usage()
    raw: Any = None


Turn = str | ModelTurn | tuple[ToolResult, ...]
"""A conversation is a list of these: messages from HemoStat, turns of the model, and the results of its
calls, in its order."""


class Advisor(Protocol):
    """A language model. Safe to use from several threads at once."""

    name: str
    """`vendor:model`, as shown in diagnoses."""

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
        """Return the next turn. `must_call` names the tool that has to be called now. `max_tokens` limits the
        answer. `timeout` in seconds limits each wait for the network, not the whole call.

        Raises AdvisorError: transient for temporary failures (with `wait` where the service names a time),
        not transient for a refused key, a request that is too large, a refusal, or an unreadable response.
        Nothing is repeated here: the caller has a time limit, and counts the cost of every call.
        """
        ...

    def probe(self, timeout: float) -> None:
        """Send one minimal request, for `doctor`. Raises AdvisorError."""
        ...

    def close(self) -> None: ...


Vendor = Literal["anthropic", "openai"]
