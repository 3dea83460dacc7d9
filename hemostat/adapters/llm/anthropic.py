"""The advisor for Claude, on Anthropic's Messages API.

Earlier turns must never be changed: Claude's thinking is signed over everything before it, and a request with
a changed history is refused. So the tools stay the same from turn to turn, and text added to a turn is kept
in its `raw`. `tool_choice` is not used to force a tool: current models refuse that.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from hemostat.adapters.llm.catalogue import THINKING_PARAMETERS
from hemostat.adapters.llm.http_errors import Service, Tokens, format_call_request, replace_unencodable
from hemostat.ports import ModelTurn, Tool, ToolCallRequest, Turn, Usage

DEFAULT_URL: Final = "https://api.anthropic.com"


class ContentBlock(msgspec.Struct):
    """Part of an answer: text, a tool call, or content for Claude itself."""

    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, Any] = msgspec.field(default_factory=dict)


class MessagesUsage(msgspec.Struct):
    input_tokens: Tokens
    output_tokens: Tokens
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None


class StopDetails(msgspec.Struct):
    explanation: str | None = None
    category: str | None = None


class MessagesResponse(msgspec.Struct):
    content: list[msgspec.Raw]
    usage: MessagesUsage
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class AnthropicAdvisor:
    def __init__(self, model: str, *, key: str, base_url: str = "") -> None:
        import anthropic

        self.name = f"anthropic:{model}"
        self._model = model
        self._service = Service(anthropic, "Anthropic", base_url, key)
        self._client = anthropic.Anthropic(
            api_key=key, base_url=base_url or DEFAULT_URL, max_retries=0, http_client=self._service.http
        )
        if base_url:
            # ANTHROPIC_CUSTOM_HEADERS are for Anthropic, and may contain a key.
            self._client._custom_headers = {}  # noqa: SLF001

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
        added = [{"role": "user", "content": format_call_request(must_call)}] if must_call else []
        request: dict[str, Any] = {
            "model": self._model,
            "max_tokens": max_tokens,
            # Marked for caching together with the tools before it: both are the same in every turn.
            "system": [
                {"type": "text", "text": replace_unencodable(system), "cache_control": {"type": "ephemeral"}}
            ],
            "messages": [*_make_messages(conversation), *added],
            **THINKING_PARAMETERS.get(self._model, {}),
        }
        if tools:
            request["tools"] = [_make_tool(tool) for tool in tools]
        with self._service.translate_errors():
            answer = self._client.messages.with_raw_response.create(**request, timeout=timeout)
        return self._read_turn(answer.http_response.content, added, max_tokens)

    def probe(self, timeout: float) -> None:
        """Requests the model's description, which is free."""
        with self._service.translate_errors():
            answer = self._client.models.with_raw_response.retrieve(self._model, timeout=timeout)
        self._service.decode(answer.http_response.content, dict[str, Any])

    def close(self) -> None:
        self._client.close()

    def _read_turn(self, body: bytes, added: list[dict[str, Any]], max_tokens: int) -> ModelTurn:
        read = self._service.decode
        answer = read(body, MessagesResponse)
        if answer.stop_reason == "refusal":
            details = answer.stop_details or StopDetails()
            raise self._service.make_refusal(details.explanation or details.category)
        if answer.stop_reason in {"max_tokens", "model_context_window_exceeded"}:
            raise self._service.make_cut_short_error(max_tokens)
        blocks = [read(each, ContentBlock) for each in answer.content]
        calls = tuple(
            ToolCallRequest(id=block.id, name=block.name, arguments=block.input)
            for block in blocks
            if block.type == "tool_use"
        )
        text = "\n".join(block.text for block in blocks if block.type == "text")
        if not calls and not text:
            raise self._service.make_refusal("it is empty")
        spent = answer.usage
        cached = (spent.cache_creation_input_tokens or 0) + (spent.cache_read_input_tokens or 0)
        content = [read(each, dict[str, Any]) for each in answer.content]
        return ModelTurn(
            text=text,
            calls=calls,
            usage=Usage(sent=spent.input_tokens + cached, received=spent.output_tokens),
            raw=[*added, {"role": "assistant", "content": content}],
        )


def _make_messages(conversation: Sequence[Turn]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for turn in conversation:
        if isinstance(turn, str):
            messages.append({"role": "user", "content": replace_unencodable(turn)})
        elif isinstance(turn, ModelTurn):
            messages += turn.raw
        else:
            results = [
                {
                    "type": "tool_result",
                    "tool_use_id": result.call,
                    "content": replace_unencodable(result.text),
                    "is_error": result.failed,
                }
                for result in turn
            ]
            messages.append({"role": "user", "content": results})
    return messages


def _make_tool(tool: Tool) -> Mapping[str, Any]:
    return {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
