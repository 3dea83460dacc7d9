"""The choice of the model, its key and its price, and the waiting time that a service requests."""

import threading
from collections.abc import Mapping
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from hemostat.adapters import llm
from hemostat.adapters.llm.http_errors import read_retry_after
from hemostat.adapters.llm.lazy_client import LazyAdvisor
from hemostat.app import make_advisor
from hemostat.config import Settings
from hemostat.core.llm.cost_budget import Prices
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.errors import AdvisorError, AdvisorUnreachableError, ConfigError
from hemostat.ports import Tool
from tests.support.model_server import ModelServer
from tests.support.model_wires import KEY, Says, Sends

NOW = 1_795_480_000.0
CLAUDES, GPTS = "ANTHROPIC_API_KEY", "OPENAI_API_KEY"
LOCAL = "http://localhost:11434/v1"


@pytest.mark.parametrize(
    ("analysis", "environ", "key", "vendor"),
    [
        ({}, {}, None, None),
        ({}, {CLAUDES: ""}, None, None),
        ({}, {CLAUDES: "k"}, None, "anthropic"),
        ({}, {GPTS: "k"}, None, "openai"),
        ({}, {GPTS: "k", CLAUDES: "k"}, None, "anthropic"),
        ({}, {CLAUDES: "k"}, "sk-proj-1", "openai"),
        ({}, {GPTS: "k"}, "sk-ant-1", "anthropic"),
        ({"base_url": LOCAL}, {}, None, "openai"),
        ({"base_url": LOCAL}, {CLAUDES: "k"}, None, "openai"),
        ({"advisor": "rules"}, {CLAUDES: "k"}, "sk-ant-1", None),
        ({"advisor": "rules", "base_url": LOCAL}, {}, None, None),
        ({"advisor": "openai"}, {CLAUDES: "k"}, None, "openai"),
        ({"advisor": "anthropic"}, {}, None, "anthropic"),
    ],
)
def test_advisor_is_selected_by_settings_and_keys(analysis, environ, key, vendor):
    assert llm.choose_vendor(AnalyzerSettings(**analysis), environ, key) == vendor


def test_no_advisor_is_used_without_a_key():
    assert make_advisor(Settings(), {}) is None


@pytest.mark.parametrize(
    ("environ", "name"),
    [({CLAUDES: "k"}, "anthropic:claude-sonnet-5-5"), ({GPTS: "k"}, "openai:gpt-6.1-terra")],
)
def test_default_model_of_each_vendor_has_a_price(environ, name):
    with closing(make_advisor(Settings(), environ)) as made:
        assert made.name == name
        assert llm.find_prices(AnalyzerSettings(), made).sent > 0


@pytest.mark.parametrize(
    ("analysis", "environ", "key", "words"),
    [
        ({"advisor": "anthropic"}, {}, None, f"no key.*set {CLAUDES}"),
        ({"advisor": "openai"}, {CLAUDES: "k"}, None, f"no key.*set {GPTS}"),
        ({"base_url": LOCAL}, {}, None, "analyzer.model is not"),
        ({"base_url": "localhost:11434", "model": "m"}, {}, None, "is not a URL"),
        ({"base_url": "http://[", "model": "m"}, {}, None, "is not a URL"),
        ({"base_url": "http://h:99999", "model": "m"}, {}, None, "is not a URL"),
        ({"base_url": "http://h\n/v1", "model": "m"}, {}, None, "is not a URL"),
        ({"base_url": "http://a h/v1", "model": "m"}, {}, None, "is not a URL"),
        ({"advisor": "anthropic", "base_url": LOCAL, "model": "m"}, {}, None, "HEMOSTAT_ANALYZER_API_KEY"),
        ({"advisor": "openai"}, {}, "geheim\n…", "invalid characters"),
        ({"advisor": "openai"}, {}, "geheim\x07er", "invalid characters"),
    ],
)
def test_error_names_the_missing_setting_and_shows_no_key(analysis, environ, key, words):
    with pytest.raises(ConfigError, match=words) as caught:
        llm.create_advisor(
            llm.choose_vendor(AnalyzerSettings(**analysis), environ, key),
            AnalyzerSettings(**analysis),
            environ,
            key,
        )
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("vendor", "key"), [("anthropic", "configured"), ("openai", "configured"), ("openai", None)]
)
def test_vendor_key_is_not_sent_to_another_vendor(vendor, key, monkeypatch):
    environ = {CLAUDES: "the-environment's", GPTS: "the-environment's"}
    headers = "X-Gateway: the-environment's\nAuthorization: Bearer the-environment's"
    for name in ("ANTHROPIC_CUSTOM_HEADERS", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, headers)
    for name in ("ANTHROPIC_AUTH_TOKEN", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", CLAUDES, GPTS):
        monkeypatch.setenv(name, "the-environment's")
    with ModelServer([Says("Hello.")], key=None) as server:
        analysis = AnalyzerSettings(advisor=vendor, base_url=server.base_url(vendor), model="m")
        with closing(llm.create_advisor(vendor, analysis, environ, key)) as made:
            made.request_turn("", ["?"], (), must_call=None, max_tokens=9, timeout=5)
    sent = server.requests[0].headers
    assert sent["authorization"] == f"Bearer {key or 'none'}"
    assert "the-environment's" not in sent.values()


@pytest.mark.parametrize(
    ("analysis", "prices"),
    [
        ({}, Prices(sent=2.0, received=10.0)),
        ({"price_sent": 7}, Prices(sent=7)),
        ({"model": "claude-next"}, Prices()),
        ({"base_url": "http://localhost:1", "model": "claude-sonnet-5-5"}, Prices()),
    ],
)
def test_price_is_from_settings_then_the_catalogue(analysis, prices):
    settings = Settings(analyzer=AnalyzerSettings(advisor="anthropic", api_key="k", **analysis))
    with closing(make_advisor(settings, {})) as made:
        assert llm.find_prices(settings.analyzer, made) == prices


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "17"}, 17),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "Wed, 24 Nov 2026 00:27:10 GMT"}, 30),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "?", "retry-after": "2"}, 2),
        ({"x-ratelimit-reset-requests": "120ms", "x-ratelimit-reset-tokens": "6m0s"}, 360),
        ({"x-ratelimit-reset-requests": "?"}, None),
        ({"retry-after": "1", "x-ratelimit-reset-tokens": "6m0s"}, 1),
    ],
)
def test_retry_after_is_read_in_every_form(headers, seconds):
    assert read_retry_after(headers, NOW) == (None if seconds is None else pytest.approx(seconds))


def sent(vendor: str, model: str) -> Mapping[str, Any]:
    """The body of a request as it goes out."""
    with ModelServer([Says("Hello.")], key=None) as server:
        analysis = AnalyzerSettings(model=model, base_url=server.base_url(vendor))
        tools = (Tool(name="conclude", description="d", parameters={"type": "object"}),)
        with closing(llm.create_advisor(vendor, analysis, {}, KEY)) as made:
            made.request_turn("s", ["?"], tools, must_call="conclude", max_tokens=9, timeout=5)
    return server.requests[0].body


def test_claude_request_has_no_forced_tool_and_low_effort():
    body = sent("anthropic", "claude-sonnet-5-5")
    assert "tool_choice" not in body
    assert body["thinking"] == {"type": "between_tools"}
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert not sent("anthropic", "claude-of-the-future").keys() & {"thinking", "output_config"}


@pytest.mark.parametrize(
    ("model", "own"),
    [
        ("gpt-6.1-terra", {"max_completion_tokens", "reasoning_effort", "tool_choice"}),
        ("qwen3:8b", {"max_tokens"}),
        ("gpt-oss:20b", {"max_tokens"}),
    ],
)
def test_custom_server_gets_only_standard_parameters(model, own):
    assert sent("openai", model).keys() == {"model", "messages", "tools"} | own
    assert len(sent("openai", model)["messages"]) == 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Sends("[" * 100_000), "an unreadable response"),
        (Sends("{}", headers={"Content-Encoding": "gzip"}), "sent a compressed response"),
    ],
    ids=["nested without end", "compressed"],
)
def test_response_above_the_limit_is_unreadable(answer, told):
    with ModelServer([answer], key=None) as server:
        analysis = AnalyzerSettings(model="m", base_url=server.base_url("openai"))
        with (
            closing(llm.create_advisor("openai", analysis, {}, None)) as made,
            pytest.raises(AdvisorError, match=told),
        ):
            made.request_turn("s", ["?"], (), must_call=None, max_tokens=9, timeout=5)


@pytest.mark.parametrize("vendor", ["anthropic", "openai"])
@pytest.mark.parametrize("sent", [-1_000_000, 10**30])
def test_invalid_token_count_refunds_no_budget(vendor, sent):
    with ModelServer([Says("Hello.", sent=sent)], key=None) as server:
        analysis = AnalyzerSettings(model="m", base_url=server.base_url(vendor))
        with (
            closing(llm.create_advisor(vendor, analysis, {}, KEY)) as made,
            pytest.raises(AdvisorError, match="an unreadable response"),
        ):
            made.request_turn("s", ["?"], (), must_call=None, max_tokens=9, timeout=5)


def test_message_without_a_role_is_sent_back_as_the_assistant():
    answer = Sends('{"choices": [{"message": {"content": "Hello."}}]}')
    with ModelServer([answer, answer], key=None) as server:
        analysis = AnalyzerSettings(model="m", base_url=server.base_url("openai"))
        with closing(llm.create_advisor("openai", analysis, {}, None)) as made:
            turn = made.request_turn("s", ["?"], (), must_call=None, max_tokens=9, timeout=5)
            made.request_turn("s", ["?", turn, "and?"], (), must_call=None, max_tokens=9, timeout=5)
        roles = [message["role"] for message in server.asked[-1].body["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_request_waits_for_a_loading_client():
    probed, here = [], threading.Event()
    real = SimpleNamespace(probe=probed.append)

    def make():
        here.wait()
        return real

    late = LazyAdvisor("v:m", make)
    assert late.name == "v:m"
    here.set()
    late.probe(5)
    assert probed == [5]


def test_probe_of_a_slow_server_times_out():
    over = threading.Event()
    late = LazyAdvisor("v:m", lambda: SimpleNamespace(probe=lambda _: over.wait()))
    with pytest.raises(AdvisorUnreachableError, match="did not answer in time"):
        late.probe(0.01)
    over.set()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ImportError("Using SOCKS proxy, but the 'socksio' package is not installed."), "SOCKS proxy"),
        (RuntimeError("no\x1b[2J luck"), "RuntimeError: no"),
        (ModuleNotFoundError("no SDK"), "ModuleNotFoundError: no SDK"),
    ],
)
def test_client_that_cannot_be_created_is_an_advisor_error(error, told):
    """Not a bug of the analyzer's: the rules decide then."""

    def make():
        raise error

    late = LazyAdvisor("openai:m", make)
    with pytest.raises(AdvisorError, match=told) as caught:
        late.request_turn("", [], [], must_call=None, max_tokens=1, timeout=1.0)
    assert not caught.value.transient
    assert "\x1b" not in caught.value.message
    with pytest.raises(AdvisorError, match=told):
        late.probe(1.0)
    late.close()
