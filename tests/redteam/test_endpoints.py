"""Endpoints whose responses do not end delay neither a restart nor the notifications of another channel."""

import json
import time
from contextlib import ExitStack

import pytest

from tests.support.endless_server import CONTINUES, HEAD, HEADERS, serve_endlessly
from tests.support.engine_fixtures import eventually
from tests.support.hook import hooked

pytestmark = [pytest.mark.docker, pytest.mark.redis]


def test_endless_responses_delay_no_restart_and_no_channel(scene):
    pytest.importorskip("apprise")
    with ExitStack() as open_servers, hooked() as hook:
        continues, headers, body = (
            open_servers.enter_context(serve_endlessly(*answer))
            for answer in (CONTINUES, HEADERS, (HEAD + b"\r\n", bytes(65536)))
        )
        channels = {
            "good": hook.url,
            "continues": f"http://{continues}/services/x",
            "headers": f"http://{headers}/services/x",
            "body": f"json://{body}/x",
        }
        scene.make_victim()
        scene.start(
            ALERT_CHANNELS=json.dumps({name: {"url": url} for name, url in channels.items()}),
            ALERT_GRACE="0s",
            ALERT_HEARTBEAT_URL=f"http://{headers}/ping",
        )
        begin = time.monotonic()
        scene.crash()
        scene.await_healed()
        assert time.monotonic() - begin < 20
        eventually(lambda: hook.heard, seconds=20)
        hostile = sorted(channels.keys() - {"good"})
        eventually(
            lambda: all(f"channel {name}" in scene.run("status", "--json").stdout for name in hostile),
            seconds=40,
        )
