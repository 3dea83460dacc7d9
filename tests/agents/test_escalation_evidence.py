"""Evidence about containers that are not acted on: nothing waits for it, however much of it is requested."""

import threading
from collections.abc import Callable

import msgspec
import pytest

from hemostat.agents.responder.escalation_evidence import (
    MAX_PENDING,
    MAX_PENDING_PER_PROJECT,
    REPEAT_SECONDS,
    EscalationEvidence,
)
from hemostat.agents.responder.outcome import RequestCase
from hemostat.background import run_in_background
from hemostat.events import Action, Kind, Outcome, Reason
from tests.support.responder_harness import ResponderHarness
from tests.support.samples import composed


@pytest.fixture
def scene() -> ResponderHarness:
    return ResponderHarness()


def make_case(scene: ResponderHarness, incident: str = "i1", container: str = "web") -> RequestCase:
    event = scene.request(Kind.CPU_HIGH, Action.NONE, incident=incident, container=container)
    return RequestCase(event, event.data, incident, scene.engine.inspect(container))


def escalate(scene: ResponderHarness, responder, occurrence: int, incident: str = "i1") -> Outcome:
    event = scene.request(Kind.CPU_HIGH, Action.NONE, incident=incident, occurrence=occurrence)
    return scene.step(event, responder).outcome


def test_recurring_escalation_gets_evidence_once_in_minutes(scene):
    responder = scene.responder()
    for occurrence in range(1, 11):
        assert escalate(scene, responder, occurrence) is Outcome.ESCALATED
        scene.clock.advance(10)
    assert [each.occurrence for each in scene.dossiers.get("i1")] == [1]
    scene.clock.advance(REPEAT_SECONDS)
    escalate(scene, responder, 11)
    assert [each.occurrence for each in scene.dossiers.get("i1")] == [1, 11]


def test_evidence_is_saved_after_a_thread_could_not_start(scene):
    saved: list[str] = []
    failures = [RuntimeError("can't start new thread")]

    def run(work: Callable[[], None], _: str) -> None:
        if failures:
            raise failures.pop()
        work()

    evidence = EscalationEvidence(lambda case: saved.append(case.incident), scene.clock, run)
    evidence.request(make_case(scene, "i1"))
    assert saved == []
    evidence.request(make_case(scene, "i2"))
    assert saved == ["i1", "i2"]


def test_escalation_is_reported_before_its_evidence(scene):
    """The thread of actions does not wait while a log hangs."""
    release, logs = threading.Event(), scene.engine.logs

    def hang(container: str, tail: int = 100) -> str:
        release.wait(10)
        return logs(container, tail)

    scene.engine.logs = hang
    responder = scene.responder()
    work: list[Callable[[], None]] = []
    responder._evidence._run = lambda each, _: work.append(each)
    assert escalate(scene, responder, 1) is Outcome.ESCALATED
    assert scene.dossiers.get("i1") == []
    release.set()
    (save,) = work
    save()
    assert len(scene.dossiers.get("i1")) == 1


def test_start_that_must_fail_does_not_wait_for_evidence(scene):
    scene.engine.crash("web", 1)
    inspect = scene.engine.inspect
    scene.engine.inspect = lambda name: (
        inspect(name) if name == "389e4c" else msgspec.structs.replace(inspect(name), joined=("389e4c",))
    )
    responder, work = scene.responder(), []
    responder._evidence._run = lambda each, _: work.append(each)
    answer = scene.step(scene.request(), responder)
    assert answer.reported is Reason.NOT_VIABLE
    assert (len(work), scene.dossiers.get("i1")) == (1, [])


def test_snapshots_are_saved_by_one_thread_at_a_time(scene):
    saved, threads, done = [], set(), threading.Event()

    def save(case: RequestCase) -> None:
        threads.add(threading.current_thread().name)
        saved.append(case.incident)
        if len(saved) == 5:
            done.set()

    evidence = EscalationEvidence(save, scene.clock, run_in_background)
    for number in range(5):
        evidence.request(make_case(scene, f"i{number}"))
    assert done.wait(5)
    assert (sorted(saved), threads) == ([f"i{number}" for number in range(5)], {"escalation-evidence"})


def test_thread_rests_as_long_as_a_snapshot_took(scene):
    def save(_: RequestCase) -> None:
        scene.clock.advance(3)

    evidence = EscalationEvidence(save, scene.clock, lambda work, _: work())
    began = scene.clock.now()
    evidence.request(make_case(scene))
    assert scene.clock.now() - began == 6


def test_failure_to_save_does_not_end_the_thread(scene):
    saved, work = [], []

    def save(case: RequestCase) -> None:
        if case.incident == "i0":
            raise ValueError("unreadable")
        saved.append(case.incident)

    evidence = EscalationEvidence(save, scene.clock, lambda each, _: work.append(each))
    for number in range(2):
        evidence.request(make_case(scene, f"i{number}"))
    work[0]()
    evidence.request(make_case(scene, "i2"))
    work[1]()
    assert saved == ["i1", "i2"]


def test_one_project_does_not_fill_the_waiting_snapshots(scene):
    saved, work = [], []
    evidence = EscalationEvidence(
        lambda case: saved.append(case.incident), scene.clock, lambda each, _: work.append(each)
    )
    scene.make("mine", labels=composed("x", "mine"))
    for number in range(MAX_PENDING):
        evidence.request(make_case(scene, f"mine{number}", "mine"))
    evidence.request(make_case(scene, "victim"))
    work[0]()
    assert len(saved) == MAX_PENDING_PER_PROJECT + 1
    assert saved[-1] == "victim"
