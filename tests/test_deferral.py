"""What a role has put off: decided again without a way over the stream."""

import threading
from collections.abc import Sequence

import msgspec
import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.consumer.deferral import (
    LOOK_SECONDS,
    MAX_DECIDED_OF_PROJECT,
    MAX_ENTRIES_READ,
    MAX_PAUSE,
    MAX_READY,
    DeferredEntries,
    compute_next_look,
)
from hemostat.events import Container, Event
from hemostat.ports import Defer, Interrupted, RunInBackground
from hemostat.streams import ROLES_BY_NAME
from tests.support.clock import FakeClock
from tests.support.consumers import make_consumer_context
from tests.support.engine_fixtures import eventually
from tests.support.samples import alert, event, needed

STREAM = "remediation_needed"
ROLE = "responder:h"
RESPONDER = ROLES_BY_NAME["responder"]._replace(reads=(STREAM,))
Answer = Sequence[Event] | Defer | RunInBackground


class Scene:
    """Requests that wait, and what is decided about them."""

    def __init__(self, count: int, project: str = "") -> None:
        self.clock = FakeClock()
        self.bus = InMemoryBus(self.clock)
        self.decided: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.paused = True
        self.seconds = 0.0
        """That a decision takes."""
        context = make_consumer_context(RESPONDER, self.bus, self.clock, threading.Event())
        self.waiting = DeferredEntries(self._decide, context)
        self.put_off([f"c{number}" for number in range(count)], project)

    def put_off(self, names: list[str], project: str = "") -> None:
        labels = {"com.docker.compose.project": project} if project else {}
        for name in names:
            about = alert(container=Container(id=name, name=name, labels=labels))
            self.bus.publish([event(msgspec.structs.replace(needed(), alert=about), self.clock.now())])
        for entry in self.bus.read(ROLE, "a", [STREAM], count=10_000, timeout=0):
            self.bus.defer(ROLE, entry, self.clock.now() + 1)

    def _decide(self, asked: Event, _: object) -> Answer:
        name = asked.data.alert.container.name
        self.decided.append(name)
        self.clock.advance(self.seconds)
        found = self.answers.get(name, Defer(self.clock.now() + 1.0, "paused") if self.paused else [])
        if isinstance(found, BaseException):
            raise found
        return found

    def look(self) -> None:
        """Once, and until all that was due is decided."""
        self.waiting.look()
        eventually(lambda: not self.waiting._is_busy())

    @property
    def on_stream(self) -> int:
        return len(self.bus.read_recent(STREAM, 10_000))


def test_deferred_request_is_not_rewritten_every_round():
    scene = Scene(20)
    for _ in range(600):
        scene.clock.advance(6.0)
        scene.look()
    assert scene.on_stream == 20
    assert len(scene.decided) >= 20 * 500


def test_request_that_can_proceed_returns_at_once():
    scene = Scene(3)
    scene.clock.advance(1.0)
    scene.look()
    scene.paused = False
    scene.clock.advance(1.5)
    scene.look()
    assert scene.on_stream == 6
    assert scene.bus.read_due(ROLE, [STREAM], scene.clock.now() + 100, count=9).entries == []


@pytest.mark.parametrize(
    "answer",
    [
        ValueError("poison"),
        Defer(0.0, "no more of that", outputs=(event(needed(), 0.0),)),
        Defer(0.0, "no more of that", reported="paused"),
        RunInBackground(work=lambda _: [], otherwise=lambda _: []),
    ],
    ids=["fails", "outputs", "reported", "background"],
)
def test_failing_or_final_requests_return_to_the_stream(answer):
    scene = Scene(2)
    scene.answers["c0"] = answer
    scene.clock.advance(1.0)
    scene.look()
    assert scene.on_stream == 3


@pytest.mark.parametrize("seconds", [0.0, 0.02])
def test_returned_requests_are_limited_for_each_round(seconds):
    scene = Scene(100)
    scene.paused, scene.seconds = False, seconds
    scene.clock.advance(1.0)
    scene.look()
    assert scene.on_stream == 100 + MAX_READY


@pytest.mark.parametrize(("count", "paused"), [(2 * MAX_READY, False), (MAX_ENTRIES_READ + 1, True)])
def test_remaining_requests_are_checked_soon(count, paused):
    scene = Scene(count)
    scene.paused = paused
    scene.clock.advance(1.0)
    scene.look()
    assert scene.waiting.seconds(10.0) == LOOK_SECONDS


def test_requests_of_one_project_delay_no_other():
    scene = Scene(100, "evil")
    scene.put_off(["victim"], "shop")
    scene.paused = False
    scene.clock.advance(2.0)
    scene.look()
    assert "victim" in scene.decided[:2]


def test_check_interval_grows_with_the_waiting_time():
    assert compute_next_look(until=1000.5, since=999.0, now=1000.0) == 1000.5
    assert compute_next_look(until=1000.5, since=960.0, now=1000.0) == 1002.0
    assert compute_next_look(until=1000.5, since=0.0, now=1000.0) == 1000.0 + MAX_PAUSE
    assert compute_next_look(until=1300.0, since=0.0, now=1000.0) == 1300.0
    assert compute_next_look(until=1000.5, since=2000.0, now=1000.0) == 1000.5


def test_clock_set_back_checks_all_requests_again():
    scene = Scene(3)
    scene.clock.advance(1.0)
    scene.look()
    scene.clock.advance(-3600.0)
    scene.look()
    assert scene.on_stream == 6


def test_stopping_role_leaves_deferred_requests():
    scene = Scene(2)
    scene.answers["c0"] = Interrupted()
    scene.clock.advance(1.0)
    scene.look()
    assert scene.on_stream == 2


def test_entries_that_wait_on_are_written_together(monkeypatch):
    scene, sizes = Scene(5), []

    def count_entries(role, entries):
        sizes.append(len(entries))
        InMemoryBus.postpone(scene.bus, role, entries)

    monkeypatch.setattr(scene.bus, "postpone", count_entries)
    scene.clock.advance(2)
    scene.look()
    assert sizes == [5]


def test_start_ends_while_another_user_adds_deferred_entries(monkeypatch):
    """Responders of all hosts may write the entries that earlier versions deferred."""
    scene = Scene(1)
    rounds: list[str] = []
    monkeypatch.setattr(scene.bus, "requeue_due", lambda group, *_: rounds.append(group) or 100)
    scene.waiting.begin()
    assert 0 < len(rounds) <= 1000


def run_until(scene: Scene, name: str, seconds: float) -> float:
    """The seconds until the entry is decided, at most `seconds`."""
    began = scene.clock.now()
    while name not in scene.decided and scene.clock.now() - began < seconds:
        scene.look()
        scene.clock.advance(LOOK_SECONDS)
    return scene.clock.now() - began


@pytest.mark.parametrize("projects", [1, 10])
def test_thousands_of_due_requests_delay_no_other_project(projects):
    scene = Scene(0)
    for number in range(projects):
        some = range(number, 3000, projects)
        scene.put_off([f"c{each}" for each in some], f"evil{number}")
    scene.clock.advance(10.0)
    scene.put_off(["victim"], "shop")
    scene.clock.advance(1.0)
    scene.seconds = 0.005
    assert run_until(scene, "victim", 15.0) < 5.0


def test_postponed_requests_are_decided_in_the_end():
    scene = Scene(1200, "evil")
    scene.clock.advance(1.0)
    scene.seconds = 0.001
    began = scene.clock.now()
    while len(set(scene.decided)) < 1200 and scene.clock.now() - began < 120:
        scene.look()
        scene.clock.advance(0.5)
    assert len(set(scene.decided)) == 1200


def test_requests_that_wait_for_long_follow_the_others_of_a_turn():
    scene = Scene(0)
    scene.put_off(["long1", "long2", "short"], "shop")
    scene.put_off(["other"], "blog")
    scene.clock.advance(1.0)
    entries = [
        msgspec.structs.replace(entry, notes=("approval",) if "long" in str(entry.event) else ())
        for entry in scene.bus.read_due(ROLE, [STREAM], scene.clock.now() + 1, count=10).entries
    ]
    scene.waiting._decide_due_entries(entries, has_backlog=False)
    assert scene.decided == ["short", "other", "long1", "long2"]


def count_due(scene: Scene, seconds: float) -> int:
    return len(scene.bus.read_due(ROLE, [STREAM], scene.clock.now() + seconds, count=10_000).entries)


@pytest.mark.parametrize("beyond", [0, 1])
def test_only_crowded_projects_wait_longer_than_their_reason(beyond):
    scene = Scene(MAX_DECIDED_OF_PROJECT + beyond, "shop")
    scene.clock.advance(1.0)
    entries = scene.bus.read_due(ROLE, [STREAM], scene.clock.now(), count=1000).entries
    scene.waiting._decide_due_entries(entries, has_backlog=True)
    assert len(scene.decided) == MAX_DECIDED_OF_PROJECT
    assert count_due(scene, 1.1) == (0 if beyond else MAX_DECIDED_OF_PROJECT)
    assert count_due(scene, MAX_PAUSE + 0.1) == MAX_DECIDED_OF_PROJECT + beyond


def test_role_may_be_busy_for_long_when_no_entry_waits():
    scene = Scene(1)
    scene.look()
    assert scene.waiting.seconds(10.0) == 1.0
    scene.paused = False
    scene.clock.advance(1.0)
    assert scene.waiting.seconds(10.0) == LOOK_SECONDS
    scene.look()
    assert scene.waiting.seconds(10.0) == 10.0


def test_due_entries_are_looked_for_at_intervals(monkeypatch):
    scene, reads = Scene(1), []
    read_due = scene.bus.read_due
    monkeypatch.setattr(
        scene.bus, "read_due", lambda *each, **some: reads.append(1) or read_due(*each, **some)
    )
    for seconds in (0.0, 0.0, LOOK_SECONDS / 2, LOOK_SECONDS / 2, 0.0):
        scene.clock.advance(seconds)
        scene.look()
    assert len(reads) == 2


def test_role_that_defers_nothing_looks_for_nothing(monkeypatch):
    bus, reads = InMemoryBus(FakeClock()), []
    for name in ("read_due", "requeue_due"):
        monkeypatch.setattr(bus, name, lambda *_, **__: reads.append(1))
    role = RESPONDER._replace(defers=False)
    waiting = DeferredEntries(lambda *_: [], make_consumer_context(role, bus, FakeClock(), threading.Event()))
    waiting.begin()
    waiting.look()
    assert (waiting.seconds(10.0), reads) == (10.0, [])


def test_small_step_back_of_the_clock_leaves_entries_deferred():
    scene = Scene(2)
    scene.look()
    scene.clock.advance(-1.0)
    scene.look()
    assert scene.on_stream == 2
