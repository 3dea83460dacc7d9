"""The contract of advisors, tested with the vendors' own SDKs against a server with their protocols."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hemostat.adapters import llm
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.errors import AdvisorError, AdvisorUnreachableError
from hemostat.ports import Advisor, ModelTurn, Tool, ToolResult, Turn, Usage
from tests.support.model_server import CUT_SHORT, HTML, HUGE, REFUSES, UNKNOWN_TOOL, WRONG_SHAPE, ModelServer
from tests.support.model_wires import CLAUDE, GPT, KEY, Fails, Says, Script, Sends, Spoils

SYSTEM = "You look into incidents."
LOGS = Tool(
    name="logs",
    description="The end of a log",
    parameters={"type": "object", "properties": {"grep": {"type": "string"}}},
)
DIAGNOSE = Tool(name="diagnose", description="The answer", parameters={"type": "object", "properties": {}})
TOOLS = (LOGS, DIAGNOSE)
MODELS = {"anthropic": CLAUDE, "openai": GPT, "local": "qwen3:8b"}
SHORT = 0.5
"""Seconds. Only faults wait for so long."""

Ask = Callable[..., ModelTurn]


@pytest.fixture(params=MODELS)
def vendor(request: pytest.FixtureRequest) -> str:
    """`local`: OpenAI's protocol with a model that is not OpenAI's, on a server that wants no key."""
    return request.param


@pytest.fixture
def server(vendor: str) -> Iterator[ModelServer]:
    with ModelServer(key=None if vendor == "local" else KEY) as server:
        yield server


def connect(vendor: str, url: str, key: str | None = KEY) -> Advisor:
    protocol = "openai" if vendor == "local" else vendor
    analysis = AnalyzerSettings(advisor=protocol, model=MODELS[vendor], base_url=url)
    return llm.create_advisor(protocol, analysis, {}, None if vendor == "local" else key)


@pytest.fixture
def advisor(vendor: str, server: ModelServer) -> Iterator[Advisor]:
    made = connect(vendor, server.base_url(vendor))
    yield made
    made.close()


@pytest.fixture
def ask(advisor: Advisor, server: ModelServer) -> Ask:
    def ask(
        script: Script, *conversation: Turn, must_call: str | None = None, timeout: float = 10
    ) -> ModelTurn:
        server.script(script)
        return advisor.request_turn(
            SYSTEM,
            conversation or ("What ails it?",),
            TOOLS,
            must_call=must_call,
            max_tokens=500,
            timeout=timeout,
        )

    return ask


def test_reply_has_text_and_token_counts(ask: Ask, advisor: Advisor, vendor: str) -> None:
    said = ask([Says("The disk is full.", sent=120, received=8, cached=100)])
    assert (said.text, said.calls, said.usage) == ("The disk is full.", (), Usage(sent=120, received=8))
    assert advisor.name == f"{'openai' if vendor == 'local' else vendor}:{MODELS[vendor]}"


def test_request_contains_the_given_messages(ask: Ask, server: ModelServer) -> None:
    ask([Says("Nothing.")], "What ails it? Ünïcode, and what is none: \ud800.")
    body = server.requests[0].body
    assert SYSTEM in server.requests[0].words
    assert "Ünïcode, and what is none: ?." in server.requests[0].words
    assert [tool.get("function", tool)["name"] for tool in body["tools"]] == ["logs", "diagnose"]
    assert body.get("max_completion_tokens", body.get("max_tokens")) == 500


def test_calls_are_answered_turn_by_turn(ask: Ask, server: ModelServer) -> None:
    script = [
        Says("I look.", calls=[("logs", {"grep": "ERROR"}), ("logs", {})]),
        Says(calls=[("logs", {"grep": "WARN"})]),
        Says(calls=[("diagnose", {"cause": "disk"})]),
        Says(calls=[("diagnose", {"cause": "the disk is full"})]),
    ]
    first = ask(script[:1], "What ails it?")
    assert [(call.name, dict(call.arguments)) for call in first.calls] == [
        ("logs", {"grep": "ERROR"}),
        ("logs", {}),
    ]
    results = tuple(ToolResult(call=call.id, text=f"log {n}") for n, call in enumerate(first.calls))
    conversation: list[Turn] = ["What ails it?", first, results]
    for reply, must_call in ((script[1], None), (script[2], "diagnose"), (script[3], "diagnose")):
        said = ask([reply], *conversation, must_call=must_call)
        conversation += [said, (ToolResult(call=said.calls[0].id, text="no such file", failed=True),)]
    assert said.calls[0].arguments == {"cause": "the disk is full"}
    assert server.asked[-1].results == ["log 0", "log 1", "no such file", "no such file"]


@pytest.mark.parametrize("vendor", ["openai", "local"], indirect=True)
@pytest.mark.parametrize("told", ["", "{", "[]", "null", "[" * 100_000, '{"a": "\\ud800"}', {"grep": "x"}])
def test_unreadable_arguments_are_none(ask: Ask, told: object) -> None:
    """The model wrote them, so the model can be told what is missing. The service has not failed."""
    call = {"id": "c1", "function": {"name": "logs", "arguments": told}}
    message = {"role": "assistant", "tool_calls": [call]}
    said = ask([Sends(json.dumps({"choices": [{"message": message}]}))])
    assert said.calls[0].arguments in ({}, {"grep": "x"}, {"a": "\ufffd"})
    assert isinstance(told, str) or said.calls[0].arguments == told


def test_tool_call_can_be_forced(ask: Ask, server: ModelServer) -> None:
    said = ask([Says(calls=[("diagnose", {})])], must_call="diagnose")
    assert said.calls[0].name == "diagnose"
    assert "Call the tool diagnose now" in server.requests[0].words


def test_call_of_an_unknown_tool_is_passed_on(ask: Ask) -> None:
    assert ask([UNKNOWN_TOOL]).calls[0].name == "launch_missiles"


@pytest.mark.parametrize(
    ("reply", "words", "transient"),
    [
        pytest.param(Fails(400, "tools.0: bad schema"), "answered 400: tools.0: bad schema", False, id="400"),
        pytest.param(Fails(403, "not for you"), "answered 403: not for you", False, id="403"),
        pytest.param(Fails(404, "model: nonesuch"), "answered 404: model: nonesuch", False, id="404"),
        pytest.param(Fails(413, "too long"), "answered 413: too long", False, id="413"),
        pytest.param(Fails(408), "answered 408", True, id="408"),
        pytest.param(Fails(409), "answered 409", True, id="409"),
        pytest.param(Fails(429, "slow down"), "answered 429: slow down", True, id="429"),
        pytest.param(
            Fails(429, "pay", kind="insufficient_quota"), "the account has no credit", False, id="quota"
        ),
        pytest.param(Fails(500), "answered 500", True, id="500"),
        pytest.param(Fails(529, "Overloaded"), "answered 529: Overloaded", True, id="529"),
        pytest.param(Sends("<html>Bad gateway", 502, "text/html"), "answered 502", True, id="502 in HTML"),
        pytest.param(
            Sends("", 307, headers={"Location": "http://127.0.0.1:9/"}),
            "answered with a redirect",
            False,
            id="redirect",
        ),
        pytest.param(HTML, "returned an unreadable response", False, id="HTML"),
        pytest.param(WRONG_SHAPE, "returned an unreadable response", False, id="wrong shape"),
        pytest.param(Sends("[]"), "returned an unreadable response", False, id="list"),
        pytest.param(Sends(""), "returned an unreadable response", False, id="nothing"),
        pytest.param(Says(), "it is empty", False, id="empty"),
        pytest.param(Spoils("truncated"), "returned an unreadable response", False, id="truncated JSON"),
        pytest.param(REFUSES, "declined to answer: I cannot help", False, id="refusal"),
        pytest.param(
            Fails(400, "flagged", kind="content_filter"),
            "declined to answer: flagged",
            False,
            id="prompt refused",
        ),
        pytest.param(CUT_SHORT, "had not finished after 500 tokens: use", False, id="cut short"),
        pytest.param(HUGE, "more than 512 KiB", False, id="1 MB"),
        pytest.param(
            Sends("x" * 1_000_000, 500, "text/plain"), "more than 512 KiB", False, id="1 MB of error"
        ),
    ],
)
def test_unreadable_response_is_an_error(
    ask: Ask, server: ModelServer, reply: object, words: str, transient: bool
) -> None:
    with pytest.raises(AdvisorError, match=words) as caught:
        ask([reply])
    error = caught.value
    assert error.transient is transient
    assert not isinstance(error, AdvisorUnreachableError)
    assert "127.0.0.1" in str(error)
    assert str(error).isprintable()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (Spoils("cut"), "cannot be reached"),
        (Spoils("cut in the body"), "cannot be reached"),
        (Spoils("silence"), "did not answer in time"),
        (Spoils("dribble", pace=0.05), "did not complete its response in time"),
    ],
    ids=lambda value: getattr(value, "how", None),
)
def test_missing_response_is_a_transient_error(
    ask: Ask, server: ModelServer, spoilt: Spoils, words: str
) -> None:
    with pytest.raises(AdvisorUnreachableError, match=words) as caught:
        ask([spoilt], timeout=SHORT)
    assert caught.value.transient
    assert len(server.requests) == 1


def test_billable_errors_are_distinguished(ask: Ask) -> None:
    for reply in (REFUSES, CUT_SHORT, HTML, HUGE):
        with pytest.raises(AdvisorError) as caught:
            ask([reply])
        assert caught.value.answered
    for reply in (Fails(400), Fails(529)):
        with pytest.raises(AdvisorError) as caught:
            ask([reply])
        assert not caught.value.answered


def test_next_response_is_read_after_a_fault(ask: Ask) -> None:
    for spoilt in (Spoils("cut"), Spoils("cut in the body"), Fails(500), HUGE):
        with pytest.raises(AdvisorError):
            ask([spoilt])
        assert ask([Says("Here I am.")]).text == "Here I am."


def test_unreachable_server_is_a_transient_error(vendor: str) -> None:
    advisor = connect(vendor, "http://127.0.0.1:9")
    for call in (
        lambda: advisor.request_turn(SYSTEM, ["?"], (), must_call=None, max_tokens=1, timeout=5),
        lambda: advisor.probe(5),
    ):
        with pytest.raises(AdvisorUnreachableError, match=r"at 127\.0\.0\.1:9 cannot be reached"):
            call()


def test_retry_after_is_in_the_error(ask: Ask) -> None:
    with pytest.raises(AdvisorError) as caught:
        ask([Fails(429, headers={"Retry-After": "17"})])
    assert caught.value.wait == 17
    with pytest.raises(AdvisorError) as caught:
        ask([Fails(529)])
    assert caught.value.wait is None


def test_key_quoted_by_the_server_is_masked(ask: Ask, vendor: str) -> None:
    for status in (400, 401, 403, 500):
        with pytest.raises(AdvisorError) as caught:
            ask([Fails(status, f"what is {KEY}, or {KEY[:12]}?")])
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("vendor", ["anthropic", "openai"], indirect=True)
def test_refused_key_differs_from_a_network_error(vendor: str, server: ModelServer) -> None:
    advisor = connect(vendor, server.base_url(vendor), key="sk-wrong-but-plausible-000")
    for call in (
        lambda: advisor.request_turn(SYSTEM, ["?"], (), must_call=None, max_tokens=1, timeout=5),
        lambda: advisor.probe(5),
    ):
        with pytest.raises(AdvisorError, match="answered 401: check the key") as caught:
            call()
        assert not caught.value.transient
        assert not isinstance(caught.value, AdvisorUnreachableError)
        assert "plausible" not in str(caught.value)
    advisor.close()


def test_probe_makes_one_request(advisor: Advisor, server: ModelServer) -> None:
    advisor.probe(5)
    assert [request.method for request in server.requests] == ["GET"]


def test_probe_reports_a_missing_model(vendor: str, server: ModelServer) -> None:
    protocol = "openai" if vendor == "local" else vendor
    analysis = AnalyzerSettings(model="nonesuch", base_url=server.base_url(vendor))
    advisor = llm.create_advisor(protocol, analysis, {}, KEY)
    with pytest.raises(AdvisorError, match="nonesuch") as caught:
        advisor.probe(5)
    assert not caught.value.transient
    assert "analyzer.model" in str(caught.value)
    advisor.close()


def test_several_threads_may_send_requests(advisor: Advisor, server: ModelServer) -> None:
    server.script(lambda request: Says(request.words))

    def ask(number: int) -> bool:
        said = advisor.request_turn(
            SYSTEM, [f"number {number}."], (), must_call=None, max_tokens=99, timeout=10
        )
        return f"number {number}." in said.text

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(32)))
