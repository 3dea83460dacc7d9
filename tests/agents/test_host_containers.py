"""Questions about the other containers of a host: how often the engine is asked, and about which."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hemostat.agents.responder.brief_inspector import BriefInspector
from hemostat.agents.responder.host_containers import CACHE_SECONDS, MAX_REPLICAS, HostContainers
from hemostat.core.ledger.rows import Attempt
from hemostat.core.model import ListedContainer
from hemostat.core.remediation.decision import OtherProjects, ReplicaHealth
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.settings.trust import TRUST_OWN
from hemostat.errors import EngineTimeoutError
from hemostat.events import Action, Container, Kind, Outcome, Reason
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


def test_running_replicas_are_inspected_first(scene):
    hosts, ids = make_service(scene, MAX_REPLICAS + 1)
    scene.engine.crash(ids[1], 1)
    assert ask(scene, hosts) == ReplicaHealth(MAX_REPLICAS - 1, MAX_REPLICAS - 1, itself=True)


def test_container_removed_after_the_list_is_not_a_replica(scene):
    hosts, (_, other) = make_service(scene)
    assert ask(scene, hosts).size == 1
    scene.engine.remove(other)
    assert ask(scene, hosts, version=2) == ReplicaHealth(0, 0, itself=True)


def test_container_of_another_image_is_not_a_replica(scene):
    hosts, _ = make_service(scene)
    scene.make("api-3", labels=composed("api"), image="other")
    assert ask(scene, hosts).size == 1


@pytest.mark.parametrize(("seconds", "lists"), [(CACHE_SECONDS / 2, 1), (CACHE_SECONDS, 2), (-1.0, 2)])
def test_answers_of_the_engine_are_used_for_a_short_time(scene, calls, seconds, lists):
    hosts, _ = make_service(scene)
    for _ in range(2):
        ask(scene, hosts)
        scene.clock.advance(seconds)
    assert calls.count("listing") == lists
    assert len(calls) == 2 * lists


@pytest.mark.parametrize(("seconds", "inspections"), [(CACHE_SECONDS / 2, 1), (CACHE_SECONDS, 2), (-1.0, 2)])
def test_removed_containers_are_known_for_a_short_time(scene, calls, seconds, inspections):
    hosts, _ = make_service(scene)
    now = scene.clock.now()
    attempt = Attempt(key="k", container="x", action=Action.START, time=now, by="", lease=now)
    host = Attempt(key="h", container="", action=Action.CLEANUP, time=now, by="", lease=now)
    assert hosts.find_gone([attempt, host], now) == {"k"}
    assert hosts.find_gone([attempt, host], now + seconds) == {"k"}
    assert calls == [(("x",), True)] * inspections


def find_others(scene: ResponderHarness, **limits: Any) -> OtherProjects:
    hosts = HostContainers(
        scene.engine, BriefInspector(scene.engine, scene.clock), ResponderSettings(**limits), TRUST_OWN
    )
    return hosts.find_other_projects(Container(id="x", name="x", labels=composed("api")), scene.clock.now())


def test_containers_of_other_projects_may_need_an_action(scene):
    scene.engine.remove(scene.web)
    scene.make("api-1", labels=composed("api"))
    assert find_others(scene) is OtherProjects.NONE
    other = scene.make("blog-1", labels=composed("blog", "blog"))
    assert find_others(scene) is OtherProjects.WELL
    scene.engine.set_health(other, "unhealthy")
    assert find_others(scene) is OtherProjects.FAILING
    assert find_others(scene, protect=("blog*",)) is OtherProjects.NONE


@pytest.mark.parametrize(
    ("code", "age", "state"),
    [
        (7, 900.0, OtherProjects.FAILING),
        (7, 901.0, OtherProjects.NONE),
        (0, 1.0, OtherProjects.NONE),
    ],
)
def test_container_that_failed_long_ago_needs_no_action(scene, code, age, state):
    row = ListedContainer(
        ref=Container(id="b", name="b"), status="exited", exit_code=code, age=age, health=None
    )
    scene.engine.list_containers = lambda: [row]
    assert find_others(scene, expire=900.0) is state
    scene.engine.list_containers = lambda: [msgspec.structs.replace(row, age=None)]
    assert find_others(scene) is OtherProjects.NONE
    scene.engine.disconnect()
    del scene.engine.list_containers
    assert find_others(scene) is OtherProjects.FAILING
