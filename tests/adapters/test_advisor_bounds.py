"""Model services whose responses do not end hold no thread, through both vendors' SDKs."""

import time

import pytest

from hemostat.adapters.llm import body_limit
from hemostat.adapters.llm.anthropic import AnthropicAdvisor
from hemostat.adapters.llm.openai import OpenAIAdvisor
from hemostat.core.llm.tools import build_conclude_tool
from hemostat.errors import AdvisorError
from tests.support.endless_server import serve_endlessly

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "header": (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a", 0.05),
    "continues": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.0),
    "trailer": (CHUNKED + b"0\r\n", b"X-Slow: a\r\n", 0.05),
    "chunk extensions": (CHUNKED, b"1;" + b"e" * 1000 + b"\r\na\r\n", 0.0),
}


@pytest.mark.parametrize("vendor", [OpenAIAdvisor, AnthropicAdvisor])
@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_endless_response_of_a_model_is_aborted(monkeypatch, vendor, answer):
    monkeypatch.setattr(body_limit, "GRACE_SECONDS", 0.2)
    with serve_endlessly(*answer) as place:
        advisor = vendor("model-x", key="k", base_url=f"http://{place}")
        begin = time.monotonic()
        with pytest.raises(AdvisorError):
            advisor.request_turn(
                "", ["hello"], [build_conclude_tool(["none"])], must_call=None, max_tokens=9, timeout=0.3
            )
        assert time.monotonic() - begin < 5
