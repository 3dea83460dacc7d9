"""Streams without end are read at the pace that a share of the CPU allows."""

import threading
from collections.abc import Iterator
from itertools import islice, repeat

import pytest

from hemostat.adapters.docker_engine import answers, rejections, stream_pace
from hemostat.adapters.docker_engine.event_stream import OpenStream, follow_events
from hemostat.adapters.docker_engine.stream_pace import BURST_SECONDS, MAX_SHARE, StreamPace


class Machine:
    """A clock of CPU and of time. Work takes CPU, and pauses take time."""

    def __init__(self) -> None:
        self.cpu = 0.0
        self.now = 1000.0

    def thread_time(self) -> float:
        return self.cpu

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def work(self, seconds: float) -> None:
        self.cpu += seconds
        self.now += seconds

    def send(self, chunk: bytes, seconds: float) -> Iterator[bytes]:
        """This chunk without end. Each takes these seconds of CPU to read."""
        for each in repeat(chunk):
            self.work(seconds)
            yield each


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(stream_pace, "time", machine)
    monkeypatch.setattr(rejections, "time", machine)
    return machine


def make_pace(machine: Machine) -> StreamPace:
    closed = threading.Event()
    closed.wait = machine.wait  # type: ignore[method-assign,assignment]
    return StreamPace(closed)


def test_line_without_an_end_gets_no_more_than_its_share(machine: Machine) -> None:
    pace = make_pace(machine)
    limited = pace.limit(islice(machine.send(b"x" * 100, 0.1), 2000))
    assert list(answers.split_lines(limited, 1000)) == []
    assert machine.cpu == pytest.approx(200.0)
    assert machine.cpu <= MAX_SHARE * (machine.now - 1000.0) + BURST_SECONDS + 0.1
    assert pace.is_behind


def test_list_without_an_end_gets_no_more_than_its_share(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answer:
        def iter_content(self, _: int) -> Iterator[bytes]:
            return islice(machine.send(b"[" * 100, 1.0), 200)

    monkeypatch.setattr(answers, "MAX_ANSWER_BYTES", 100)
    pace = make_pace(machine)
    rows = answers.read_or_rows(Answer(), pace.limit)  # type: ignore[arg-type]  # of a response, only this
    assert not isinstance(rows, bytes)
    assert list(rows) == []
    assert machine.cpu == pytest.approx(200.0)
    assert machine.cpu <= MAX_SHARE * (machine.now - 1000.0) + BURST_SECONDS + 3.0


def test_time_to_use_a_chunk_counts(machine: Machine) -> None:
    pace = make_pace(machine)
    for _ in pace.limit(islice(machine.send(b"event\n", 0.0), 1000)):
        machine.work(0.1)
    assert machine.cpu <= MAX_SHARE * (machine.now - 1000.0) + BURST_SECONDS + 0.1


def test_usual_stream_is_read_at_once(machine: Machine) -> None:
    pace = make_pace(machine)
    for _ in pace.limit(islice(machine.send(b"event\n", 0.0001), 50_000)):
        pass
    assert machine.now - 1000.0 == pytest.approx(machine.cpu)
    assert not pace.is_behind


def test_stream_that_has_caught_up_is_no_longer_behind(machine: Machine) -> None:
    pace = make_pace(machine)
    list(islice(pace.limit(machine.send(b"x", 1.0)), 20))
    assert pace.is_behind
    machine.wait(stream_pace.BEHIND_SECONDS)
    assert not pace.is_behind


def test_garbage_is_logged_once_a_minute(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()

    def send() -> Iterator[bytes]:
        for _ in range(1000):
            machine.wait(0.125)
            yield b"garbage"
        stop.set()

    class Connection:
        def __enter__(self) -> OpenStream:
            return OpenStream(send())

        def __exit__(self, *_: object) -> None:
            pass

    list(follow_events(lambda _since: Connection(), stop, 0.0))
    logged = [each.message for each in caplog.records if "engine_event.rejected" in each.message]
    assert [each.split()[1] for each in logged] == ["count=1", "count=480", "count=480"]
