"""The advisor for GPT, and for servers with OpenAI's Chat Completions: Ollama, vLLM, llama.cpp, gateways.

Servers accept different parameters, and some refuse unknown ones. So a request contains only common
parameters, and more only for models whose name is one of OpenAI's.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from hemostat.adapters.llm.catalogue import OPENAI_PREFIXES, REASONING_PREFIXES
from hemostat.adapters.llm.http_errors import Service, Tokens, format_call_request, replace_unencodable
from hemostat.errors import AdvisorError
from hemostat.ports import ModelTurn, Tool, ToolCallRequest, Turn, Usage

DEFAULT_URL: Final = "https://api.openai.com/v1"
PLACEHOLDER_KEY: Final = "none"
"""Sent to a server that needs no key, because the SDK requires one."""
MAX_NAMED: Final = 5
"""Models of a server that are listed if the requested one is missing."""


class Function(msgspec.Struct):
    name: str
    arguments: str | dict[str, Any]


class ToolCall(msgspec.Struct):
    id: str
    function: Function


class ChatMessage(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(msgspec.Struct):
    message: msgspec.Raw
    finish_reason: str | None = None


class ChatUsage(msgspec.Struct):
    prompt_tokens: Tokens = 0
    completion_tokens: Tokens = 0


class ChatResponse(msgspec.Struct):
    choices: list[Choice]
    usage: ChatUsage | None = None


class ModelInfo(msgspec.Struct):
    id: str


class ModelList(msgspec.Struct):
    data: list[ModelInfo]


class OpenAIAdvisor:
    def __init__(self, model: str, *, key: str, base_url: str = "") -> None:
        import openai

        self.name = f"openai:{model}"
        self._model = model
        self._service = Service(openai, "OpenAI", base_url, key)
        self._client = openai.OpenAI(
            api_key=key or PLACEHOLDER_KEY,
            base_url=base_url or DEFAULT_URL,
            max_retries=0,
            http_client=self._service.http,
        )
        if base_url:
            # OPENAI_CUSTOM_HEADERS, OPENAI_ORG_ID and OPENAI_PROJECT_ID are for OpenAI, and may contain a
            # key.
            self._client._custom_headers = {}  # noqa: SLF001
            self._client.organization = self._client.project = None

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
            "messages": [
                {"role": "system", "content": replace_unencodable(system)},
                *_join_messages([*_make_messages(conversation), *added]),
            ],
            **_make_parameters(self._model, max_tokens, must_call),
        }
        if tools:
            request["tools"] = [_make_tool(tool) for tool in tools]
        with self._service.translate_errors():
            answer = self._client.chat.completions.with_raw_response.create(**request, timeout=timeout)
        return self._read_turn(answer.http_response.content, added, max_tokens)

    def probe(self, timeout: float) -> None:
        """Requests the list of models, which is free and which every server has."""
        with self._service.translate_errors():
            answer = self._client.models.with_raw_response.list(timeout=timeout)
        names = sorted(
            model.id for model in self._service.decode(answer.http_response.content, ModelList).data
        )
        if self._model not in names and f"{self._model}:latest" not in names:
            some = ", ".join(names[:MAX_NAMED]) or "none"
            raise AdvisorError(
                f"{self._service.name} has no model {self._model}", hint=f"set analyzer.model; it has {some}"
            )

    def close(self) -> None:
        self._client.close()

    def _read_turn(self, body: bytes, added: list[dict[str, Any]], max_tokens: int) -> ModelTurn:
        read, service = self._service.decode, self._service
        answer = read(body, ChatResponse)
        if not answer.choices:
            raise service.make_unreadable_error("it contains no choices")
        choice = answer.choices[0]
        message = read(choice.message, ChatMessage)
        if message.refusal or choice.finish_reason == "content_filter":
            raise service.make_refusal(message.refusal)
        if choice.finish_reason == "length":
            raise service.make_cut_short_error(max_tokens)
        calls = tuple(
            ToolCallRequest(
                id=call.id, name=call.function.name, arguments=_read_arguments(call.function.arguments)
            )
            for call in message.tool_calls or ()
        )
        if not calls and not message.content:
            raise service.make_refusal("it is empty")
        spent = answer.usage or ChatUsage()
        return ModelTurn(
            text=message.content or "",
            calls=calls,
            usage=Usage(sent=spent.prompt_tokens, received=spent.completion_tokens),
            # Some servers leave out the role.
            raw=[*added, {**read(choice.message, dict[str, Any]), "role": "assistant"}],
        )


def _read_arguments(arguments: str | dict[str, Any]) -> Mapping[str, Any]:
    """The arguments that the model wrote.

    Unreadable arguments count as empty, and the model is asked for the missing ones.
    """
    if isinstance(arguments, dict):
        return arguments
    try:
        return msgspec.json.decode(arguments, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}


def _make_parameters(model: str, max_tokens: int, must_call: str | None) -> dict[str, Any]:
    if not model.startswith(OPENAI_PREFIXES):
        return {"max_tokens": max_tokens}
    parameters: dict[str, Any] = {"max_completion_tokens": max_tokens}
    if model.startswith(REASONING_PREFIXES):
        parameters["reasoning_effort"] = "none"
    if must_call:
        parameters["tool_choice"] = {"type": "function", "function": {"name": must_call}}
    return parameters


def _make_messages(conversation: Sequence[Turn]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for turn in conversation:
        if isinstance(turn, str):
            messages.append({"role": "user", "content": replace_unencodable(turn)})
        elif isinstance(turn, ModelTurn):
            messages += turn.raw
        else:
            messages += [
                {"role": "tool", "tool_call_id": result.call, "content": replace_unencodable(result.text)}
                for result in turn
            ]
    return messages


def _join_messages(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with consecutive user messages joined: the templates of many models refuse those."""
    joined: list[dict[str, Any]] = []
    for message in messages:
        if joined and message["role"] == joined[-1]["role"] == "user":
            joined[-1] = {"role": "user", "content": f"{joined[-1]['content']}\n\n{message['content']}"}
        else:
            joined.append(message)
    return joined


def _make_tool(tool: Tool) -> Mapping[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}
