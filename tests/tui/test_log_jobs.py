"""Jobs that read the logs of several hosts."""

import threading
from queue import SimpleQueue

import pytest

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.errors import EngineUnreachableError
from hemostat.ports import ContainerSpec
from hemostat.tui.data.log_jobs import SILENT_TEXT, LogJob, LogPlace, load_start, search_before
from tests.support.clock import FakeClock
from tests.support.samples import NOW

LATER = "2099-01-01T00:00:00.000000000Z"


class HangingEngine:
    def __init__(self) -> None:
        self.released = threading.Event()

    def open_log(self, container: str, **options: object):
        self.released.wait()
        raise EngineUnreachableError("no engine")


class DeadEngine:
    def open_log(self, container: str, **options: object):
        raise EngineUnreachableError("no engine")


@pytest.fixture
def engine():
    clock = FakeClock(NOW)
    engine = InMemoryEngine(clock)
    engine.run(ContainerSpec(name="web", image="i", command=("c",), labels={}))
    for number in range(9):
        clock.advance(1)
        engine.write("web", log=f"needle {number}")
    return engine


def run(work, *engines):
    ends = SimpleQueue()
    LogJob(
        lambda number: engines[number], work, lambda *_: None, lambda _, result, why: ends.put((result, why))
    )
    return ends.get(timeout=30)


PLACES = [LogPlace(0, "web", LATER, 9, "one"), LogPlace(1, "db", LATER, 9, "two")]


def search(job):
    return search_before(job, PLACES, LATER, "needle")


def test_search_has_the_results_of_engines_beside_one_that_hangs(engine, monkeypatch):
    monkeypatch.setattr("hemostat.tui.data.log_jobs.SILENT_SECONDS", 0.3)
    hanging = HangingEngine()
    result, why = run(search, engine, hanging)
    hanging.released.set()
    assert not why
    assert result.missing == {1: SILENT_TEXT}
    assert [line.text for line in result.pages[0].lines][-1] == "needle 8"


def test_beginning_of_the_logs_is_loaded_beside_an_engine_that_fails(engine):
    result, why = run(lambda job: load_start(job, PLACES), engine, DeadEngine())
    assert not why
    assert result.missing == {1: "no engine"}
    assert [page.source for page in result.pages] == [0]


def test_search_fails_when_no_engine_answers():
    result, why = run(search, DeadEngine(), DeadEngine())
    assert (result, why) == (None, "no engine")


def test_only_engine_is_waited_for(engine, monkeypatch):
    monkeypatch.setattr("hemostat.tui.data.log_jobs.SILENT_SECONDS", 0.0)
    slow = HangingEngine()
    threading.Timer(0.5, slow.released.set).start()
    _, why = run(lambda job: search_before(job, PLACES[1:], LATER, "needle"), None, slow)
    assert why == "no engine"
