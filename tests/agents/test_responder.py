"""The only role that acts: once, within its limits, and not on what has recovered."""

from collections.abc import Callable

import msgspec
import pytest

from hemostat.agents.responder import Responder
from hemostat.agents.responder.attempts import Execution
from hemostat.agents.responder.responder import DECISION_SECONDS
from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.ledger.controls import ApprovalAnswer, Pause
from hemostat.core.ledger.rows import RELEASED, Attempt, LedgerSnapshot, ManualStop, RaisedLimit, Resource
from hemostat.core.model import Service
from hemostat.core.remediation.circuit_breaker import compute_container_breaker
from hemostat.core.remediation.slots import START_SECONDS
from hemostat.core.settings.responder import ResponderSettings
from hemostat.errors import (
    BusUnreachableError,
    EngineError,
    EngineForbiddenError,
    EngineTimeoutError,
    EngineUnreachableError,
)
from hemostat.events import (
    Action,
    Container,
    Event,
    Evidence,
    Kind,
    Outcome,
    Reason,
    RemediationComplete,
    RemediationNeeded,
)
from hemostat.ports import Defer, Interrupted, RunInBackground
from tests.support.responder_harness import MIB, ResponderHarness, interrupt, run_step
from tests.support.samples import DIAGNOSIS, alert, composed


@pytest.fixture
def scene() -> ResponderHarness:
    return ResponderHarness()


def test_crashed_container_is_started_and_verified(scene):
    done = scene.step(scene.crashed())
    assert (done.outcome, done.reason) == (Outcome.HEALED, Reason.VERIFIED)
    assert scene.engine.inspect("web").is_running
    assert (done.before.status, done.after.status) == ("exited", "running")
    assert done.durations["verify"] >= ResponderSettings().verify_for


def test_evidence_contains_recent_measurements(scene):
    points = (MetricPoint(scene.clock.now() - 1, 97.0, MIB), MetricPoint(scene.clock.now(), None, None))
    scene.history["web"] = points
    scene.step(scene.crashed())
    (kept,) = scene.dossiers.get("i1")
    assert (kept.samples, kept.missing) == (points, {})


def test_abandoned_request_has_a_final_outcome(scene):
    request, responder = scene.crashed(), scene.responder()
    (told,) = responder.answer_dead_letter(request, "KeyError: token=hunter2", scene.clock.now())
    assert (told.data.outcome, told.data.reason, told.incident) == (Outcome.FAILED, Reason.GIVEN_UP, "i1")
    assert "KeyError" in told.data.detail
    assert "hunter2" not in told.data.detail
    elsewhere = msgspec.structs.replace(request, host="other")
    assert responder.answer_dead_letter(elsewhere, "", scene.clock.now()) == []


def test_redelivered_request_is_answered_without_action(scene):
    request = scene.crashed()
    scene.step(request)
    again = scene.step(request)
    assert again.outcome is Outcome.HEALED
    assert scene.starts() == 1


def test_crash_after_the_action_does_not_repeat_it(scene):
    request = scene.crashed()
    scene.clock.on_sleep = interrupt
    with pytest.raises(RuntimeError):
        scene.step(request)
    scene.clock.on_sleep = None
    assert scene.step(request).outcome is Outcome.HEALED
    assert scene.starts() == 1


def test_crash_before_the_action_leads_to_the_action(scene):
    request = scene.crashed()
    scene.engine.start, start = broken(EngineUnreachableError("engine gone")), scene.engine.start
    with pytest.raises(EngineUnreachableError):
        scene.step(request)
    scene.engine.start = start
    assert scene.step(request).outcome is Outcome.HEALED
    assert scene.starts() == 1


def begun(scene: ResponderHarness, responder: Responder) -> Event:
    """A request to restart whose responder dies just before the action."""
    event = scene.request(Kind.UNHEALTHY, container=scene.make("app", health=("true",)))
    scene.engine.set_health("app", "unhealthy")
    scene.engine.restart, restart = broken(EngineUnreachableError("engine gone")), scene.engine.restart
    with pytest.raises(EngineUnreachableError):
        scene.step(event, responder)
    scene.engine.restart = restart
    return event


def test_started_action_is_dropped_after_recovery(scene):
    responder, before = scene.responder(), scene.clock.now()
    event = begun(scene, responder)
    scene.clock.advance(600)
    scene.engine.set_health("app", "healthy")
    done = scene.step(event, responder)
    assert (done.outcome, done.reason) == (Outcome.NOT_APPLICABLE, Reason.RECOVERED)
    assert scene.engine.inspect("app").started_at == before
    assert scene.ledger.read("h", "app").running_attempts == ()


@pytest.mark.parametrize(
    ("label", "text", "said"),
    [
        ("hemostat.windw", "1m", "label hemostat.windw is unknown: did you mean hemostat.window?"),
        ("hemostat.protect", "y", "label hemostat.protect cannot be read: 'y' is neither true nor false"),
        ("Hemostat.Enable", "false", "label Hemostat.Enable is unknown: did you mean hemostat.enable?"),
    ],
)
def test_invalid_label_refuses_the_action_and_is_named(scene, label, text, said):
    scene.make("db", labels={label: text})
    done = scene.step(scene.request(Kind.HUNG, container="db"))
    assert (done.outcome, done.reason, done.detail) == (Outcome.REFUSED, Reason.PROTECTED, said)
    assert scene.starts() == 0


def test_secret_in_a_probe_path_does_not_protect(scene):
    scene.make("db", labels={"hemostat.probe": "http://:80/health?token=hunter2hunter2"})
    done = scene.step(scene.request(Kind.HUNG, container="db"))
    assert done.outcome is Outcome.HEALED
    assert "hunter2" not in str(done)


def test_started_action_is_dropped_after_a_stop_by_a_person(scene):
    responder = scene.responder()
    event = begun(scene, responder)
    scene.clock.advance(600)
    scene.engine.stop("app")
    assert scene.step(event, responder).reason is Reason.STOPPED
    assert not scene.engine.inspect("app").is_running


def test_container_stopped_by_a_started_restart_is_started(scene):
    responder = scene.responder()
    event = begun(scene, responder)
    scene.clock.advance(10)
    scene.engine.stop("app")
    scene.clock.advance(600)
    assert scene.step(event, responder).outcome is Outcome.HEALED
    assert scene.engine.inspect("app").is_running


def broken(error: EngineError):
    def call(*_: object) -> None:
        raise error

    return call


def test_other_responder_waits_for_the_running_action(scene):
    request = scene.crashed()
    scene.clock.on_sleep = interrupt
    with pytest.raises(RuntimeError):
        scene.step(request)
    scene.clock.on_sleep = None
    assert isinstance(scene.step(request, scene.responder("b")), Defer)
    scene.clock.advance(500)
    assert scene.step(request, scene.responder("b")).outcome is Outcome.HEALED
    assert scene.starts() == 1


def stop_responder(_: float) -> None:
    raise Interrupted


def stop_during_verification(scene: ResponderHarness, request: Event) -> None:
    scene.clock.on_sleep = stop_responder
    with pytest.raises(Interrupted):
        scene.step(request)
    scene.clock.on_sleep = None


def test_attempt_of_a_stopped_responder_is_resumed_by_another_at_once(scene):
    request = scene.crashed()
    stop_during_verification(scene, request)
    done = scene.step(request, scene.responder("b"))
    assert (done.outcome, scene.starts()) == (Outcome.HEALED, 1)
    (attempt,) = scene.ledger.read("h", "web").attempts
    assert (attempt.by, attempt.tries) == ("responder@b", 2)


def test_attempt_of_a_stopped_responder_stays_under_way(scene):
    """A request of another failure of the container waits until the attempt is resumed, or its lease ends."""
    stop_during_verification(scene, scene.crashed())
    (attempt,) = scene.ledger.read("h", "web").running_attempts
    assert (attempt.by, attempt.outcome) == (RELEASED, None)
    scene.engine.crash("web", 7)
    other = scene.request(incident="i2")
    assert put_off(scene, other, scene.responder("b")).why == "restart of web is under way"


def test_only_one_responder_resumes_a_released_attempt(scene):
    request = scene.crashed()
    stop_during_verification(scene, request)
    answer = scene.responder("b").step(request, scene.clock.now())
    assert isinstance(answer, RunInBackground)
    scene.clock.on_sleep = interrupt
    with pytest.raises(RuntimeError):
        scene.step(request, scene.responder("c"))
    scene.clock.on_sleep = None
    assert isinstance(answer.work(scene.clock.now()), Defer)
    assert scene.starts() == 1


def test_attempt_stays_with_its_responder_when_it_cannot_be_released(scene, monkeypatch):
    request = scene.crashed()
    read = scene.ledger.read
    scene.clock.on_sleep = stop_responder

    def read_until_stopped(*args: str) -> LedgerSnapshot:
        if scene.starts():
            raise BusUnreachableError("Redis is away")
        return read(*args)

    monkeypatch.setattr(scene.ledger, "read", read_until_stopped)
    monkeypatch.setattr(Execution, "_end_if_stopped", lambda *_: None)
    with pytest.raises(Interrupted):
        scene.step(request)
    (attempt,) = read("h", "web").running_attempts
    assert attempt.by == "responder@a"


def test_resumed_action_holds_its_slot_until_verified(scene):
    """By the one that is at work on it now, however long ago it was begun."""
    request = scene.crashed()
    scene.clock.on_sleep = interrupt
    with pytest.raises(RuntimeError):
        scene.step(request)
    scene.clock.advance(500)
    held = []

    def look(_: float) -> None:
        (attempt,) = scene.ledger.read("h", "web").running_attempts
        held.append((attempt.by, attempt.lease > scene.clock.now()))

    scene.clock.on_sleep = look
    assert scene.step(request, scene.responder("b")).outcome is Outcome.HEALED
    assert set(held) == {("responder@b", True)}
    (done,) = scene.ledger.read("h", "web").ended_attempts
    assert (done.by, done.outcome) == ("responder@b", Outcome.HEALED)


def test_one_of_two_responders_resumes_an_action(scene):
    """The other finds that the ledger has been written to, and that it is not its turn."""
    request = scene.crashed()
    scene.engine.start, start = broken(EngineUnreachableError("engine gone")), scene.engine.start
    with pytest.raises(EngineUnreachableError):
        scene.step(request)
    scene.engine.start = start
    scene.clock.advance(500)
    read = scene.ledger.read

    def read_and_be_overtaken(*asked: str) -> LedgerSnapshot:
        book = read(*asked)
        scene.ledger.read, scene.clock.on_sleep = read, interrupt
        with pytest.raises(RuntimeError):
            scene.step(request, scene.responder("c"))
        scene.clock.on_sleep = None
        return book

    scene.ledger.read = read_and_be_overtaken
    assert isinstance(scene.step(request, scene.responder("b")), Defer)
    assert scene.starts() == 1


@pytest.mark.parametrize(
    ("own", "label", "more"),
    [
        (None, None, 0),
        (90.0, None, 90),
        (90.0, "30s", 30),
        (None, "2m", 120),
        (-1, None, 120),
        (3e8, None, 120),
        (None, "50m", 120),
    ],
)
def test_lease_covers_the_stop_timeout(scene, own, label, more):
    """By its own setting (`stop_grace_period`), or by the label that overrules it."""
    plain = lease_of(scene, "plain")
    labels = {} if label is None else {"hemostat.stop_timeout": label}
    inspect = scene.engine.inspect
    scene.engine.inspect = lambda name: msgspec.structs.replace(inspect(name), stop_timeout=own)
    assert lease_of(scene, "slow", labels=labels) == plain + more


def lease_of(scene: ResponderHarness, name: str, **fields) -> float:
    scene.make(name, **fields)
    scene.engine.crash(name, 7)
    scene.step(scene.request(container=name, incident=name))
    (attempt,) = scene.ledger.read("h", name).attempts
    return attempt.lease - attempt.time


def test_concurrent_duplicate_requests_run_once(scene):
    responder, restart = scene.responder(), scene.engine.restart
    event, twin = scene.request(Kind.HUNG), scene.request(Kind.HUNG)
    answers = []

    def restart_slowly(container: str, timeout: float | None = None) -> None:
        scene.engine.restart = restart
        answers.append(run_step(responder, twin, scene.clock.now()))
        restart(container, timeout)

    scene.engine.restart = restart_slowly
    assert scene.step(event, responder).outcome is Outcome.HEALED
    assert isinstance(answers[0], Defer)
    assert scene.starts() == 1
    assert scene.step(twin, responder).outcome is Outcome.HEALED
    assert scene.starts() == 1


def test_container_with_a_slow_stop_is_restarted_once(scene):
    scene.make("db", labels={"hemostat.stop_timeout": "10m"})
    scene.clock.advance(60)
    hung, unhealthy = (scene.request(Kind.HUNG, container="db", incident=name) for name in ("i1", "i2"))
    responder, restart, answers = scene.responder(), scene.engine.restart, []

    def restart_slowly(container: str, timeout: float | None = None) -> None:
        scene.engine.restart = restart
        scene.clock.advance(500)
        answers.append(run_step(responder, unhealthy, scene.clock.now()))
        restart(container, timeout)

    scene.engine.restart = restart_slowly
    assert scene.step(hung, responder).outcome is Outcome.HEALED
    assert isinstance(answers[0], Defer)
    assert scene.step(unhealthy, responder).reason is Reason.RECOVERED


def test_fourth_action_in_an_hour_is_refused(scene):
    outcomes = []
    for occurrence in range(1, 5):
        outcomes.append(scene.step(scene.crashed(occurrence=occurrence)).outcome)
        scene.clock.advance(300)
    assert outcomes == [Outcome.HEALED] * 3 + [Outcome.REFUSED]
    assert scene.starts() == 3
    assert not scene.engine.inspect("web").is_running


def test_backoff_defers_the_next_action(scene):
    scene.step(scene.crashed())
    later = scene.step(scene.crashed(occurrence=2))
    assert isinstance(later, Defer)
    assert later.until > scene.clock.now()
    scene.clock.time = later.until
    assert scene.step(scene.request(occurrence=2)).outcome is Outcome.HEALED


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"protect": ("web",)}, Reason.PROTECTED),
        ({"actions": (Action.CLEANUP,)}, Reason.NOT_ALLOWED),
        ({"mode": "dry-run"}, Reason.DRY_RUN),
    ],
)
def test_action_that_is_not_allowed_is_refused(scene, limits, reason):
    done = scene.step(scene.crashed(), scene.responder(**limits))
    assert done.reason is reason
    assert not scene.engine.inspect("web").is_running


def test_recovered_container_is_not_acted_on(scene):
    request = scene.crashed()
    scene.engine.start("web")
    done = scene.step(request)
    assert (done.outcome, done.reason) == (Outcome.NOT_APPLICABLE, Reason.RECOVERED)
    assert scene.starts() == 1


def test_container_stopped_by_a_person_is_not_started(scene):
    request = scene.request(Kind.UNHEALTHY)
    scene.engine.stop("web")
    assert scene.step(request).reason is Reason.STOPPED
    assert not scene.engine.inspect("web").is_running


def test_container_started_and_stopped_by_a_person_stays_stopped(scene):
    request, responder = scene.crashed(), scene.responder()
    scene.desk.pause("*", Pause(by="ada", at=scene.clock.now()))
    assert isinstance(scene.step(request, responder), Defer)
    scene.clock.advance(5)
    scene.engine.start("web")
    scene.clock.advance(5)
    scene.engine.stop("web")
    scene.desk.resume("*")
    done = scene.step(request, responder)
    assert (done.outcome, done.reason) == (Outcome.NOT_APPLICABLE, Reason.STOPPED)
    assert not scene.engine.inspect("web").is_running


def test_removed_container_is_not_searched(scene):
    request = scene.crashed()
    scene.engine.remove("web")
    assert scene.step(request).reason is Reason.GONE


def test_container_that_dies_again_is_not_healed(scene):
    request = scene.crashed()
    scene.clock.on_sleep = lambda _: scene.engine.inspect("web").is_running and scene.engine.crash("web", 9)
    done = scene.step(request)
    assert (done.outcome, done.reason) == (Outcome.FAILED, Reason.NOT_VERIFIED)
    assert "exited again with code 9" in done.detail


def test_high_cpu_after_the_restart_is_not_healed(scene):
    scene.engine.spin("web", 1.0)
    request = scene.request(Kind.CPU_HIGH, evidence=(Evidence("threshold", 85.0, "%"),))
    scene.clock.on_sleep = lambda _: scene.engine.spin("web", 1.0)
    done = scene.step(request)
    assert done.outcome is Outcome.FAILED
    assert "its CPU is still at" in done.detail


def test_refusal_by_the_engine_is_a_failed_attempt(scene):
    request = scene.crashed()
    scene.engine.start = broken(EngineError("no such image"))
    done = scene.step(request)
    assert (done.outcome, done.reason, done.detail) == (Outcome.FAILED, Reason.ENGINE_ERROR, "no such image")
    assert len(scene.ledger.read("h", "web").attempts) == 1


def test_forbidden_call_names_the_permission(scene):
    request = scene.crashed()
    scene.engine.start = broken(EngineForbiddenError("start web: the proxy forbids POST", hint="allow POST"))
    done = scene.step(request)
    assert (done.outcome, done.reason) == (Outcome.NOT_APPLICABLE, Reason.UNSUPPORTED)
    assert done.detail == "start web: the proxy forbids POST: allow POST"
    book = scene.ledger.read("h", "web")
    limits = ResponderSettings(breaker_failures=1)
    breaker = compute_container_breaker("web", book.ended_attempts, book, limits, scene.clock.now())
    assert breaker.failures == 0


def test_cleanup_empties_labelled_paths_without_a_restart(scene):
    scene.make("cache", labels={"hemostat.cleanup.paths": "/tmp/cache"})
    scene.engine.write("cache", size=24 * MIB)
    commands = []

    def clean(container: str, command) -> tuple[int, str]:
        commands.append(command[-1])
        scene.engine.write(container, size=-24 * MIB)
        return 0, ""

    scene.engine.on_exec = clean
    evidence = (Evidence("threshold", 16 * MIB, "B"),)
    done = scene.step(scene.request(Kind.DISK_HIGH, Action.CLEANUP, container="cache", evidence=evidence))
    assert (done.outcome, commands) == (Outcome.HEALED, ["/tmp/cache"])
    assert scene.starts() == 0


def test_request_that_needs_a_person_is_escalated(scene):
    done = scene.step(scene.request(Kind.CPU_HIGH, Action.NONE))
    assert (done.outcome, done.reason) == (Outcome.ESCALATED, Reason.NEEDS_PERSON)
    assert scene.starts() == 0
    assert [kept.action for kept in scene.dossiers.get("i1")] == [Action.NONE]


def test_request_for_another_host_is_skipped(scene):
    elsewhere = msgspec.structs.replace(scene.crashed(), host="elsewhere")
    assert scene.responder().step(elsewhere, scene.clock.now()) == []
    assert not scene.engine.inspect("web").is_running


def put_off(scene: ResponderHarness, event: Event, responder: Responder, *reported: str) -> Defer:
    answer = run_step(responder, event, scene.clock.now(), reported)
    assert isinstance(answer, Defer)
    return answer


def later(
    scene: ResponderHarness, event: Event, responder: Responder, *reported: str
) -> tuple[str, list[RemediationComplete]]:
    answer = put_off(scene, event, responder, *reported)
    return answer.why, [told.data for told in answer.outputs]


def test_pause_defers_actions_with_one_notification(scene):
    scene.desk.pause("*", Pause(by="ann", at=scene.clock.now()))
    event, responder = scene.crashed(), scene.responder()
    answer = put_off(scene, event, responder)
    assert (answer.why, [(each.data.outcome, each.data.reason) for each in answer.outputs]) == (
        "paused by ann",
        [(Outcome.WAITING, Reason.PAUSED)],
    )
    assert answer.reported == Reason.PAUSED
    assert later(scene, event, scene.responder("another"), answer.reported)[1] == []
    assert not scene.engine.inspect("web").is_running
    scene.desk.resume("*")
    assert scene.step(event, responder).outcome is Outcome.HEALED


def test_approved_request_is_executed(scene):
    event, responder = scene.crashed(), scene.responder(mode="approve")
    answer = put_off(scene, event, responder)
    (waiting,) = scene.desk.list_approvals()
    assert [(each.data.outcome, each.data.detail) for each in answer.outputs] == [
        (Outcome.AWAITING_APPROVAL, f"restart? hemostat approve {waiting.id}")
    ]
    assert later(scene, event, responder, answer.reported)[1] == []
    scene.desk.answer_approval(
        waiting.id, ApprovalAnswer.APPROVED, by="ann", reason="", now=scene.clock.now()
    )
    assert scene.step(event, responder).outcome is Outcome.HEALED


def test_rejected_request_names_who_rejected_it_and_why(scene):
    event, responder = scene.crashed(), scene.responder(mode="approve")
    later(scene, event, responder)
    (waiting,) = scene.desk.list_approvals()
    scene.desk.answer_approval(
        waiting.id, ApprovalAnswer.REJECTED, by="ann", reason="deploying", now=scene.clock.now()
    )
    done = scene.step(event, responder)
    assert (done.outcome, done.reason, done.detail) == (
        Outcome.REFUSED,
        Reason.REJECTED,
        "by ann: deploying",
    )


def test_action_after_a_rejection_needs_an_approval_in_every_mode(scene):
    event = scene.crashed()
    later(scene, event, scene.responder(mode="approve"))
    (waiting,) = scene.desk.list_approvals()
    scene.desk.answer_approval(
        waiting.id, ApprovalAnswer.REJECTED, by="ann", reason="", now=scene.clock.now()
    )
    again, other = scene.request(occurrence=2), scene.request(occurrence=2, incident="i2")
    answer = put_off(scene, again, scene.responder())
    assert [each.data.outcome for each in answer.outputs] == [Outcome.AWAITING_APPROVAL]
    assert scene.step(other).outcome is Outcome.HEALED


def test_approval_that_expires_is_a_refusal(scene):
    event, responder = scene.crashed(), scene.responder(mode="approve", approve_for=60.0)
    later(scene, event, responder)
    scene.clock.advance(61)
    done = scene.step(event, responder)
    assert (done.outcome, done.reason) == (Outcome.EXPIRED, Reason.NO_ANSWER)
    assert not scene.engine.inspect("web").is_running


def test_approval_masks_the_secret_in_the_command(scene):
    scene.make("redis", labels={"hemostat.exec": "redis-cli -a s3cret shutdown"})
    event = scene.request(Kind.HUNG, Action.EXEC, container="redis")
    responder = scene.responder(mode="approve", actions=(Action.EXEC,))
    assert "s3cret" not in later(scene, event, responder)[1][0].detail
    (waiting,) = scene.desk.list_approvals()
    assert waiting.plan.startswith("run redis-cli -a")
    assert "s3cret" not in waiting.plan


def test_a_request_that_waits_for_approval_takes_no_worker(scene):
    """Any label can ask for approval: requests that wait must leave the workers and the stream to others."""
    event, responder = scene.crashed(), scene.responder(mode="approve")
    answer = put_off(scene, event, responder)
    again = responder.step(event, scene.clock.now(), [answer.reported])
    assert isinstance(again, Defer)
    assert (again.why, again.outputs, again.reported) == ("it waits for approval", (), "")


def test_pending_approval_costs_no_call_of_the_engine(scene, monkeypatch):
    event, responder = scene.crashed(), scene.responder(mode="approve")
    answer = put_off(scene, event, responder)
    monkeypatch.setattr(scene.engine, "_box", None)  # each call fails
    assert put_off(scene, event, responder, answer.reported).why == "it waits for approval"


def test_pending_approval_ends_with_its_incident(scene):
    event, responder = scene.crashed(), scene.responder(mode="approve")
    answer = put_off(scene, event, responder)
    scene.engine.start("web")
    scene.incidents.clear()
    assert scene.step(event, responder, [answer.reported]).outcome is not Outcome.AWAITING_APPROVAL


def test_one_of_two_responders_requests_the_approval(scene):
    event = scene.crashed()
    answer = put_off(scene, event, scene.responder("a", mode="approve"))
    assert len(answer.outputs) == 1
    assert later(scene, event, scene.responder("b", mode="approve"), answer.reported)[1] == []
    assert len(scene.desk.list_approvals()) == 1


def test_approval_is_published_after_a_crash(scene):
    """The request comes again as it was: that there is something on the desk is no proof that people know."""
    event = scene.crashed()
    first = put_off(scene, event, scene.responder(mode="approve"))
    (asked,) = scene.desk.list_approvals()
    scene.clock.advance(5)
    again = put_off(scene, event, scene.responder(mode="approve"))
    assert [each.data.detail for each in again.outputs] == [each.data.detail for each in first.outputs]
    assert scene.desk.list_approvals() == [asked], "the time to answer is not counted anew"


def test_deferred_approval_is_due_at_its_expiry(scene):
    responder = scene.responder(mode="approve", approve_for=0.4)
    answer = put_off(scene, scene.crashed(), responder)
    assert answer.until == scene.clock.now() + 0.4


def test_last_healthy_replica_is_not_restarted(scene):
    labels = composed("api")
    first, second = scene.make("api-1", labels=labels), scene.make("api-2", labels=labels)
    scene.clock.advance(60)
    scene.engine.crash(second, 1)
    event = scene.request(Kind.CPU_HIGH, container="api-1")
    why, told = later(scene, event, scene.responder())
    assert why == "0 of 1 other replicas are healthy, 1 required"
    assert [each.reason for each in told] == [Reason.MIN_HEALTHY]
    assert scene.engine.inspect(first).started_at < scene.clock.now() - 30


@pytest.mark.parametrize("config", ["", "0" * 64])
def test_forged_replica_does_not_block_a_restart(scene, config):
    """Nor does one of the service that was made and never started."""
    scene.make("api-1", labels=composed("api"))
    forged = scene.make("evil", labels={**composed("api"), "com.docker.compose.config-hash": config})
    created = scene.engine._boxes[scene.make("api-2", labels=composed("api"))]
    scene.clock.advance(60)
    scene.engine.crash(forged, 1)
    created.status, created.started_at, created.process = "created", 0.0, None
    assert scene.step(scene.request(Kind.CPU_HIGH, container="api-1")).outcome is Outcome.HEALED


def test_failed_outcome_contains_the_alert(scene):
    event = scene.request(Kind.UNHEALTHY)
    scene.engine.set_health("web", "unhealthy")
    scene.clock.on_sleep = lambda _: scene.engine.set_health("web", "unhealthy")
    done = scene.step(event)
    assert done.outcome is Outcome.FAILED
    assert done.alert == event.data.alert


def test_masked_evidence_is_stored_before_the_action(scene):
    scene.engine.write("web", log="connecting to postgres://app:hunter2@db/app")
    scene.step(scene.crashed())
    (kept,) = scene.dossiers.get("i1")
    assert kept.state.status == "exited"
    assert "connecting to postgres://app" in kept.log
    assert "hunter2" not in kept.log


def test_evidence_that_cannot_be_stored_blocks_no_action(scene, monkeypatch):
    def lost(*_):
        raise BusUnreachableError("gone")

    monkeypatch.setattr(scene.dossiers, "put", lost)
    assert scene.step(scene.crashed()).outcome is Outcome.HEALED


def scaled_up(scene: ResponderHarness, **limits) -> Responder:
    """A container that has died of its memory limit twice is given more."""
    labels = {"hemostat.scale.memory_max": "128MiB", "hemostat.exec": "redis-cli -a s3cret shutdown"}
    scene.make("hungry", memory=64 * MIB, labels=labels)
    scene.clock.advance(60)
    scene.engine.oom("hungry")
    responder = scene.responder(actions=(Action.SCALE,), **limits)
    event = scene.request(Kind.OOM, Action.SCALE, container="hungry", parameters={"resource": "memory"})
    done = scene.step(event, responder)
    assert (done.outcome, done.detail) == (Outcome.HEALED, "memory 64.0 MiB → 96.0 MiB")
    return responder


def test_raised_limit_is_restored_after_calm(scene):
    responder = scaled_up(scene)
    assert scene.engine.inspect("hungry").memory_limit == 96 * MIB
    assert responder.scale_back_due(scene.clock.advance(60)) == []
    (told,) = responder.scale_back_due(scene.clock.advance(1800))
    assert told.data.detail == "back: memory 96.0 MiB → 64.0 MiB"
    assert "s3cret" not in str(told.data)
    assert scene.engine.inspect("hungry").memory_limit == 64 * MIB
    assert responder.scale_back_due(scene.clock.advance(1800)) == []


@pytest.mark.parametrize("where", ["update", "remove_raised_limit"])
def test_interrupted_scale_down_is_completed(scene, where):
    """Whether it died before the limit was put back or after: nothing stays raised, and the record goes."""
    responder = scaled_up(scene)
    owner = scene.engine if where == "update" else scene.ledger
    whole = getattr(owner, where)
    setattr(owner, where, interrupted)
    with pytest.raises(RuntimeError):
        responder.scale_back_due(scene.clock.advance(3600))
    setattr(owner, where, whole)
    scene.responder(actions=(Action.SCALE,)).scale_back_due(scene.clock.advance(60))
    assert scene.engine.inspect("hungry").memory_limit == 64 * MIB
    assert scene.ledger.list_raised_limits("h") == []


def test_raise_without_outcome_is_restored_after_a_crash(scene):
    finish, scene.ledger.finish = scene.ledger.finish, interrupted
    with pytest.raises(RuntimeError):
        scaled_up(scene)
    scene.ledger.finish = finish
    assert scene.engine.inspect("hungry").memory_limit == 96 * MIB
    assert [each.before for each in scene.ledger.list_raised_limits("h")] == [64 * MIB]


def test_second_raise_is_restored_to_the_first_limit(scene):
    """A look at it between the second raise and its record finds a limit that no record tells of."""
    responder = scaled_up(scene, backoff=0.0)
    scene.clock.advance(3600)
    scene.engine.oom("hungry")
    event = scene.request(
        Kind.OOM, Action.SCALE, container="hungry", parameters={"resource": "memory"}, incident="i2"
    )
    scene.clock.on_sleep = lambda _: told.extend(responder.scale_back_due(scene.clock.now()))
    told = []
    assert scene.step(event, responder).detail == "memory 96.0 MiB → 128.0 MiB"
    assert told == []
    scene.clock.on_sleep = None
    assert len(responder.scale_back_due(scene.clock.advance(3600))) == 1
    assert scene.engine.inspect("hungry").memory_limit == 64 * MIB


def interrupted(*_: object, **__: object) -> None:
    raise RuntimeError("killed")


def test_limit_changed_by_others_is_not_restored(scene):
    responder = scaled_up(scene)
    scene.engine.update("hungry", memory=100 * MIB)
    assert responder.scale_back_due(scene.clock.advance(3600)) == []
    assert scene.engine.inspect("hungry").memory_limit == 100 * MIB
    assert scene.ledger.list_raised_limits("h") == []


@pytest.mark.parametrize(("cores", "replicas"), [(0.1, 2), (0.4, 3)], ids=["calm", "busy"])
def test_replicas_are_removed_when_fewer_suffice(scene, cores, replicas):
    """Each may use half a core: three that use 0.1 do the work of 0.6, three that use 0.4 that of 2.4."""
    labels = {"com.docker.swarm.service.id": "s1", "hemostat.scale.max": "3"}
    scene.engine.services["s1"] = Service(id="s1", name="shop", replicas=2, labels=labels)
    for name in ("shop-1", "shop-2"):
        scene.make(name, cpus=0.5, labels=labels)
    responder = scene.responder(actions=(Action.SCALE,))
    event = scene.request(Kind.CPU_HIGH, Action.SCALE, container="shop-1", parameters={"resource": "cpu"})
    assert scene.step(event, responder).detail == "replicas 2 → 3"
    scene.make("shop-3", cpus=0.5, labels=labels)
    scene.engine.remove("shop-1")
    for name in ("shop-2", "shop-3"):
        scene.engine.spin(name, cores)
    told = responder.scale_back_due(scene.clock.advance(3600))
    assert scene.engine.read_service("s1").replicas == replicas
    assert [each.data.detail for each in told] == (["back: replicas 3 → 2"] if replicas == 2 else [])


def test_pause_defers_scale_down(scene):
    responder = scaled_up(scene)
    scene.desk.pause("*", Pause(by="ann", at=scene.clock.now()))
    assert responder.scale_back_due(scene.clock.advance(3600)) == []
    assert scene.engine.inspect("hungry").memory_limit == 96 * MIB


def test_pause_of_a_container_defers_its_scale_down(scene):
    responder = scaled_up(scene)
    scene.desk.pause("hungry", Pause(by="ann", at=scene.clock.now()))
    assert responder.scale_back_due(scene.clock.advance(3600)) == []
    assert scene.engine.inspect("hungry").memory_limit == 96 * MIB
    scene.desk.resume("hungry")
    assert len(responder.scale_back_due(scene.clock.now())) == 1


def test_dry_run_scales_nothing_down(scene):
    scaled_up(scene)
    responder = scene.responder(modes={Action.SCALE: "dry-run"})
    assert responder.scale_back_due(scene.clock.advance(3600)) == []
    assert scene.engine.inspect("hungry").memory_limit == 96 * MIB


def test_failed_scale_down_does_not_block_others(scene):
    scene.ledger.save_raised_limit(
        "h",
        RaisedLimit(container="c0", resource=Resource.REPLICAS, before=1, after=2, time=0.0, service="gone"),
    )
    responder = scaled_up(scene)
    assert len(responder.scale_back_due(scene.clock.advance(3600))) == 1
    assert scene.engine.inspect("hungry").memory_limit == 64 * MIB


def test_impossible_action_costs_no_budget(scene):
    scene.make("plain", memory=64 * MIB)
    event = scene.request(Kind.CPU_HIGH, Action.SCALE, container="plain", parameters={"resource": "cpu"})
    done = scene.step(event, scene.responder(actions=(Action.SCALE,)))
    assert (done.outcome, done.reason) == (Outcome.NOT_APPLICABLE, Reason.UNSUPPORTED)
    assert done.detail == "it has no cpu limit to raise"
    assert scene.ledger.read("h", "plain").attempts == ()


def test_plan_refused_by_the_engine_is_reported(scene):
    scene.make("replica", labels={"com.docker.swarm.service.id": "s1"})
    event = scene.request(Kind.CPU_HIGH, Action.SCALE, container="replica", parameters={"resource": "cpu"})
    for mode in ("auto", "approve"):
        done = scene.step(event, scene.responder(mode=mode, actions=(Action.SCALE,)))
        assert (done.outcome, done.reason) == (Outcome.NOT_APPLICABLE, Reason.UNSUPPORTED)
        assert done.detail == "service s1 not found"
        assert done.alert is not None


def host_alert(scene: ResponderHarness) -> Event:
    facts = (
        Evidence("disk", 95.0, "%"),
        Evidence("threshold", 90.0, "%"),
        Evidence("disk_free", 5 * MIB, "B"),
    )
    told = alert(
        kind=Kind.DISK_HIGH, container=Container(id="", name="h"), since=scene.clock.now(), evidence=facts
    )
    scene.incidents["h", "i9"] = "h"
    data = RemediationNeeded(alert=told, action=Action.CLEANUP, diagnosis=DIAGNOSIS)
    return Event.make(data, time=scene.clock.now(), host="h", source="analyzer@1", incident="i9")


def test_host_cleanup_needs_permission_in_the_settings(scene):
    done = scene.step(host_alert(scene))
    assert (done.outcome, done.reason, done.detail) == (
        Outcome.REFUSED,
        Reason.NOT_ALLOWED,
        "responder.cleanup_host is false",
    )


def test_host_cleanup_is_verified_by_the_freed_space(scene):
    old = scene.make("old")
    scene.engine.write(old, size=6 * MIB)
    scene.engine.stop(old)
    scene.clock.advance(90_000)
    done = scene.step(host_alert(scene), scene.responder(cleanup_host=True))
    assert (done.outcome, done.detail) == (
        Outcome.HEALED,
        "1 stopped container 6.0 MiB: 6.0 MiB freed",
    )


@pytest.mark.parametrize("is_over", [True, False])
def test_container_with_the_name_of_the_host_does_not_hold_its_cleanup(scene, is_over):
    old = scene.make("old")
    scene.engine.write(old, size=6 * MIB)
    scene.engine.stop(old)
    scene.clock.advance(90_000)
    for number in range(9):
        begin = scene.clock.now() - 30 + number
        own = Attempt(
            key=f"own:{number}",
            container="h",
            container_id="c9",
            action=Action.RESTART,
            time=begin,
            by="responder@b",
            lease=begin + 120,
        )
        assert scene.ledger.reserve("h", own, scene.ledger.read("h", "h").version)
        if is_over:
            end = msgspec.structs.replace(own, outcome=Outcome.FAILED, finished=scene.clock.now())
            scene.ledger.finish("h", end)
    done = scene.step(host_alert(scene), scene.responder(cleanup_host=True, concurrency=20, rush=20))
    assert done.outcome is Outcome.HEALED


BUSY = (Evidence("threshold", 85.0, "%"),)


def test_condition_that_ended_meanwhile_is_not_acted_on(scene):
    event, responder = scene.request(Kind.CPU_HIGH, evidence=BUSY), scene.responder()
    scene.desk.pause("*", Pause(by="ann", at=scene.clock.now(), until=scene.clock.now() + 120))
    later(scene, event, responder)
    scene.clock.advance(121)
    done = scene.step(event, responder)
    assert (done.outcome, done.reason) == (Outcome.NOT_APPLICABLE, Reason.RECOVERED)
    assert scene.starts() == 0


def test_condition_that_lasts_is_acted_on(scene):
    event, responder = scene.request(Kind.CPU_HIGH, evidence=BUSY), scene.responder()
    scene.engine.spin("web", 1.0)
    scene.clock.advance(60)
    assert scene.step(event, responder).outcome is Outcome.HEALED


def test_started_action_that_is_now_forbidden_is_not_resumed(scene):
    event = scene.crashed()
    found = scene.engine.inspect("web")
    attempt = Attempt(
        key="i1:1:0",
        container="web",
        action=Action.RESTART,
        time=scene.clock.now(),
        by="responder@a",
        lease=scene.clock.now() + 60,
        started_at=found.started_at,
    )
    scene.ledger.reserve("h", attempt, scene.ledger.read("h", "web").version)
    done = scene.step(event, scene.responder(protect=("web",)))
    assert (done.outcome, done.reason) == (Outcome.REFUSED, Reason.PROTECTED)
    assert not scene.engine.inspect("web").is_running
    assert scene.ledger.read("h", "web").running_attempts == ()


def test_only_actions_run_in_the_background(scene):
    """A request that is refused or has to wait is answered at once; without a free thread the others wait."""
    event, now = scene.crashed(), scene.clock.now()
    assert isinstance(scene.responder(protect=("web",)).step(event, now), list)
    answer = scene.responder().step(event, now)
    assert isinstance(answer, RunInBackground)
    assert isinstance(answer.otherwise(now), Defer)
    assert not scene.engine.inspect("web").is_running


def test_stale_decision_is_made_again_in_the_background(scene):
    """The request may have waited, and a person may have started the container or paused remediation."""
    responder = scene.responder()
    answer = responder.step(scene.crashed(), scene.clock.now())
    scene.clock.advance(DECISION_SECONDS)
    scene.desk.pause("*", Pause(by="ann", at=scene.clock.now()))
    assert isinstance(answer.work(scene.clock.now()), Defer)
    scene.desk.resume("*")
    scene.clock.advance(5)
    scene.engine.start("web")
    scene.clock.advance(5)
    (told,) = answer.work(scene.clock.now())
    assert told.data.reason is Reason.RECOVERED
    assert scene.starts() == 1


def test_request_without_an_alert_is_refused(scene):
    event = scene.crashed()
    scene.incidents.clear()
    done = scene.step(event)
    assert (done.outcome, done.reason) == (Outcome.REFUSED, Reason.UNKNOWN_INCIDENT)
    assert not scene.engine.inspect("web").is_running


def at_evidence(scene: ResponderHarness, happens) -> None:
    """Let it happen while evidence is gathered: after the attempt is reserved, before anything is done."""
    put = scene.dossiers.put

    def put_meanwhile(*kept):
        scene.dossiers.put = put
        happens()
        return put(*kept)

    scene.dossiers.put = put_meanwhile


def test_stop_while_evidence_is_gathered_is_respected(scene):
    at_evidence(scene, lambda: scene.engine.stop("web"))
    done = scene.step(scene.request(Kind.HUNG))
    assert (done.outcome, done.reason) == (Outcome.NOT_APPLICABLE, Reason.STOPPED)
    assert not scene.engine.inspect("web").is_running
    assert scene.ledger.read("h", "web").running_attempts == ()


def test_container_that_is_being_stopped_by_a_person_is_not_restarted(scene):
    """Its stop begins while evidence is gathered, and it takes its time to stop."""
    before = scene.engine.inspect("web").started_at
    scene.clock.advance(60)
    now = scene.clock.now()
    at_evidence(scene, lambda: scene.ledger.note_stop("h", "web", ManualStop(now, now + 90)))
    assert scene.step(scene.request(Kind.HUNG)).reason is Reason.STOPPED
    assert scene.engine.inspect("web").started_at == before


def test_removal_while_evidence_is_gathered_is_reported(scene):
    event = scene.crashed()
    at_evidence(scene, lambda: scene.engine.remove("web"))
    assert scene.step(event).reason is Reason.GONE


def test_pause_stops_an_action_that_is_about_to_run(scene):
    """A reserved attempt has not acted yet: its evidence and plan may take long."""
    event, responder = scene.crashed(), scene.responder()
    at_evidence(scene, lambda: scene.desk.pause("*", Pause(by="ann", at=scene.clock.now())))
    answer = put_off(scene, event, responder)
    assert not scene.engine.inspect("web").is_running
    again = put_off(scene, event, responder, answer.reported)
    assert [each.data.reason for each in again.outputs] == [Reason.PAUSED]
    scene.desk.resume("*")
    assert scene.step(event, responder).outcome is Outcome.HEALED
    assert scene.starts() == 1


def test_responder_that_lost_its_lease_does_not_act(scene):
    event = scene.request(Kind.HUNG)
    answers = []

    def freeze() -> None:
        scene.clock.advance(500)
        answers.append(scene.step(event, scene.responder("b")))

    at_evidence(scene, freeze)
    assert isinstance(scene.step(event, scene.responder("a")), Defer)
    assert [each.outcome for each in answers] == [Outcome.HEALED]
    assert scene.starts() == 1


def test_slow_plan_does_not_shorten_the_lease(scene):
    event = scene.crashed()
    responder = scene.responder()
    plan = responder._executor.plan

    def plan_slowly(*asked):
        scene.clock.advance(300)
        return plan(*asked)

    responder._executor.plan = plan_slowly
    scene.step(event, responder)
    (attempt,) = scene.ledger.read("h", "web").attempts
    assert attempt.lease > scene.clock.now() + 100


def test_request_with_a_mismatched_name_is_refused(scene):
    """Its labels are read from the container that it names, about which there must be an alert."""
    scene.make("db", labels={"hemostat.protect": "true"})
    request = scene.request(Kind.HUNG)
    lent = Container(id=scene.engine.inspect("db").ref.id, name="web")
    alert = msgspec.structs.replace(request.data.alert, container=lent)
    forged = msgspec.structs.replace(request, data=msgspec.structs.replace(request.data, alert=alert))
    done = scene.step(forged)
    assert (done.outcome, done.reason) == (Outcome.REFUSED, Reason.UNKNOWN_INCIDENT)
    assert scene.starts() == 0


def test_started_raise_is_dropped_after_a_stop_by_a_person(scene):
    app = scene.make("app", cpus=0.5, labels={"hemostat.scale.cpu_max": "2"})
    responder = scene.responder(actions=(Action.SCALE,))
    event = scene.request(Kind.CPU_HIGH, Action.SCALE, container=app, parameters={"resource": "cpu"})
    scene.engine.update, update = interrupted, scene.engine.update
    with pytest.raises(RuntimeError):
        scene.step(event, responder)
    scene.engine.update = update
    scene.engine.stop(app)
    scene.step(event, responder)
    assert not scene.engine.inspect(app).is_running


def test_raised_service_is_restored_after_its_replica_left(scene):
    """Swarm replaces an unhealthy replica: the service still has more replicas."""
    labels = {"com.docker.swarm.service.id": "s1", "hemostat.scale.max": "3"}
    scene.engine.services["s1"] = Service(id="s1", name="shop", replicas=2, labels=labels)
    for name in ("shop-1", "shop-2"):
        scene.make(name, cpus=0.5, labels=labels)
    responder = scene.responder(actions=(Action.SCALE,))
    event = scene.request(Kind.CPU_HIGH, Action.SCALE, container="shop-1", parameters={"resource": "cpu"})
    scene.clock.on_sleep = lambda _: scene.engine.remove("shop-1")
    done = scene.step(event, responder)
    scene.clock.on_sleep = None
    assert (done.outcome, done.reason) == (Outcome.FAILED, Reason.GONE)
    responder.scale_back_due(scene.clock.advance(3600))
    assert scene.engine.read_service("s1").replicas == 2


def test_failed_second_raise_keeps_the_first_restorable(scene):
    responder = scaled_up(scene, backoff=0.0)
    scene.clock.advance(60)
    scene.engine.oom("hungry")
    event = scene.request(
        Kind.OOM, Action.SCALE, container="hungry", parameters={"resource": "memory"}, incident="i2"
    )
    scene.engine.update, update = refused, scene.engine.update
    assert scene.step(event, responder).outcome is Outcome.FAILED
    scene.engine.update = update
    scene.engine.start("hungry")
    responder.scale_back_due(scene.clock.advance(3600))
    assert scene.engine.inspect("hungry").memory_limit == 64 * MIB


def refused(*_: object, **__: object) -> None:
    raise EngineError("the engine does not want to")


def test_raise_that_is_now_forbidden_is_restored_after_a_crash(scene):
    scene.make("busy", cpus=0.5, labels={"hemostat.scale.cpu_max": "2"})
    event = scene.request(Kind.CPU_HIGH, Action.SCALE, container="busy", parameters={"resource": "cpu"})
    scene.clock.on_sleep = interrupt
    with pytest.raises(RuntimeError):
        scene.step(event, scene.responder(actions=(Action.SCALE,)))
    scene.clock.on_sleep = None
    assert scene.step(event, scene.responder(actions=())).outcome is Outcome.REFUSED
    scene.responder(actions=(Action.SCALE,)).scale_back_due(scene.clock.advance(3600))
    assert scene.engine.inspect("busy").cpu_limit == 0.5


def test_service_raised_twice_is_restored_to_its_first_size(scene):
    labels = {"com.docker.swarm.service.id": "s1", "hemostat.scale.max": "9"}
    scene.engine.services["s1"] = Service(id="s1", name="shop", replicas=2, labels=labels)
    responder, told = scene.responder(actions=(Action.SCALE,)), []
    for name in ("shop-1", "shop-2"):
        scene.make(name, cpus=0.5, labels=labels)
    for name in ("shop-1", "shop-2"):
        event = scene.request(
            Kind.CPU_HIGH, Action.SCALE, container=name, parameters={"resource": "cpu"}, incident=name
        )
        scene.step(event, responder)
        scene.clock.on_sleep = lambda _: told.extend(responder.scale_back_due(scene.clock.now()))
    scene.clock.on_sleep = None
    assert (told, scene.engine.read_service("s1").replicas) == ([], 5)
    assert [(each.before, each.after) for each in scene.ledger.list_raised_limits("h")] == [(2, 5)]


def test_pause_applies_within_a_scale_down_round(scene):
    """A look at what is used takes a second for each."""
    labels = {"hemostat.scale.cpu_max": "2"}
    scene.make("busy", cpus=0.5, labels=labels)
    responder = scene.responder(actions=(Action.SCALE,))
    event = scene.request(Kind.CPU_HIGH, Action.SCALE, container="busy", parameters={"resource": "cpu"})
    scene.step(event, responder)
    raised = scene.engine.inspect("busy").cpu_limit
    scene.clock.on_sleep = lambda _: scene.desk.pause("*", Pause(by="ann", at=scene.clock.now()))
    responder.scale_back_due(scene.clock.advance(3600))
    assert scene.engine.inspect("busy").cpu_limit == raised > 0.5


def test_container_that_is_now_protected_is_not_scaled_down(scene):
    scaled_up(scene)
    responder = scene.responder(actions=(Action.SCALE,), protect=("hun*",))
    assert responder.scale_back_due(scene.clock.advance(3600)) == []
    assert scene.engine.inspect("hungry").memory_limit == 96 * MIB


def test_container_removed_after_its_restart_counts_as_acted_on(scene):
    """Otherwise a container that is recreated endlessly would be restarted endlessly."""
    event = scene.request(Kind.HUNG)
    scene.clock.on_sleep = lambda _: scene.engine.remove("web")
    done = scene.step(event)
    assert (done.outcome, done.reason) == (Outcome.FAILED, Reason.GONE)
    scene.clock.on_sleep = None
    scene.make("web")
    assert isinstance(scene.step(scene.request(Kind.HUNG, incident="i2")), Defer), "there is a back-off"


def test_duplicate_requests_create_one_approval(scene):
    """An analyzer that two alerts of one failure reach asks twice, and not always for the same."""
    event, responder = scene.crashed(), scene.responder(mode="approve")
    answer = put_off(scene, event, responder)
    scene.clock.advance(1)
    twin = scene.request(action=Action.START)
    assert run_step(responder, twin, scene.clock.now()) == []
    (waiting,) = scene.desk.list_approvals()
    scene.desk.answer_approval(
        waiting.id, ApprovalAnswer.APPROVED, by="ann", reason="", now=scene.clock.now()
    )
    assert scene.step(event, responder, [answer.reported]).action is Action.RESTART


def test_repeated_approval_event_has_the_same_id(scene):
    """After a crash, or where the request is on its stream twice: stores recognise the event by its id."""
    event = scene.crashed()
    first = put_off(scene, event, scene.responder(mode="approve"))
    scene.clock.advance(5)
    again = put_off(scene, event, scene.responder(mode="approve"))
    assert again.outputs == first.outputs


def test_approval_applies_only_to_the_requested_action(scene):
    later(scene, scene.crashed(), scene.responder(mode="approve"))
    (waiting,) = scene.desk.list_approvals()
    scene.desk.answer_approval(
        waiting.id, ApprovalAnswer.APPROVED, by="ann", reason="", now=scene.clock.now()
    )
    twin = scene.request(action=Action.CLEANUP)
    done = scene.step(twin, scene.responder(mode="approve"))
    assert (done.outcome, done.reason) == (Outcome.REFUSED, Reason.NOT_ALLOWED)
    assert done.detail == "an approval was requested for restart"


def test_command_that_may_have_run_is_not_repeated(scene):
    """Nothing tells whether it was: it is judged by whether the symptom is gone."""
    scene.make("cache", labels={"hemostat.exec": "cache flush"})
    event, responder = (
        scene.request(Kind.HUNG, Action.EXEC, container="cache"),
        scene.responder(actions=(Action.EXEC,)),
    )
    runs = []
    scene.engine.on_exec = lambda *run: (runs.append(run), (0, ""))[1]
    scene.clock.on_sleep = interrupt
    with pytest.raises(RuntimeError):
        scene.step(event, responder)
    scene.clock.on_sleep = None
    done = scene.step(event, responder)
    assert (done.outcome, done.detail) == (
        Outcome.HEALED,
        "it may have run before an interruption, and is not repeated",
    )
    assert len(runs) == 1


def test_command_output_is_cut_without_exposing_a_secret(scene):
    scene.make("cache", labels={"hemostat.exec": "cache dump"})
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    scene.engine.on_exec = lambda *_: (0, "x" * 180 + " " + key)
    done = scene.step(
        scene.request(Kind.HUNG, Action.EXEC, container="cache"), scene.responder(actions=(Action.EXEC,))
    )
    assert key[:15] not in done.detail


def ask_during_restart(scene: ResponderHarness, meanwhile: Callable[[], object]) -> list[Event] | Defer:
    """What another request for the container is answered during its restart, after `meanwhile`."""
    hung, unhealthy = scene.request(Kind.HUNG), scene.request(Kind.HUNG, incident="i2")
    responder, restart, answers = scene.responder(backoff=0.0), scene.engine.restart, []

    def restart_slowly(container: str, timeout: float | None = None) -> None:
        scene.engine.restart = restart
        meanwhile()
        answers.append(run_step(responder, unhealthy, scene.clock.now()))
        restart(container, timeout)

    scene.engine.restart = restart_slowly
    assert scene.step(hung, responder).outcome is Outcome.HEALED
    (answer,) = answers
    return answer


def test_running_action_holds_its_slot_after_its_lease(scene):
    """Those that share its network may take long to stop, too; or the clock has been set ahead."""
    assert isinstance(ask_during_restart(scene, lambda: scene.clock.advance(700)), Defer)
    assert scene.starts() == 1


def test_pause_of_a_network_member_applies(scene):
    """But not one of everything that comes in between: what was begun is brought to its end."""
    for name in ("kept", "side"):
        scene.make(name, network=f"container:{scene.web}")
    scene.desk.pause("kept", Pause(by="ann", at=scene.clock.now()))
    restart = scene.engine.restart

    def pause_meanwhile(container: str, timeout: float | None = None) -> None:
        restart(container, timeout)
        scene.desk.pause("*", Pause(by="ann", at=scene.clock.now()))

    scene.engine.restart = pause_meanwhile
    scene.clock.advance(60)
    done = scene.step(scene.request(Kind.HUNG))
    assert done.detail == "kept has no network: it is paused; side re-attached to its network"


def test_stop_by_a_person_during_a_restart_is_respected(scene):
    request, restart = scene.request(Kind.HUNG), scene.engine.restart

    def restart_slowly(container: str, timeout: float | None = None) -> None:
        scene.clock.advance(3)
        now = scene.clock.now()
        scene.ledger.note_stop("h", "web", ManualStop(now, now + 90))
        restart(container, timeout)

    scene.engine.restart = restart_slowly
    done = scene.step(request)
    assert (done.outcome, done.reason) == (Outcome.NOT_APPLICABLE, Reason.STOPPED)
    assert scene.engine.inspect(scene.web).status == "exited"


def stop_during_starts(scene: ResponderHarness) -> list[float]:
    """A person stops `web` during each start. Returns the seconds that the process then got to stop; it uses
    all of them."""
    start, stop, given = scene.engine.start, scene.engine.stop, []

    def start_and_signal(container: str) -> None:
        start(container)
        now = scene.clock.now()
        scene.ledger.note_stop("h", "web", ManualStop(now, now + 90))

    def stop_slowly(container: str, timeout: float | None = None) -> None:
        given.append(timeout)
        scene.clock.advance(timeout or 0.0)
        stop(container, timeout)

    scene.engine.start, scene.engine.stop = start_and_signal, stop_slowly
    return given


def test_second_stop_after_a_start_takes_no_longer_than_a_slot(scene):
    given, began = stop_during_starts(scene), scene.clock.now()
    assert scene.step(scene.crashed()).reason is Reason.STOPPED
    assert given == [START_SECONDS]
    assert scene.clock.now() - began < 2 * START_SECONDS


def test_second_stop_uses_budget(scene):
    stop_during_starts(scene)
    responder = scene.responder(backoff=0.0, budget=2)
    for number in range(2):
        scene.clock.advance(10)
        assert scene.step(scene.crashed(incident=f"i{number}"), responder).reason is Reason.STOPPED
    scene.clock.advance(10)
    scene.engine._boxes[scene.web].exit_code = 7
    assert scene.step(scene.request(incident="i3"), responder).reason is Reason.BUDGET_SPENT


def test_unanswered_restart_is_retried_a_few_times(scene):
    request, calls = scene.request(Kind.HUNG), []

    def hang(container: str, timeout: float | None = None) -> None:
        calls.append(container)
        raise EngineTimeoutError("restart web: took too long")

    scene.engine.restart = hang
    for _ in range(5):
        assert isinstance(scene.step(request), Defer)
    done = scene.step(request)
    assert (done.outcome, done.reason) == (Outcome.FAILED, Reason.ENGINE_ERROR)
    assert len(calls) == 5


def test_engine_shutdown_during_a_restart_is_not_a_stop(scene):
    request, restart = scene.request(Kind.HUNG), scene.engine.restart

    def restart_amid_a_shutdown(container: str, timeout: float | None = None) -> None:
        now = scene.clock.now()
        scene.ledger.note_stop("h", "web", ManualStop(now, now + 90))
        restart(container, timeout)
        scene.clock.on_sleep = lambda _: scene.ledger.note_stop("h", "web", ManualStop(0.0, 0.0))

    scene.engine.restart = restart_amid_a_shutdown
    assert scene.step(request).outcome is Outcome.HEALED


def hang_up(scene: ResponderHarness, request: Event, responder: Responder | None = None) -> None:
    """The responder dies while it verifies: its attempt stays in the ledger."""
    scene.clock.on_sleep = interrupt
    with pytest.raises(RuntimeError):
        scene.step(request, responder)
    scene.clock.on_sleep = None


def fill_slots(scene: ResponderHarness, count: int = 4, **fields) -> None:
    """Attempts of a responder that has died hold all slots of the host."""
    for number in range(count):
        name = f"t{number}"
        scene.make(name, **fields)
        scene.engine.crash(name, 1)
        hang_up(scene, scene.request(container=name, incident=name), scene.responder("dead"))


def test_abandoned_request_ends_its_attempt(scene):
    request, responder = scene.crashed(), scene.responder()
    hang_up(scene, request, responder)
    (told,) = responder.answer_dead_letter(request, "OverflowError: too large", scene.clock.now())
    assert told.data.reason is Reason.GIVEN_UP
    book = scene.ledger.read("h", "web")
    assert book.running_attempts == ()
    assert [(each.outcome, each.reason) for each in book.ended_attempts] == [
        (Outcome.FAILED, Reason.GIVEN_UP)
    ]


def test_slot_of_a_removed_container_is_free(scene):
    fill_slots(scene)
    request = scene.crashed()
    assert isinstance(scene.step(request), Defer)
    scene.clock.advance(3)
    scene.engine.remove("t2")
    assert scene.step(request).outcome is Outcome.HEALED


def test_reset_frees_the_slots_of_a_dead_responder(scene):
    fill_slots(scene)
    request = scene.crashed()
    assert isinstance(scene.step(request), Defer)
    scene.desk.reset_breaker("*", scene.clock.now())
    assert scene.step(request).outcome is Outcome.HEALED


def test_reset_of_a_container_lets_its_action_be_resumed(scene):
    request = scene.crashed()
    hang_up(scene, request, scene.responder("dead"))
    scene.clock.advance(5)
    assert isinstance(scene.step(request), Defer)
    scene.desk.reset_breaker("web", scene.clock.now())
    assert scene.step(request).outcome is Outcome.HEALED
    assert scene.starts() == 1


def test_reset_does_not_repeat_a_running_action(scene):
    def reset() -> None:
        scene.clock.advance(20)
        scene.desk.reset_breaker("*", scene.clock.now())

    assert isinstance(ask_during_restart(scene, reset), Defer)
    assert scene.starts() == 1


def test_started_action_on_a_removed_container_ends(scene):
    request = scene.crashed()
    hang_up(scene, request)
    scene.engine.remove("web")
    done = scene.step(request, scene.responder("b"))
    assert (done.outcome, done.reason) == (Outcome.NOT_APPLICABLE, Reason.GONE)
    assert scene.ledger.read("h", "web").running_attempts == ()


def test_abandoned_attempt_is_removed_from_the_ledger(scene):
    fill_slots(scene, 2)
    responder = scene.responder()
    scene.engine.remove("t0")
    scene.clock.advance(200)
    responder.scale_back_due(scene.clock.now())
    assert [each.container for each in scene.ledger.read("h", "t1").running_attempts] == ["t1"]
    scene.clock.advance(49 * 3600)
    responder.scale_back_due(scene.clock.now())
    assert scene.ledger.read("h", "t1").running_attempts == ()


def test_project_leaves_slots_to_others(scene):
    labels = {"com.docker.compose.project": "shop"}
    fill_slots(scene, 2, labels=labels)
    more = scene.make("more", labels=labels)
    scene.engine.crash(more, 1)
    request = scene.request(container="more", incident="more")
    victim = scene.crashed()
    assert isinstance(scene.step(request), Defer)
    assert scene.step(victim).outcome is Outcome.HEALED
    scene.engine.remove("web")
    scene.clock.advance(3)
    assert scene.step(request).outcome is Outcome.HEALED


def test_stop_timeout_is_limited_by_the_settings(scene):
    given = []
    restart = scene.engine.restart
    scene.engine.restart = lambda name, timeout=None: (given.append(timeout), restart(name, timeout))
    scene.make("db", labels={"hemostat.stop_timeout": "50m"})
    scene.clock.advance(60)
    responder = scene.responder(stop_timeout_max=30.0)
    assert scene.step(scene.request(Kind.HUNG, container="db"), responder).outcome is Outcome.HEALED
    assert given == [30.0]


@pytest.mark.parametrize("jump", [60.0, 200.0, -30.0, -600.0, -86400.0])
def test_slow_stop_runs_once_with_two_responders(scene, jump):
    scene.make("db", labels={"hemostat.stop_timeout": "90s"})
    scene.clock.advance(60)
    hung, unhealthy = (scene.request(Kind.HUNG, container="db", incident=name) for name in ("i1", "i2"))
    restart, answers, other = scene.engine.restart, [], scene.responder("b", backoff=0.0)

    def restart_slowly(container: str, timeout: float | None = None) -> None:
        scene.engine.restart = restart
        scene.clock.advance(jump)
        answers.extend(run_step(other, each, scene.clock.now()) for each in (hung, unhealthy))
        scene.clock.advance(30)
        answers.extend(run_step(other, each, scene.clock.now()) for each in (hung, unhealthy))
        restart(container, timeout)

    scene.engine.restart = restart_slowly
    assert scene.step(hung, scene.responder("a")).outcome is Outcome.HEALED
    assert all(isinstance(each, Defer) for each in answers), answers
    assert scene.starts() == 1


def test_crash_is_healed_without_a_list_of_all_containers(scene, monkeypatch):
    """The list takes long on a host with many containers."""
    calls: list[str] = []
    monkeypatch.setattr(scene.engine, "list_containers", lambda: calls.append("list_containers") or [])
    assert scene.step(scene.crashed()).outcome is Outcome.HEALED
    assert calls == []
