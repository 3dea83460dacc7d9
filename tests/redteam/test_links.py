"""A tenant's labels, names and output are sent as text: they link nowhere and mention no one."""

import json

import pytest

from tests.support.engine_fixtures import eventually
from tests.support.hook import hooked
from tests.support.markup import MARKS

pytestmark = [pytest.mark.docker, pytest.mark.redis]

PROJECT = "[click to approve](https://evil.example) @everyone <!channel> <@U1> `x` www.evil.example"


@pytest.mark.parametrize("kind", ["slack", "apprise"])
def test_no_channel_receives_a_link_or_a_mention(kind, scene):
    if kind == "apprise":
        pytest.importorskip("apprise")
    with hooked() as hook:
        url = hook.url if kind == "slack" else hook.url.replace("http://", "json://")
        scene.make("tenant", "exit 3", labels={"com.docker.compose.project": PROJECT})
        scene.start(ALERT_CHANNELS=json.dumps({"ops": {"url": url}}), ALERT_GRACE="0s")
        eventually(lambda: any(b"evil" in each.body for each in hook.heard), seconds=30)
        told = [each.json for each in hook.heard if b"evil" in each.body]
    for message in told:
        texts = [message["text"]] if kind == "slack" else [message["title"], message["message"]]
        for line in "\n".join(texts).replace("&lt;", "<").replace("&gt;", ">").splitlines():
            if "evil" in line:
                assert not MARKS.search(line), line
                assert "click to approve" in line
