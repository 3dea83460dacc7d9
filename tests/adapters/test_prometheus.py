"""Numbers as Prometheus reads them: its own checker, and its own server."""

import json
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import pytest

from hemostat.adapters.prometheus import MAX_CONNECTIONS, serve_metrics
from hemostat.core.metrics.definitions import (
    ALERTS,
    BUS_UP,
    DEAD_LETTERS,
    MEASURES,
    TIME_TO_HEAL,
    Distribution,
    Form,
    Numbers,
)
from hemostat.errors import AdapterError
from tests.support.engine_fixtures import eventually
from tests.support.prometheus_tools import promtool
from tests.support.required import program

NUMBERS: Numbers = {
    ALERTS: {("exited", "critical", "h", 'a"b\\c\nd'): 3.0},
    TIME_TO_HEAL: {("exited",): Distribution((1, 0, 2, *[0] * 9, 1), 904.0)},
    DEAD_LETTERS: {(): 0.0},
}


def every() -> Numbers:
    """One series of each measure."""
    told: Numbers = {}
    for measure in MEASURES:
        spread = Distribution((0,) * len(measure.buckets) + (1,), 1.0)
        labels = tuple("x" for _ in measure.labels)
        told[measure] = {labels: spread if measure.form is Form.HISTOGRAM else 1.0}
    return told


def fetch(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture
def port() -> Iterator[int]:
    with serve_metrics("127.0.0.1", 0, lambda: NUMBERS) as port:
        yield port


def test_buckets_add_up_and_labels_are_quoted(port):
    lines = fetch(port).splitlines()
    assert (
        r'hemostat_alerts_total{container="a\"b\\c\nd",host="h",kind="exited",severity="critical"} 3.0'
        in lines
    )
    buckets = [line.split()[1] for line in lines if line.startswith("hemostat_time_to_heal_seconds_bucket")]
    assert buckets == ["1.0", "1.0", *["3.0"] * 10, "4.0"]
    assert 'hemostat_time_to_heal_seconds_count{kind="exited"} 4.0' in lines
    assert "hemostat_dead_letter_entries 0.0" in lines


def test_address_in_use_is_named(port):
    with (
        pytest.raises(AdapterError, match=rf"127\.0\.0\.1:{port} is not available to listen on"),
        serve_metrics("127.0.0.1", port, dict),
    ):
        pass


def test_server_stops_when_the_block_ends():
    with serve_metrics("127.0.0.1", 0, lambda: NUMBERS) as port:
        assert fetch(port)
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def test_every_metric_name_is_valid():
    with serve_metrics("127.0.0.1", 0, every) as port:
        text = fetch(port)
    assert text.count("# HELP") == len(MEASURES)
    promtool("check", "metrics", text=text)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return made.getsockname()[1]


def test_prometheus_itself_scrapes_and_answers(tmp_path: Path, port: int):
    config = tmp_path / "prometheus.yml"
    scrape = {"job_name": "hemostat", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}))
    own = free_port()
    command = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{own}",
    ]

    def ask(query: str) -> list[str]:
        try:
            answer = json.loads(fetch(own, f"/api/v1/query?{urlencode({'query': query})}"))
        except OSError:
            return []
        return [each["value"][1] for each in answer["data"]["result"]]

    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            eventually(lambda: ask("hemostat_alerts_total") == ["3"] or server.poll() is not None, seconds=60)
            assert server.poll() is None
            assert ask('up{job="hemostat"}') == ["1"]
            assert ask("histogram_quantile(1, hemostat_time_to_heal_seconds_bucket)") == ["900"]
            assert ask(BUS_UP.name) == []
        finally:
            server.terminate()


def asked(port: int, host: str = "localhost", *, rest: str = "") -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("localhost", 200), ("LOCALHOST:9740", 200), ("127.0.0.1:1", 200), ("[::1]:9740", 200)),
        ("10.0.0.1", 200),
        *((socket.gethostname(), 200), ("evil.example", 421), ("localhost.evil.example", 421), ("", 421)),
        *(("127.0.0.1.evil.example", 421), ("[evil]", 421)),
    ],
)
def test_loopback_server_rejects_foreign_host_names(host, status):
    with serve_metrics("127.0.0.1", 0, lambda: NUMBERS) as port:
        answer = asked(port, host)
    assert answer.startswith(f"HTTP/1.0 {status} ")
    assert ("hemostat_" in answer) is (status == 200)


def test_idle_connections_do_not_block_scrapes():
    with ExitStack() as opened, serve_metrics("127.0.0.1", 0, lambda: NUMBERS) as port:
        begin = threading.active_count()
        for number in range(5 * MAX_CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", port), timeout=10)
            opened.enter_context(connection)
            if number % 2:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: loc")
        assert asked(port).startswith("HTTP/1.0 200 ")
        eventually(lambda: threading.active_count() - begin <= MAX_CONNECTIONS + 1)


def test_simultaneous_requests_share_one_reading():
    """Each reading waits for the bus. One after the other they would keep Prometheus waiting."""
    readings = []

    def read_slowly() -> Numbers:
        readings.append(1)
        time.sleep(0.3)
        return NUMBERS

    with (
        serve_metrics("127.0.0.1", 0, read_slowly) as port,
        ThreadPoolExecutor(MAX_CONNECTIONS // 2) as threads,
    ):
        begin = time.monotonic()
        answers = list(threads.map(lambda _: asked(port), range(MAX_CONNECTIONS // 2)))
        assert time.monotonic() - begin < 2.0
    assert all("hemostat_dead_letter_entries" in each for each in answers)
    assert len(readings) <= 2


def test_slow_reader_does_not_delay_other_requests(monkeypatch):
    monkeypatch.setattr("hemostat.adapters.prometheus._Handler.timeout", 1.0)
    large: Numbers = {DEAD_LETTERS: {(): 0.0}, BUS_UP: {(f"{number:0100}",): 1.0 for number in range(80_000)}}
    with ExitStack() as opened, serve_metrics("127.0.0.1", 0, lambda: large) as port:
        begin = threading.active_count()
        for _ in range(2):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert asked(port, "evil.example").startswith("HTTP/1.0 421 ")
        eventually(lambda: threading.active_count() <= begin)


def test_idle_connection_is_closed(monkeypatch):
    monkeypatch.setattr("hemostat.adapters.prometheus._Handler.timeout", 0.1)
    with (
        serve_metrics("127.0.0.1", 0, lambda: NUMBERS) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
    ):
        assert connection.recv(1) == b""
