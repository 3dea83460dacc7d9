"""The wires of Anthropic's Messages API and OpenAI's Chat Completions, as the vendors answer and refuse.

Shapes and wording are those of the vendors' references, and of errors that they were seen to answer, in
November 2026. What they refuse is refused: a past that has changed since Claude thought about it, results
that answer no call, parameters that a model does not take.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

KEY = "sk-test-0123456789abcdefghij"
CLAUDE = "claude-sonnet-5-5"
GPT = "gpt-6.1-terra"
MODELS = (CLAUDE, GPT, "qwen3:8b")
THINKERS = ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5")
"""Models whose thinking is bound to what stood before it, and that no tool can be forced on."""


@dataclass(frozen=True)
class Request:
    """A request. `vendor` follows from the path."""

    vendor: Literal["anthropic", "openai"]
    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def words(self) -> str:
        """All of the conversation as one text."""
        return json.dumps([self.body.get("system"), self.body.get("messages")], ensure_ascii=False)

    @property
    def results(self) -> list[str]:
        """The texts of the tool results in it, in order."""
        told = []
        for message in self.body["messages"]:
            if message["role"] == "tool":
                told.append(message["content"])
            elif isinstance(message["content"], list):
                told += [part["content"] for part in message["content"] if part["type"] == "tool_result"]
        return told


@dataclass(frozen=True)
class Says:
    """A turn of the model: words, calls of tools as (name, arguments), what it costs."""

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    sent: int = 100
    received: int = 20
    cached: int = 0
    """How many of those sent were read from the cache."""
    stop: str = ""
    """Why the turn ends, in Anthropic's words: max_tokens, refusal …; empty: as follows from the rest."""


@dataclass(frozen=True)
class Fails:
    """An error as the vendor sends it. `kind` overrides its type."""

    status: int
    message: str = "it went wrong"
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""


@dataclass(frozen=True)
class Sends:
    """A response that is not one of the vendor's."""

    body: str
    status: int = 200
    type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Spoils:
    """A reply that does not arrive as it should."""

    how: Literal["cut", "cut in the body", "silence", "dribble", "truncated"]
    pace: float = 1.0
    """Seconds between two bytes of a dribble."""


Reply = Says | Fails | Sends | Spoils
Script = Sequence[Reply] | Callable[[Request], Reply]


def rendered(reply: Says | Fails | Sends, request: Request, number: int) -> Sends:
    """The reply as this vendor's bytes; `number` makes the ids in it."""
    if isinstance(reply, Sends):
        return reply
    if isinstance(reply, Fails):
        return _error(reply, request, number)
    body = (_claude_says if request.vendor == "anthropic" else _gpt_says)(reply, request, number)
    headers = {"request-id": f"req_{number:06}", "x-request-id": f"req_{number:06}"}
    return Sends(json.dumps(body), headers={**headers, **_limits(request.vendor)})


def _limits(vendor: str) -> dict[str, str]:
    if vendor == "anthropic":
        return {"anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49"}
    return {
        "openai-processing-ms": "12",
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
    }


def models(request: Request) -> Reply:
    _, _, name = request.path.rstrip("/").rpartition("/models")
    name = name.lstrip("/")
    if name and name not in MODELS:
        return Fails(404, f"model: {name}" if request.vendor == "anthropic" else f"no model '{name}'")
    made = [
        {"id": each, "object": "model", "type": "model", "created": 1, "owned_by": "x"} for each in MODELS
    ]
    if name:
        return Sends(json.dumps(made[MODELS.index(name)]))
    return Sends(json.dumps({"object": "list", "data": made, "has_more": False}))


KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def _error(reply: Fails, request: Request, number: int) -> Sends:
    kind = reply.kind or KINDS.get(reply.status, "api_error")
    if request.vendor == "anthropic":
        error: dict[str, Any] = {"type": kind, "message": reply.message}
        body = {"type": "error", "error": error, "request_id": f"req_{number:06}"}
    else:
        body = {"error": {"message": reply.message, "type": kind, "param": None, "code": reply.kind or None}}
    return Sends(json.dumps(body), reply.status, headers=reply.headers)


def _claude_says(says: Says, request: Request, number: int) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if request.body["model"] in THINKERS:
        content.append({"type": "thinking", "thinking": "", "signature": _signature(request.body)})
    if says.text:
        content.append({"type": "text", "text": says.text})
    content += [
        {"type": "tool_use", "id": f"toolu_{number:04}{place}", "name": name, "input": dict(arguments)}
        for place, (name, arguments) in enumerate(says.calls)
    ]
    refused = {"type": "refusal", "category": None, "explanation": says.text}
    return {
        "id": f"msg_{number:06}",
        "type": "message",
        "role": "assistant",
        "model": request.body["model"],
        "content": content,
        "stop_reason": says.stop or ("tool_use" if says.calls else "end_turn"),
        "stop_sequence": None,
        "stop_details": refused if says.stop == "refusal" else None,
        "usage": {
            "input_tokens": says.sent - says.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": says.cached,
            "output_tokens": says.received,
            "service_tier": "standard",
        },
    }


def _gpt_says(says: Says, request: Request, number: int) -> dict[str, Any]:
    refused = says.stop == "refusal"
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if refused else says.text or None,
        "refusal": says.text if refused else None,
        "annotations": [],
    }
    if says.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{number:04}{place}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for place, (name, arguments) in enumerate(says.calls)
        ]
    stop = {"max_tokens": "length", "refusal": "stop"}.get(says.stop, says.stop)
    finish = stop or ("tool_calls" if says.calls else "stop")
    return {
        "id": f"chatcmpl-{number:06}",
        "object": "chat.completion",
        "created": 1_795_480_000,
        "model": request.body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": says.sent,
            "completion_tokens": says.received,
            "total_tokens": says.sent + says.received,
            "prompt_tokens_details": {"cached_tokens": says.cached, "audio_tokens": 0},
        },
        "service_tier": "default",
    }


def _signature(body: Mapping[str, Any], messages: int | None = None) -> str:
    """Of what stands before a thinking block: the first so many messages, the tools, the system prompt."""
    said = [body.get("system"), body.get("tools"), body["messages"][:messages]]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def refuses(request: Request) -> str:
    """Why this vendor would not answer such a request; empty: it would."""
    return (_claude_refuses if request.vendor == "anthropic" else _gpt_refuses)(request)


def _claude_refuses(request: Request) -> str:
    body = request.body
    if not {"model", "max_tokens", "messages"} <= body.keys():
        return "model, max_tokens, messages: Field required"
    if body["model"] in THINKERS and body.get("tool_choice", {}).get("type") in {"any", "tool"}:
        return 'tool_choice: type "tool" and "any" are not supported for this model.'
    for place, message in enumerate(body["messages"]):
        if message["role"] == "user":
            continue
        wants = set()
        for block in message["content"]:
            if block["type"] == "tool_use":
                wants.add(block["id"])
            if block["type"] == "thinking" and block["signature"] != _signature(body, place):
                return (
                    f"messages.{place}.content.0: Invalid `signature` in `thinking` block. "
                    "The block is bound to a different conversation."
                )
        after = body["messages"][place + 1]["content"] if place + 1 < len(body["messages"]) else []
        has = {block.get("tool_use_id") for block in after if isinstance(block, dict)}
        if wants - has:
            return f"messages.{place}: `tool_use` ids were found without `tool_result` blocks: {wants - has}"
    return ""


def _gpt_refuses(request: Request) -> str:
    body = request.body
    own = body["model"].startswith(("gpt-5", "gpt-6"))
    if own and "max_tokens" in body:
        return "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    if own and body.get("tools") and body.get("reasoning_effort") != "none":
        return f"Function tools with reasoning_effort are not supported for {body['model']}"
    if not own and (strange := body.keys() - {"model", "messages", "tools", "max_tokens"}):
        return f"unknown parameters: {sorted(strange)}"
    wants: set[str] = set()
    for message in body["messages"]:
        if message["role"] == "tool":
            wants.discard(message["tool_call_id"])
        elif wants:
            return f"An assistant message with 'tool_calls' must be followed by tool messages: {wants}"
        else:
            wants = {call["id"] for call in message.get("tool_calls") or ()}
    return f"'tool_calls' without tool messages: {wants}" if wants else ""
