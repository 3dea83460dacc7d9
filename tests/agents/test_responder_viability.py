"""Restarts that could not work, that broke half-way, and failures that come back."""

import msgspec
import pytest

from hemostat.core.model import HealthCheck
from hemostat.errors import EngineError, EngineTimeoutError
from hemostat.events import Action, Event, Kind, Outcome, Reason, RemediationNeeded
from hemostat.ports import Defer
from tests.support.responder_harness import ResponderHarness, run_step
from tests.support.samples import DIAGNOSIS, alert


@pytest.fixture
def scene() -> ResponderHarness:
    made = ResponderHarness()
    made.make("app", health=("true",))
    made.clock.advance(60)
    return made


def ill(scene: ResponderHarness, **changes) -> Event:
    scene.engine.set_health("app", "unhealthy")
    return scene.request(Kind.UNHEALTHY, container="app", **changes)


def shares(scene: ResponderHarness, owner: str) -> None:
    """The namespace of another container, as the engine tells it."""
    inspect = scene.engine.inspect
    scene.engine.inspect = lambda name: (
        msgspec.structs.replace(inspect(name), joined=(owner,)) if name != owner else inspect(name)
    )


def test_container_without_its_network_owner_is_not_touched(scene):
    shares(scene, "389e4c")
    done = scene.step(ill(scene))
    assert (done.outcome, done.reason) == (Outcome.ESCALATED, Reason.NOT_VIABLE)
    assert "389e4c) no longer exists: recreate this container" in done.detail
    assert scene.starts() == 0
    assert scene.ledger.read("h", "app").attempts == ()
    assert scene.dossiers.get("i1")


def test_stopped_container_without_its_network_owner_is_reported(scene):
    shares(scene, "389e4c")
    scene.engine.crash("app", 1)
    waits = scene.step(scene.request(container="app"))
    assert "no longer exists: recreate this container" in waits.outputs[0].data.detail
    assert waits.outputs[0].data.outcome is Outcome.ESCALATED


def test_container_is_started_when_its_requirement_returns(scene):
    shares(scene, scene.web)
    scene.engine.crash("web", 1)
    scene.engine.crash("app", 1)
    request = scene.request(container="app")
    waits = scene.step(request)
    scene.clock.advance(10)
    again = scene.step(request, reported=[waits.reported])
    assert again.outputs == ()
    scene.engine.start("web")
    scene.clock.advance(10)
    assert scene.step(request, reported=[waits.reported]).outcome is Outcome.HEALED


def test_missing_requirement_is_notified_once(scene):
    shares(scene, "389e4c")
    scene.engine.crash("app", 1)
    request = scene.request(container="app")
    waits = scene.step(request)
    scene.clock.advance(1000)
    assert run_step(scene.responder(), request, scene.clock.now(), [waits.reported]) == []


def test_container_with_a_stopped_network_owner_is_not_touched(scene):
    shares(scene, scene.web)
    scene.engine.crash("web", 1)
    assert scene.step(ill(scene)).detail == "web, whose namespace it shares, is exited"
    scene.engine.start("web")
    assert scene.step(ill(scene)).outcome is Outcome.HEALED


def hang_owner(scene: ResponderHarness, *owners: str) -> list[str]:
    """The inspections of these owners of `app`'s namespaces have hung since, for half a second each."""
    inspect, hung = scene.engine.inspect, []

    def inspect_or_hang(name: str):
        if name in owners:
            hung.append(name)
            scene.clock.advance(0.5)
            raise EngineTimeoutError(f"inspect {name}: took too long")
        info = inspect(name)
        return msgspec.structs.replace(info, joined=owners) if info.ref.name == "app" else info

    scene.engine.inspect = inspect_or_hang
    return hung


def test_running_container_with_a_silent_network_owner_is_deferred(scene):
    responder, inspect = scene.responder(), scene.engine.inspect
    hang_owner(scene, "o1")
    request = ill(scene)
    assert isinstance(scene.step(request, responder), Defer)
    assert scene.starts() == 0
    scene.engine.inspect = inspect
    assert scene.finish(request, responder).outcome is Outcome.HEALED


def test_down_container_with_silent_network_owners_is_started(scene):
    scene.engine.crash("app", 1)
    hung = hang_owner(scene, "o1", "o2", "o3")
    assert scene.finish(scene.request(container="app")).outcome is Outcome.HEALED
    assert hung == ["o1", "o2", "o3"], "each was asked about once"


def missing(scene: ResponderHarness, **limits):
    """A responder that finds that a path does not exist."""
    responder = scene.responder(**limits)
    responder._decider._start_check._find_missing_path = lambda _: (
        "/srv/x, which its start needs, does not exist on the host"
    )
    return responder


def test_container_without_its_mount_is_not_touched(scene):
    for mode in ("auto", "dry-run", "approve"):
        done = scene.step(ill(scene), missing(scene, mode=mode))
        assert (done.reason, done.detail[:6]) == (Reason.NOT_VIABLE, "/srv/x"), mode
    assert scene.starts() == 0


def half(scene: ResponderHarness, why: str) -> None:
    """The stop works and no start does."""

    def refuse(*_: object) -> None:
        raise EngineError(f"start app: {why}")

    def restart(name: str, timeout: float | None = None) -> None:
        scene.engine.stop(name, timeout)
        refuse()

    scene.engine.restart, scene.engine.start = restart, refuse


def follow(event: Event, done, **changes) -> Event:
    """What the analyzer asks for next."""
    data = RemediationNeeded(alert=done.alert, diagnosis=DIAGNOSIS, rung=done.rung + 1, **changes)
    return msgspec.structs.replace(event, id="next", data=data)


def test_container_left_down_by_a_restart_starts_after_backoff(scene):
    restart, start = scene.engine.restart, scene.engine.start
    half(scene, "port is already allocated")
    event = ill(scene)
    done = scene.step(event)
    assert (done.outcome, done.reason, done.after.status) == (Outcome.FAILED, Reason.ENGINE_ERROR, "exited")
    assert "port is already allocated" in done.detail
    again = follow(event, done, action=Action.START)
    assert isinstance(scene.step(again), Defer), "there is a back-off"
    scene.engine.restart, scene.engine.start = restart, start
    scene.clock.advance(11)
    assert scene.step(again).outcome is Outcome.HEALED
    assert scene.engine.inspect("app").is_running


def test_container_started_by_a_person_is_not_started_again(scene):
    start = scene.engine.start
    half(scene, "OCI runtime create failed")
    event = ill(scene)
    done = scene.step(event)
    scene.engine.start = start
    scene.engine.start("app")
    scene.clock.advance(11)
    assert scene.step(follow(event, done, action=Action.START)).reason is Reason.RECOVERED


def test_verification_waits_for_a_slow_health_check(scene):
    check = HealthCheck(interval=5.0, timeout=5.0, retries=2, start_period=180.0)
    inspect = scene.engine.inspect
    scene.engine.inspect = lambda name: msgspec.structs.replace(inspect(name), check=check)
    event = ill(scene)
    began, restart = scene.clock.now(), scene.engine.restart

    def restart_slowly(name: str, timeout: float | None = None) -> None:
        restart(name, timeout)
        scene.engine.set_health(name, "starting")

    def come_up(_: float) -> None:
        if scene.clock.now() - began > 95 and inspect("app").health == "starting":
            scene.engine.set_health("app", "healthy")

    scene.engine.restart, scene.clock.on_sleep = restart_slowly, come_up
    done = scene.finish(event)
    assert (done.outcome, done.reason) == (Outcome.HEALED, Reason.VERIFIED)
    (attempt,) = scene.ledger.read("h", "app").attempts
    assert attempt.lease - attempt.time > 180 + 20


def test_hang_is_healed_only_when_the_probe_passes(scene):
    scene.make("api", labels={"hemostat.probe": "tcp://:80"})
    inspect = scene.engine.inspect
    scene.engine.inspect = lambda name: msgspec.structs.replace(inspect(name), address="10.0.0.2")
    answers = ["connection refused"] * 1000
    scene.probe = lambda *_: answers.pop() if answers else ""
    responder = scene.responder(backoff=0)
    done = scene.finish(scene.request(Kind.HUNG, container="api"), responder)
    assert (done.reason, done.detail) == (Reason.NOT_VERIFIED, "its probe still fails: connection refused")
    del answers[3:]
    done = scene.finish(scene.request(Kind.HUNG, container="api", incident="i2"), responder)
    assert done.outcome is Outcome.HEALED


def test_failure_during_verification_is_reported_once(scene):
    """The monitor sees the check fail again just before the verification does."""
    event, responder, restart = ill(scene), scene.responder(), scene.engine.restart
    seen = []

    def restart_in_vain(name: str, timeout: float | None = None) -> None:
        scene.clock.advance(1)
        restart(name, timeout)
        scene.engine.set_health(name, "unhealthy")
        again = alert(
            kind=Kind.UNHEALTHY,
            container=scene.engine.inspect("app").ref,
            since=scene.clock.now(),
            occurrence=2,
        )
        for action in (Action.NONE, Action.RESTART):
            data = RemediationNeeded(alert=again, action=action, diagnosis=DIAGNOSIS)
            other = msgspec.structs.replace(event, id=str(action), data=data)
            assert isinstance(run_step(responder, other, scene.clock.now()), Defer)
            seen.append(other)

    scene.engine.restart = restart_in_vain
    assert scene.step(event, responder).reason is Reason.NOT_VERIFIED
    scene.clock.advance(30)
    assert [run_step(responder, other, scene.clock.now()) for other in seen] == [[], []]
    assert scene.starts() == 1


def test_same_action_is_not_repeated_after_a_relapse(scene):
    assert scene.step(ill(scene)).outcome is Outcome.HEALED
    scene.clock.advance(300)
    done = scene.step(ill(scene, occurrence=2))
    assert (done.outcome, done.reason) == (Outcome.REFUSED, Reason.ALREADY_TRIED)
    assert done.alert is not None, "the next rung follows"
    assert scene.starts() == 1
    scene.engine.crash("app", 3)
    assert scene.step(scene.request(container="app", incident="i2")).outcome is Outcome.HEALED
