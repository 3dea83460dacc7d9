"""A real swarm of one node, watched by all roles."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest

from hemostat.adapters.docker_engine import DockerEngine, DockerTestContainers
from hemostat.core.model import ContainerInfo, EngineEvent
from hemostat.core.remediation.scaling import SWARM_SERVICE_LABEL
from tests.support.engine_fixtures import IMAGE, OBEDIENT, Listener, engine_is_required, eventually, spec
from tests.support.lab.hemostat_all import HemoStatAll
from tests.support.lab.image import provide_image
from tests.support.lab.private_engine import PrivateEngine

pytestmark = [pytest.mark.docker, pytest.mark.own_engine, pytest.mark.redis, pytest.mark.timeout(600)]

SECONDS = 150.0
"""Limit of each step. A task that Swarm does not replace is reported after 30 s."""
HEALTH = {
    "Test": ["CMD", "test", "!", "-e", "/tmp/sick"],
    "Interval": 10**9,
    "Timeout": 2 * 10**9,
    "Retries": 1,
}


class Swarm:
    """A swarm with one node on an engine, and its services on the network of the host."""

    def __init__(self, engine: DockerEngine) -> None:
        self.engine = engine
        with engine.connection.lend_client("make a swarm") as client:
            client.init_swarm(advertise_addr="127.0.0.1", listen_addr="127.0.0.1:2377")

    def create(self, name: str, replicas: int, *, restart: str = "any") -> str:
        with self.engine.connection.lend_client(f"make service {name}") as client:
            mode = {"Replicated": {"Replicas": replicas}}
            service = str(client.create_service(make_task(restart), name=name, mode=mode)["ID"])
        self.await_running(service, replicas)
        return service

    def list_running(self, service: str) -> list[ContainerInfo]:
        """The service's healthy containers, by name."""
        infos = [info for info in self.engine.inspect_everything() if info.health == "healthy"]
        ours = [
            info for info in infos if info.is_running and info.ref.labels.get(SWARM_SERVICE_LABEL) == service
        ]
        return sorted(ours, key=lambda info: info.ref.name)

    def await_running(self, service: str, replicas: int, *, without: str = "") -> None:
        """Wait until so many replicas are healthy, and the container `without` is replaced."""

        def is_settled() -> bool:
            ids = [info.ref.id for info in self.list_running(service)]
            return len(ids) == replicas and without not in ids

        eventually(is_settled, seconds=SECONDS)

    def update(self, service: str, *, rollback: str = "", **changes: Any) -> None:
        with self.engine.connection.lend_client(f"update {service}") as client:
            current = client.inspect_service(service)
            url = f"{client.base_url}/v{client.api_version}/services/{service}/update"
            query = {"version": current["Version"]["Index"], "rollback": rollback}
            client.post(url, json={**current["Spec"], **changes}, params=query).raise_for_status()

    def set_availability(self, availability: str) -> None:
        with self.engine.connection.lend_client("update the node") as client:
            (node,) = client.nodes()
            wanted = {**node["Spec"], "Availability": availability}
            client.update_node(node["ID"], node["Version"]["Index"], wanted)

    def remove(self, service: str) -> None:
        with self.engine.connection.lend_client(f"remove {service}") as client:
            client.remove_service(service)
        self.await_running(service, 0)

    def close(self) -> None:
        with self.engine.connection.lend_client("leave the swarm") as client:
            client.leave_swarm(force=True)


def make_task(restart: str = "any", **environment: str) -> dict[str, Any]:
    container = {
        "Image": IMAGE,
        "Command": list(OBEDIENT),
        "Healthcheck": HEALTH,
        "Env": [f"{name}={value}" for name, value in environment.items()],
    }
    policy = {"Condition": restart, "Delay": 0}
    return {"ContainerSpec": container, "RestartPolicy": policy, "Networks": [{"Target": "host"}]}


@pytest.fixture
def swarm() -> Iterator[Swarm]:
    if os.geteuid() or not all(map(shutil.which, ("dockerd", "unshare", "ip"))):
        if engine_is_required() and not os.geteuid():
            pytest.fail("a private engine needs dockerd, unshare and ip")
        pytest.skip("a private engine needs root, dockerd, unshare and ip")
    with closing(PrivateEngine()) as private:
        provide_image(private.url)
        with closing(DockerEngine.connect(private.url)) as engine, closing(Swarm(engine)) as swarm:
            yield swarm


@pytest.fixture
def running(swarm: Swarm, state_dir: Path) -> Iterator[HemoStatAll]:
    running = HemoStatAll(state_dir, ENGINE_URL=swarm.engine.connection.url, HOST="lab")
    try:
        running.await_roles(SECONDS)
        yield running
    finally:
        running.stop()


Failure = Callable[[docker.APIClient, str], object]


def run_in(command: str) -> Failure:
    def run(client: docker.APIClient, container: str) -> None:
        client.exec_start(client.exec_create(container, ["sh", "-c", command])["Id"])

    return run


CRASH = run_in("echo exit 9 >/tmp/exit")
FAILURES: dict[str, Failure] = {
    "crashes": CRASH,
    "becomes unhealthy": run_in("touch /tmp/sick"),
    "is killed": lambda client, container: client.kill(container),
    "is removed": lambda client, container: client.remove_container(container, force=True),
}


def fail(engine: DockerEngine, container: str, failure: Failure) -> None:
    with engine.connection.lend_client("fail") as client:
        failure(client, container)


def read_data(running: HemoStatAll, kind: str) -> list[dict[str, Any]]:
    """The data of all events of a type."""
    lines = running.run("events", "--type", kind, "-n", "500", "--json").stdout.splitlines()
    return [json.loads(line)["data"] for line in lines]


def is_reported(running: HemoStatAll, container: str) -> bool:
    outcomes = read_data(running, "remediation_complete")
    return any(each["container"]["id"] == container and each["outcome"] != "waiting" for each in outcomes)


def test_tasks_are_left_to_swarm_and_a_container_beside_is_healed(swarm: Swarm, running: HemoStatAll) -> None:
    engine = swarm.engine
    beside = DockerTestContainers(engine).run(spec(network="host"))
    shop, once = swarm.create("shop", 2), swarm.create("once", 1, restart="none")
    eventually(lambda: len(running.status()["containers"]) == 4, seconds=SECONDS)
    listener = Listener(engine)
    listener.wait_for_connections(1)

    (unreplaced,) = (info.ref.id for info in swarm.list_running(once))
    fail(engine, unreplaced, CRASH)
    sick = []
    for name, failure in FAILURES.items():
        task = swarm.list_running(shop)[0].ref.id
        fail(engine, task, failure)
        swarm.await_running(shop, 2, without=task)
        sick += [task] if name == "becomes unhealthy" else []
    for replicas in (1, 2):
        swarm.update(shop, Mode={"Replicated": {"Replicas": replicas}})
        swarm.await_running(shop, replicas)
    for change in ({"TaskTemplate": make_task(VERSION="2")}, {"rollback": "previous"}):
        before = swarm.list_running(shop)
        swarm.update(shop, **change)
        for info in before:
            swarm.await_running(shop, 2, without=info.ref.id)
    for availability, replicas in (("drain", 0), ("active", 2)):
        swarm.set_availability(availability)
        swarm.await_running(shop, replicas)
    swarm.remove(shop)
    fail(engine, beside, CRASH)
    eventually(lambda: is_reported(running, beside), seconds=SECONDS)
    eventually(lambda: is_reported(running, unreplaced), seconds=SECONDS)

    assert engine.inspect(beside).is_running
    assert not engine.inspect(unreplaced).is_running
    outcomes = read_data(running, "remediation_complete")
    results = {each["container"]["id"]: (each["outcome"], each["detail"]) for each in outcomes}
    assert results.pop(beside) == ("healed", "")
    assert results.pop(unreplaced) == ("refused", "managed by Swarm")
    assert set(results) <= set(sick)
    assert {outcome for outcome, _ in results.values()} <= {"refused", "waiting"}
    alerts = {each["container"]["id"] for each in read_data(running, "health_alert")}
    assert alerts <= {beside, unreplaced, *sick}
    starts = [
        event.container.id
        for event in listener.heard
        if isinstance(event, EngineEvent) and event.action in {"start", "restart"}
    ]
    assert len(starts) == len(set(starts))
    assert unreplaced not in starts
    assert starts.count(beside) == 1
