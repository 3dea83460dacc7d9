"""Questions about the other containers of a host: how often the engine is asked, and about which."""

from collections.abc import Callable
from typing import Any

import pytest

from hemostat.agents.responder.brief_inspector import BriefInspector
from hemostat.agents.responder.host_containers import MAX_REPLICAS, HostContainers
from hemostat.core.ledger.rows import Attempt
from hemostat.core.remediation.decision import ReplicaHealth
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.settings.trust import TRUST_OWN
from hemostat.errors import EngineTimeoutError
from hemostat.events import Action, Kind, Outcome, Reason
from tests.support.responder_harness import ResponderHarness
from tests.support.samples import composed


@pytest.fixture
def scene() -> ResponderHarness:
    return ResponderHarness()


@pytest.fixture
def calls(scene: ResponderHarness) -> list[Any]:
    """The engine's calls about other containers: `listing`, `containers`, or the ids of an inspection."""
    made: list[Any] = []

    def count(name: str, note: Callable[..., Any]) -> None:
        call = getattr(scene.engine, name)

        def counted(*args: Any, **options: Any) -> Any:
            made.append(note(*args, **options))
            return call(*args, **options)

        setattr(scene.engine, name, counted)

    rows = scene.engine.list_containers  # it calls `inspect_everything` of the engine in memory

    def list_rows() -> Any:
        before = len(made)
        answer = rows()
        made[before:] = ["listing"]
        return answer

    count("inspect_everything", lambda: "containers")
    scene.engine.list_containers = list_rows
    count("inspect_all", lambda containers, *, brief=False: (tuple(containers), brief))
    return made


def test_refused_request_asks_nothing_about_replicas(scene, calls):
    labels = composed("api")
    scene.make("api-1", labels=labels)
    scene.make("api-2", labels=labels)
    scene.clock.advance(60)
    responder = scene.responder(budget=0)
    for number in range(30):
        event = scene.request(Kind.CPU_HIGH, container="api-1", incident=f"i{number}")
        assert scene.step(event, responder).reason is Reason.BUDGET_SPENT
    assert calls == []


def test_only_replicas_of_the_service_are_inspected_briefly(scene, calls):
    labels = composed("api")
    scene.make("api-1", labels=labels)
    other = scene.make("api-2", labels=labels)
    scene.make("forged", labels={**labels, "com.docker.compose.config-hash": "x"})
    scene.clock.advance(60)
    assert scene.step(scene.request(Kind.CPU_HIGH, container="api-1")).outcome is Outcome.HEALED
    listed, (inspected, brief) = calls[:2]
    assert (listed, brief) == ("listing", True)
    assert set(inspected) == {scene.engine.inspect("api-1").ref.id, other}


def test_rehearsals_share_one_inspection_of_the_replicas(scene, calls):
    labels = composed("api")
    for name in ("api-1", "api-2"):
        scene.make(name, labels=labels)
    scene.clock.advance(60)
    responder = scene.responder(mode="dry-run")
    for number in range(30):
        event = scene.request(Kind.CPU_HIGH, container="api-1", incident=f"i{number}")
        assert scene.step(event, responder).outcome is Outcome.DRY_RUN
    assert len(calls) == 2


def ask(scene: ResponderHarness, hosts: HostContainers, version: int = 1) -> ReplicaHealth:
    found = scene.engine.inspect("api-1")
    return hosts.find_replica_health(found.ref, found, scene.clock.now(), version)


def make_service(scene: ResponderHarness, replicas: int = 2) -> tuple[HostContainers, list[str]]:
    ids = [scene.make(f"api-{number}", labels=composed("api")) for number in range(1, replicas + 1)]
    scene.clock.advance(60)
    return HostContainers(
        scene.engine, BriefInspector(scene.engine, scene.clock), ResponderSettings(), TRUST_OWN
    ), ids


def test_replicas_are_inspected_again_after_another_attempt(scene):
    hosts, (_, other) = make_service(scene)
    assert ask(scene, hosts) == ReplicaHealth(1, 1, itself=True)
    scene.engine.crash(other, 1)
    assert ask(scene, hosts, version=2) == ReplicaHealth(1, 0, itself=True)


def test_silent_replica_is_unhealthy_and_rarely_inspected(scene):
    hosts, (_, other) = make_service(scene)
    inspect, hung = scene.engine.inspect, []

    def hang(container: str) -> Any:
        if container == other:
            hung.append(container)
            raise EngineTimeoutError("inspect: took too long")
        return inspect(container)

    scene.engine.inspect = hang
    for _ in range(10):
        assert ask(scene, hosts) == ReplicaHealth(1, 0, itself=True)
        scene.clock.advance(3)
    assert len(hung) == 3  # after 0, 6 and 18 s
    scene.engine.inspect = inspect
    scene.clock.advance(30)
    assert ask(scene, hosts) == ReplicaHealth(1, 1, itself=True)


def test_number_of_inspected_replicas_is_bounded(scene, calls):
    hosts, _ = make_service(scene, MAX_REPLICAS + 20)
    assert ask(scene, hosts).size == MAX_REPLICAS - 1
    assert len(calls[-1][0]) == MAX_REPLICAS


def test_attempts_under_way_are_checked_by_one_inspection(scene, calls):
    hosts, ids = make_service(scene, 4)
    now = scene.clock.now()
    attempts = [
        Attempt(key=each, container=each, container_id=each, action=Action.START, time=now, by="", lease=now)
        for each in [*ids, "removed"]
    ]
    assert hosts.find_gone(attempts, now) == hosts.find_gone(attempts, now + 1) == {"removed"}
    assert calls == [((*ids, "removed"), True)]
