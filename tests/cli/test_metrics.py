"""`hemostat metrics`."""

import json
import signal
import urllib.request

import pytest

from tests.samples import alert, event


def fetch(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode().splitlines()


@pytest.mark.redis
def test_it_counts_what_the_bus_says_over_a_restart_and_stops_when_told_to(bus, spawn):
    line = 'hemostat_alerts_total{container="web",host="h",kind="exited",severity="critical"}'
    for expected in ("1.0", "2.0"):
        bus.publish([event(alert(), float(expected[0]))])
        process = spawn("metrics", "--set", "metrics.address=127.0.0.1:0")
        told = json.loads(process.stderr.readline())
        assert (told["event"], told["host"]) == ("metrics.served", "127.0.0.1")
        lines = fetch(told["port"])
        assert f"{line} {expected}" in lines
        assert "hemostat_bus_up 1.0" in lines
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("address", ["9740", "host:", "host:http", "host:99999"])
def test_an_address_that_is_none_is_told_before_anything_is_started(hemostat, address):
    code, _, err = hemostat("metrics", "--set", f"metrics.address={address}")
    assert code == 2
    assert f"metrics.address: {address!r} is not host:port" in err


@pytest.mark.parametrize(
    ("address", "place"),
    [("", ("127.0.0.1", 9740)), (":9741", ("127.0.0.1", 9741)), ("[::1]:80", ("::1", 80))],
)
def test_without_a_host_it_is_loopback(address, place):
    from hemostat.config import Settings

    shape = type(Settings().metrics)
    assert shape(address=address).place == place
