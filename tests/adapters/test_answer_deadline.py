"""An engine at another host that never completes an answer holds no thread, and fills no memory."""

import gzip
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from hemostat.adapters.docker_engine import DockerEngine, answer_deadline, answers, event_stream, inspection
from hemostat.background import run_in_background
from hemostat.core.model import Connected
from hemostat.errors import EngineError, EngineUnreachableError
from tests.support.rule_proxy import Drip, Rule, RuleProxy, told

VERSION = Rule("GET /version", told({"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "24.0.0"}))
CONTAINER = "a" * 64
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
NEVER_COMPLETE = {
    "header": Drip(OK + b"X-Slow: ", b"a"),
    "continues": Drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.0),
    "body": Drip(OK + b"Content-Length: 9999999\r\n\r\n", b" "),
    "body without length": Drip(OK + b"Connection: close\r\n\r\n", b" "),
    "chunks": Drip(CHUNKED, b"1\r\n \r\n"),
    "trailers": Drip(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-Slow: a\r\n"),
}
CALLS: dict[str, Callable[[DockerEngine], object]] = {
    "version": lambda engine: engine.version(),
    "list": lambda engine: engine.list_containers(),
    "inspect": lambda engine: engine.inspect(CONTAINER),
    "stats": lambda engine: engine.read_stats(CONTAINER),
    "top": lambda engine: engine.top(CONTAINER),
    "logs": lambda engine: engine.logs(CONTAINER),
    "start": lambda engine: engine.start(CONTAINER),
    "restart": lambda engine: engine.restart(CONTAINER, 0),
    "exec": lambda engine: engine.exec(CONTAINER, ["true"], 0.3),
    "was_stopped": lambda engine: engine.was_stopped(CONTAINER),
    "service": lambda engine: engine.read_service("web"),
    "forbidden": lambda engine: engine.find_forbidden(["GET /events"]),
    "reclaimable": lambda engine: engine.list_reclaimable(),
    "log stream": lambda engine: list(engine.open_log(CONTAINER)),
}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for name in ("LIST_SECONDS", "INSPECT_SECONDS", "BRIEF_SECONDS"):
        monkeypatch.setattr(inspection, name, 0.3)
    monkeypatch.setattr("hemostat.adapters.docker_engine.engine.STATS_SILENCE_SECONDS", 0.3)
    monkeypatch.setattr("hemostat.adapters.docker_engine.prunable.PRUNE_SECONDS", 0.3)
    monkeypatch.setattr("hemostat.adapters.docker_engine.access.ANSWER_SECONDS", 0.3)


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[..., DockerEngine]]:
    with RuleProxy(tmp_path / "engine.sock", VERSION, upstream="") as proxy:

        def open_engine(rule: Rule) -> DockerEngine:
            proxy.rules = [VERSION]
            engine = DockerEngine.connect(proxy.url)
            engine.connection._timeout = 0.3
            with engine.connection.lend_client("shorten") as client:
                client.timeout = 0.3
            proxy.rules = [rule, VERSION]
            return engine

        yield open_engine


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", NEVER_COMPLETE)
def test_answer_that_never_completes_is_given_up(connect, kind, call):
    with closing(connect(Rule("", NEVER_COMPLETE[kind]))) as engine:
        answer = run_in_background(lambda: CALLS[call](engine), "ask")
        assert wait([answer], 20).done
        assert isinstance(answer.exception(), EngineError | None)


@pytest.mark.parametrize("kind", NEVER_COMPLETE)
def test_connection_by_tcp_is_limited_too(kind):
    with RuleProxy(None, Rule("", NEVER_COMPLETE[kind]), upstream="") as proxy:
        with pytest.raises(EngineUnreachableError, match="does not answer in time"):
            DockerEngine.connect(proxy.url, timeout=0.3)
        assert proxy.asked


def test_stream_of_events_outlives_the_deadline(connect, monkeypatch):
    monkeypatch.setattr(event_stream, "SILENCE_SECONDS", 0.2)
    with (
        closing(connect(Rule("GET /events", Drip(CHUNKED, b"3\r\n{}\n\r\n")))) as engine,
        engine._open_events("0") as stream,
    ):
        assert list(islice(stream.lines, 12)) == [b"{}"] * 12


def test_bytes_of_a_body_prolong_the_answer(monkeypatch):
    """Labels of any container can make a list long: it is not given up while it arrives fast enough."""
    now = 0.0
    monkeypatch.setattr(answer_deadline, "monotonic", lambda: now)
    near, far = socket.socketpair()
    with near, far:
        near.settimeout(1.0)
        reader = answer_deadline._TimedReader(near.makefile("rb", buffering=0), near)
        far.sendall(bytes(300))
        reader.readinto(bytearray(100))
        now = 2.5
        with pytest.raises(TimeoutError):
            reader.readinto(bytearray(100))
        monkeypatch.setattr(answer_deadline, "MIN_BYTES_PER_SECOND", 100)
        now, reader.counted_bytes = 1.5, 100
        reader.readinto(bytearray(200))
        now = 2.5
        far.sendall(bytes(100))
        reader.readinto(bytearray(100))
        now = 3.5
        with pytest.raises(TimeoutError):
            reader.readinto(bytearray(100))
        reader.close()


def test_endless_chunk_of_events_is_not_held(connect, monkeypatch):
    monkeypatch.setattr(answers, "MAX_ANSWER_BYTES", 1 << 20)
    with closing(
        connect(Rule("GET /events", Drip(CHUNKED + b"7fffffff\r\n", b"x" * (4 << 20), 0.0)))
    ) as engine:
        tracemalloc.start()
        try:
            events = engine.events(0)
            assert isinstance(next(events), Connected)
            threading.Thread(target=lambda: list(events), daemon=True).start()
            threading.Event().wait(1.0)
            assert tracemalloc.get_traced_memory()[1] < 48 << 20
        finally:
            tracemalloc.stop()


def test_compressed_answer_is_refused(connect):
    bomb = gzip.compress(bytes(10_000_000))
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    for request in ("GET /containers/json", "GET /containers/a+/json"):
        with (
            closing(connect(Rule(request, head + bomb))) as engine,
            pytest.raises(EngineError, match="compressed"),
        ):
            engine.list_containers() if request.endswith("s/json") else engine.inspect(CONTAINER)
