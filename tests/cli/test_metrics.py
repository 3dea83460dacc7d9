"""`hemostat metrics`."""

import json
import signal
import urllib.request

import pytest

from tests.support.engine_fixtures import eventually
from tests.support.hook import hooked
from tests.support.samples import alert, complete, event


def fetch(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode().splitlines()


@pytest.mark.redis
def test_counters_continue_after_a_restart(bus, spawn):
    line = 'hemostat_alerts_total{container="web",host="h",kind="exited",severity="critical"}'
    for expected in ("1.0", "2.0"):
        bus.publish([event(alert(), float(expected[0]))])
        process = spawn("metrics", "--set", "metrics.address=127.0.0.1:0")
        told = json.loads(process.stderr.readline())
        assert (told["event"], told["host"]) == ("metrics_server.started", "127.0.0.1")
        lines = fetch(told["port"])
        assert f"{line} {expected}" in lines
        assert "hemostat_bus_up 1.0" in lines
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("address", ["9740", "host:", "host:http", "host:99999"])
def test_invalid_address_is_reported_before_the_start(hemostat, address):
    code, _, err = hemostat("metrics", "--set", f"metrics.address={address}")
    assert code == 2
    assert f"metrics.address: {address!r} is not host:port" in err


@pytest.mark.parametrize(
    ("address", "place"),
    [("", ("127.0.0.1", 9740)), (":9741", ("127.0.0.1", 9741)), ("[::1]:80", ("::1", 80))],
)
def test_default_host_is_loopback(address, place):
    from hemostat.config import Settings

    shape = type(Settings().metrics)
    assert shape(address=address).host_and_port == place


@pytest.mark.redis
def test_alert_role_reports_delivery_counters(bus, spawn, environ):
    with hooked() as hook:
        hook.statuses = [500]
        environ.setenv("HEMOSTAT_ALERT_SLACK_WEBHOOK", hook.url)
        spawn("alert")
        process = spawn("metrics", "--set", "metrics.address=127.0.0.1:0")
        port = json.loads(process.stderr.readline())["port"]
        bus.publish([event(complete())])
        counted = 'hemostat_notifications_total{channel="slack",outcome="%s"} %s'
        expected = {counted % each for each in (("delivered", "1.0"), ("failed", "1.0"), ("dropped", "0.0"))}
        eventually(lambda: expected < set(fetch(port)), seconds=30)
        assert 'hemostat_notifications_waiting{channel="slack"} 0.0' in fetch(port)
