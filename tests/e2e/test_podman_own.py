"""What only Podman has, on a real one: pods, and health checks whose state the list does not show."""

import json
import secrets
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.engine_fixtures import eventually
from tests.support.lab.hemostat_all import HemoStatAll
from tests.support.lab.libpod import CHECK, KILL, RESTART, Libpod

pytestmark = [pytest.mark.docker, pytest.mark.own_engine, pytest.mark.redis, pytest.mark.timeout(400)]

HEAL_SECONDS = 150.0
"""HemoStat waits up to 120 s for a host whose CPU other tests use."""


class Healing(HemoStatAll):
    def events(self, container: str, kind: str) -> list[dict]:
        lines = self.run("events", "--json", "--container", container).stdout.splitlines()
        return [each["data"] for each in map(json.loads, lines) if each["type"] == kind]

    def outcomes(self, container: str) -> list[tuple[str, str]]:
        """Actions and final outcomes."""
        ends = self.events(container, "remediation_complete")
        return [(each["action"], each["outcome"]) for each in ends if each["outcome"] != "waiting"]

    def find_health(self, name: str) -> str:
        return next(each["health"] for each in self.status()["containers"] if each["name"] == name)

    def await_watch(self, name: str) -> None:
        eventually(lambda: name in {each["name"] for each in self.status()["containers"]})

    def await_outcome(self, name: str, *, count: int = 1) -> None:
        eventually(lambda: len(self.outcomes(name)) >= count, seconds=HEAL_SECONDS)


@pytest.fixture
def podman(podman_url) -> Iterator[Libpod]:
    with closing(Libpod(podman_url)) as libpod:
        yield libpod


@pytest.fixture(scope="module")
def healing(podman_url, tmp_path_factory) -> Iterator[Healing]:
    running = Healing(tmp_path_factory.mktemp("state"), ENGINE_URL=podman_url, RESPONDER_BACKOFF="0.2")
    running.await_roles()
    yield running
    running.stop()


def test_crash_in_a_pod_restarts_that_container_alone(podman, healing):
    infra = podman.make_pod("forum")
    web, db = podman.run("forum-web", pod="forum"), podman.run("forum-db", pod="forum")
    healing.await_watch(web)
    starts = [podman.find_start(each) for each in (infra, db)]
    podman.crash(web)
    healing.await_outcome(web)
    assert healing.outcomes(web) == [("restart", "healed")]
    assert [podman.find_start(each) for each in (infra, db)] == starts
    assert infra not in {each["name"] for each in healing.status()["containers"]}


def test_infra_container_is_not_restarted_alone(podman, healing):
    infra, canary = podman.make_pod("shop"), podman.run(f"canary-{secrets.token_hex(3)}")
    web = podman.run("shop-web", pod="shop", healthconfig=CHECK)
    healing.await_watch(web)
    start = podman.find_start(web)
    podman.crash(infra)
    podman.check(web)
    podman.check(web)
    podman.check(web)
    eventually(lambda: healing.events(web, "health_alert"), seconds=HEAL_SECONDS)
    podman.crash(canary)
    healing.await_outcome(canary)
    assert podman.find_status(infra) == "exited"
    assert [each.get("root") for each in healing.events(web, "health_alert")] == [infra]
    assert {action for action, _ in healing.outcomes(infra) + healing.outcomes(web)} <= {"none"}
    assert podman.find_start(web) == start


def test_stopped_pod_stays_stopped(podman, healing):
    infra, canary = podman.make_pod("blog"), podman.run(f"canary-{secrets.token_hex(3)}")
    members = [podman.run(f"blog-{name}", pod="blog") for name in ("web", "db")]
    healing.await_watch(members[-1])
    podman.stop_pod("blog")
    podman.crash(canary)
    healing.await_outcome(canary)
    assert {podman.find_status(each) for each in (infra, *members)} == {"exited"}
    assert [healing.events(each, "health_alert") for each in members] == [[], []]


def test_unhealthy_container_is_noticed_and_recovery_too(podman, healing):
    web = podman.run("web", healthconfig=CHECK)
    healing.await_watch(web)
    for _ in range(3):  # Before 5.0, the event has the health from before the check.
        podman.check(web)
    healing.await_outcome(web)
    assert [each["kind"] for each in healing.events(web, "health_alert")][:1] == ["unhealthy"]
    podman.cure(web)
    eventually(lambda: podman.check(web) or healing.find_health(web) == "healthy", seconds=HEAL_SECONDS)


@pytest.mark.parametrize(("policy", "actions"), [("no", ["none"]), ("always", ["restart"])])
def test_container_that_podman_kills_as_unhealthy_follows_its_policy(policy, actions, podman, healing):
    fields = {"health_check_on_failure_action": KILL, "restart_policy": policy, "healthconfig": CHECK}
    web = podman.run(f"killed-{policy}", **fields)
    healing.await_watch(web)
    for _ in range(2):
        podman.check(web)
    if policy == "always":
        eventually(lambda: podman.find_status(web) == "running", seconds=HEAL_SECONDS)
        podman.cure(web)
        podman.check(web)
    healing.await_outcome(web)
    [alert, *_] = healing.events(web, "health_alert")
    assert "kill" in {each["value"] for each in alert["evidence"] if each["name"] == "check_action"}
    assert [action for action, _ in healing.outcomes(web)] == actions
    assert (podman.find_status(web) == "running") is (policy == "always")


def test_container_that_podman_restarts_as_unhealthy_is_left_to_podman(podman, healing):
    web = podman.run("restarted", health_check_on_failure_action=RESTART, healthconfig=CHECK)
    canary = podman.run(f"canary-{secrets.token_hex(3)}")
    healing.await_watch(canary)
    before = podman.find_start(web)
    for _ in range(2):
        podman.check(web)
    eventually(lambda: podman.find_start(web) != before and podman.find_status(web) == "running")
    after = podman.find_start(web)
    podman.crash(canary)
    healing.await_outcome(canary)
    assert (podman.find_start(web), healing.outcomes(web)) == (after, [])
