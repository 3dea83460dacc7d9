"""Every incident is notified, whatever is killed: real roles, a real Redis, a server that imitates Slack."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from hemostat.adapters.redis import Client, EmbeddedRedis, RedisBus, connect
from hemostat.errors import BusError
from hemostat.events import Container
from tests.support.engine_fixtures import eventually
from tests.support.hook import Hook, hooked
from tests.support.samples import NOW, alert, complete, event, heartbeat

pytestmark = pytest.mark.redis

HURRIED = """
import hemostat.agents.notifier.channel_sender as channel_sender
import hemostat.agents.notifier.self_monitor as self_monitor
from hemostat.__main__ import main
channel_sender.MAX_BACKOFF_SECONDS, channel_sender.POLL_SECONDS = 0.2, 0.05
self_monitor.CHECK_SECONDS = 0.1
main()
"""
"""The alert role with short waits, for the test."""


class Role:
    """The alert role as a process, which can be killed and started again."""

    def __init__(self, url: str, **settings: str) -> None:
        self._environ = {**os.environ, "HEMOSTAT_ALERT_SLACK_WEBHOOK": url}
        self._set = [word for key, value in settings.items() for word in ("--set", f"alert.{key}={value}")]
        self.begin()

    def begin(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HURRIED, "alert", "-q", *self._set],
            env=self._environ,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill(self, number: int = signal.SIGKILL) -> str:
        self.process.send_signal(number)
        return self.process.communicate()[1]


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hooked() as server:
        yield server


def incident(number: int):
    """The events of an incident that HemoStat heals."""
    web = Container(id=f"c{number}", name=f"web-{number}")
    at, told = time.time() - NOW, {"incident": f"i{number}"}
    return [event(alert(container=web), at, **told), event(complete(container=web), at + 0.01, **told)]


def heard(hook: Hook) -> Counter[str]:
    """Return how often each incident was notified."""
    return Counter(request.json["blocks"][-1]["elements"][0]["text"] for request in hook.heard)


def test_failing_channel_delays_no_other_channel(bus, hook, tmp_path):
    with hooked() as dead:
        dead.silent = True
        file = tmp_path / "hemostat.toml"
        file.write_text(f"[alert.channels.dead]\nurl = '{dead.url}'\n")
        role = Role(hook.url, per_minute="100000")
        role.kill()
        role._set += ["--config", str(file)]
        role.begin()
        bus.publish([each for number in range(20) for each in incident(number)])
        eventually(lambda: len(heard(hook)) == 20)
        eventually(lambda: bus.count_lag("alert", ["health_alert", "remediation_complete"]) == 0)
        eventually(lambda: dead.requests)
        role.kill()


def test_loss_of_redis_is_notified_and_pings_are_sent(
    environ,
    hook,
    state_dir,
):
    server = EmbeddedRedis(state_dir)
    environ.setenv("HEMOSTAT_REDIS_URL", server.ensure_running())
    client = connect(server.url)
    with hooked() as outside:
        environ.setenv("HEMOSTAT_ALERT_HEARTBEAT_URL", outside.url)
        role = Role(hook.url, gone_after="1s", heartbeat_every="100ms")
        eventually(lambda: _others_live(client) and outside.heard)
        with suppress(redis.ConnectionError):
            client.raw.shutdown(nosave=True)
        eventually(lambda: "Redis needs attention" in titles(hook))
        calls = len(outside.heard)
        server.ensure_running()
        eventually(lambda: _others_live(client) and "Redis recovered" in titles(hook))
        eventually(lambda: _others_live(client) and len(outside.heard) > calls)
        role.kill()


def _others_live(client: Client) -> bool:
    """Send the heartbeats of the other roles."""
    beats = [event(heartbeat(name), time.time() - NOW) for name in ("monitor", "analyzer", "responder")]
    with suppress(BusError):
        RedisBus(client).publish_live(beats, ttl=60)
    return True


def titles(hook: Hook) -> list[str]:
    return [request.json["text"].splitlines()[0].partition(" ")[2] for request in hook.heard]
