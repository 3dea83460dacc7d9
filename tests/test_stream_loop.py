"""How many entries a consumer reads, and how it shares them out to its workers."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import msgspec
import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.consumer import stream_loop
from hemostat.consumer.context import MAX_DELIVERIES, ConsumerLimits
from hemostat.consumer.stream_loop import WAIT_SECONDS, StreamLoop
from hemostat.streams import ROLES_BY_NAME
from tests.support.clock import FakeClock
from tests.support.consumers import make_consumer_context
from tests.support.samples import alert, event

ROLE = ROLES_BY_NAME["analyzer"]


class Pool:
    """A pool whose workers begin when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Future[None], Callable[[], None]]] = []

    def submit(self, call: Callable[..., None], *arguments: Any) -> Future[None]:
        future: Future[None] = Future()
        self.jobs.append((future, lambda: call(*arguments)))
        return future

    def work(self) -> None:
        jobs, self.jobs = self.jobs, []
        for future, call in jobs:
            call()
            future.set_result(None)


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int, limits: ConsumerLimits) -> None:
        self.clock = FakeClock()
        self.bus = InMemoryBus(self.clock)
        self.bus.publish([event(alert(), float(number)) for number in range(count)])
        self.pool = Pool()
        self.batches: list[list[float]] = []
        """The entries that each worker took, by their deliveries."""
        self.reads: list[int] = []
        self.waits: list[float] = []
        self.timeout = 0.25
        context = make_consumer_context(ROLE, self.bus, self.clock, threading.Event())
        self.context = context
        self.loop = StreamLoop(context, limits, self._handle, prepare_read=lambda: self.timeout)
        read = self.bus.read

        def count_read(*arguments: Any, count: int, timeout: float) -> Any:
            self.reads.append(count)
            self.waits.append(timeout)
            return read(*arguments, count=count, timeout=0)

        monkeypatch.setattr(self.bus, "read", count_read)
        monkeypatch.setattr(stream_loop, "wait", lambda *_, timeout, **__: self.waits.append(-timeout))

    def _handle(self, entries: Any) -> None:
        taken = list(entries)
        self.batches.append([each.deliveries for each in taken])
        self.bus.ack_all(self.context.group, [(each, ()) for each in taken])

    def run(self) -> None:
        self.loop._run_once(self.pool)


@pytest.mark.parametrize(("queued", "count"), [(0, 5), (1, 4), (2, 3), (3, None), (4, None)], ids=str)
def test_entries_are_read_where_more_than_half_may_be_added(monkeypatch, queued, count):
    scene = Scene(monkeypatch, queued, ConsumerLimits(workers=1, ahead=4))
    if queued:
        scene.run()
        list(zip(range(1), scene.loop._take_queued([]), strict=False))  # its worker has begun with one
    scene.reads.clear()
    scene.waits.clear()
    scene.run()
    assert scene.reads == ([] if count is None else [count])
    assert scene.waits == [-WAIT_SECONDS if count is None else scene.timeout]


def test_entries_are_shared_out_to_all_workers(monkeypatch):
    scene = Scene(monkeypatch, 9, ConsumerLimits(workers=2, ahead=4))
    scene.run()
    assert (scene.reads, len(scene.pool.jobs)) == ([6], 2)
    scene.pool.work()
    assert [len(each) for each in scene.batches] == [5, 1]
    scene.run()
    scene.pool.work()
    assert sum(map(len, scene.batches)) == 9
    scene.run()
    assert scene.context.heartbeat.handled_count == 9


def test_single_entry_begins_a_single_worker(monkeypatch):
    scene = Scene(monkeypatch, 1, ConsumerLimits(workers=4))
    scene.run()
    assert len(scene.pool.jobs) == 1


def test_entries_that_no_worker_took_are_begun_again(monkeypatch):
    scene = Scene(monkeypatch, 3, ConsumerLimits(workers=2, ahead=4))
    scene.run()
    for future, _ in scene.pool.jobs:
        future.set_result(None)
    scene.pool.jobs.clear()
    scene.run()
    scene.pool.work()
    assert [len(each) for each in scene.batches] == [3, 0]


def test_only_entries_at_the_front_may_be_given_up_after_a_restart(monkeypatch):
    scene = Scene(monkeypatch, 4, ConsumerLimits(workers=2))
    group, name = scene.context.group, scene.context.name
    for entry in scene.bus.read(group, name, ROLE.reads, count=4, timeout=0):
        for _ in range(MAX_DELIVERIES):
            scene.bus.extend_delivery(group, name, [entry])
    scene.reads.clear()
    entries = scene.bus.read_unfinished(group, name, ROLE.reads)
    late = [msgspec.structs.replace(each, deliveries=MAX_DELIVERIES + 2) for each in entries]
    scene.loop._resubmit(scene.pool, late)
    scene.pool.work()
    assert scene.batches == [[MAX_DELIVERIES + 2]] * 2 + [[MAX_DELIVERIES]] * 2


def test_entries_left_by_an_earlier_process_are_handled_first(monkeypatch):
    scene = Scene(monkeypatch, 2, ConsumerLimits(workers=1))
    scene.bus.read(scene.context.group, scene.context.name, ROLE.reads, count=1, timeout=0)
    scene.reads.clear()
    scene.run()
    assert len(scene.pool.jobs) == 1
    assert scene.reads == []
    scene.pool.work()
    scene.run()
    scene.pool.work()
    assert [len(each) for each in scene.batches] == [1, 1]


def test_own_deliveries_are_listed_once_while_reads_succeed(monkeypatch):
    scene, lists = Scene(monkeypatch, 0, ConsumerLimits()), []
    unfinished = scene.bus.read_unfinished
    monkeypatch.setattr(scene.bus, "read_unfinished", lambda *each: lists.append(1) or unfinished(*each))
    for _ in range(3):
        scene.run()
    assert lists == [1]


def test_heartbeat_is_sent_when_it_is_due(monkeypatch):
    scene = Scene(monkeypatch, 0, ConsumerLimits())
    sent = []
    monkeypatch.setattr(scene.context.heartbeat, "send", lambda *each: sent.append(each))
    monkeypatch.setattr(scene.context.heartbeat, "is_due", lambda: bool(len(scene.reads) % 2))
    for _ in range(4):
        scene.run()
    assert sent == [("", 0)] * 2
