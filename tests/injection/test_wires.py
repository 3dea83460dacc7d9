"""The same cases through the vendors' own SDKs: the requests that are sent, and the effect of the
responses."""

import json
from collections.abc import Iterator

import pytest

from hemostat.adapters import llm
from hemostat.app import make_advisor as make
from hemostat.config import Settings
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.ports import Advisor
from tests.injection.attack import ATTACKS, MARK, SECRETS, WAYS, Attack, outside
from tests.injection.stage import SCENES, Stage
from tests.support.model_server import ModelServer
from tests.support.model_wires import KEY, Request, Says

SOME = (
    "chat template",
    "closes a guessed fence",
    "fence in a container's name",
    "fake tool call",
    "function call of the other vendor",
    "invisible tags",
    "ANSI",
    "very long",
    "secrets as a quote",
    "Arabic",
)
OBEYS = ("as it is told", "looks at everything", "everything at once")


@pytest.fixture(scope="module", params=llm.DEFAULT_MODELS)
def vendor(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def advisor(vendor: str, server: ModelServer) -> Iterator[Advisor]:
    analysis = AnalyzerSettings(
        advisor=vendor, model=llm.DEFAULT_MODELS[vendor], base_url=server.base_url(vendor), api_key=KEY
    )
    made = make(Settings(analyzer=analysis), {})
    assert made is not None
    yield made
    made.close()  # type: ignore[attr-defined]


def told(request: Request) -> list[str]:
    """What we say in it, without the model's own turns and the system prompt."""
    texts: list[str] = []
    for message in request.body["messages"]:
        if message["role"] == "user":
            content = message["content"]
            blocks = [{"text": content}] if isinstance(content, str) else content
            texts += [block["text"] for block in blocks if "text" in block]
    return texts + request.results


@pytest.mark.parametrize("scene", ["busy", "crash loop"])
@pytest.mark.parametrize("name", SOME)
def test_obedient_model_is_bounded_on_each_wire_format(
    name: str, scene: str, advisor: Advisor, server: ModelServer
) -> None:
    attack = next(each for each in ATTACKS if each.name == name)
    for way in OBEYS:
        server.script(lambda request, way=way: Says(calls=WAYS[way](attack, told(request)[0])))
        server.requests.clear()
        stage = Stage(attack, SCENES[scene], advisor)
        stage.check(stage.play(), way)
        assert server.asked
        for request in server.asked:
            _check_request(request, attack)


def _check_request(request: Request, attack: Attack) -> None:
    for text in told(request):
        assert MARK not in outside(text), outside(text)
    ours = [message for message in request.body["messages"] if message["role"] != "assistant"]
    sent = json.dumps([ours, request.body.get("system"), request.body.get("tools")], ensure_ascii=False)
    assert not any(secret in sent for secret in SECRETS), attack.name
