"""The table of requests by role: it has every request that a call sends, and no other."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.core.model import Connected, PrunableItem, PrunableKind
from hemostat.ports import Engine, EngineReader
from hemostat.ports.engine_access import ENGINE_USES, VERSION, is_reading, make_proxy_settings
from hemostat.streams import ROLES_BY_NAME
from tests.support.engine_requests import ENDPOINTS, find_endpoint
from tests.support.rule_proxy import Rule, RuleProxy, answer, stream, told

ID = "c" * 64
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
INSPECTED = {
    "Id": ID,
    "Name": "/shop-web-1",
    "Image": "sha256:1",
    "State": {"Status": "running", "Running": True},
    "HostConfig": {"NetworkMode": "front"},
    "Config": {
        "Image": "web",
        "Labels": {PROJECT: "shop", SERVICE: "web", NUMBER: "1", "hemostat.replica": "true"},
    },
    "NetworkSettings": {"Networks": {"front": {}, "back": {}}},
}
"""A replica that HemoStat made, on two networks."""
ROW = {"Id": ID, "State": "running", "HostConfig": {"NetworkMode": "container:vpn"}}
SWARM = {"ID": "s1", "Spec": {"Name": "shop", "Mode": {"Replicated": {}}}, "Version": {"Index": 1}}
ANSWERS = {
    r"GET /version": told({"ApiVersion": "1.41", "Version": "20.10.24"}),
    r"GET /containers/json": told([ROW]),
    r"GET /libpod/|GET /containers/[^/]+/json": told(INSPECTED),
    r"GET /containers/[^/]+/logs": answer(200, b""),
    r"GET /containers/[^/]+/top": told({"Processes": []}),
    r"GET /containers/[^/]+/stats\?stream=true": stream(b'{"cpu_stats": {}}\n'),
    r"GET /events": stream(),
    r"POST /exec/[^/]+/start": answer(200, b""),
    r"GET /exec/": told({"ExitCode": 0}),
    r"POST /containers/([^/]+/exec|create)": told({"Id": "0a"}, 201),
    r"GET /images/json|GET /tasks": told([]),
    r"GET /images/[^/]+/json": told({"Id": "sha256:1"}),
    r"GET /services/": told(SWARM),
    ".": told({}),
}
COMPOSE = "compose:shop/web"
READING: dict[str, Callable[[DockerEngine], object]] = {
    "version": lambda engine: engine.version(),
    "ping": lambda engine: engine.ping(),
    "locate": lambda engine: engine.locate(),
    "list_containers": lambda engine: engine.list_containers(),
    "inspect_all": lambda engine: engine.inspect_all([ID]),
    "inspect_everything": lambda engine: engine.inspect_everything(),
    "inspect": lambda engine: engine.inspect(ID),
    "inspect_service": lambda engine: engine.inspect_service("shop", "web"),
    "was_stopped": lambda engine: engine.was_stopped(ID),
    "read_details": lambda engine: engine.read_details(ID),
    "list_attached": lambda engine: engine.list_attached(),
    "events": lambda engine: next(event for event in engine.events(0) if isinstance(event, Connected)),
    "logs": lambda engine: engine.logs(ID),
    "open_log": lambda engine: list(engine.open_log(ID)),
    "top": lambda engine: engine.top(ID),
    "writable_size": lambda engine: engine.writable_size("web"),
}
STATS: dict[str, Callable[[DockerEngine], object]] = {
    "read_stats": lambda engine: engine.read_stats(ID),
    "follow_stats": lambda engine: next(engine.follow_stats(ID)[0]),
}
"""What samplers use."""


def discard_all(engine: DockerEngine) -> None:
    for kind in PrunableKind:
        engine.discard(PrunableItem(what=kind, id="0a"))


def scale(engine: DockerEngine) -> None:
    for service in (COMPOSE, "s1"):
        engine.set_replicas(service, 2)
        engine.set_replicas(service, 0)


ACTING: dict[str, Callable[[DockerEngine], object]] = {
    "start": lambda engine: engine.start(ID),
    "stop": lambda engine: engine.stop(ID),
    "restart": lambda engine: engine.restart(ID),
    "update": lambda engine: engine.update(ID, cpus=1),
    "exec": lambda engine: engine.exec(ID, ["true"]),
    "list_reclaimable": lambda engine: engine.list_reclaimable(),
    "discard": discard_all,
    "read_service": lambda engine: [engine.read_service(each) for each in (COMPOSE, "s1")],
    "set_replicas": scale,
}
SILENT = {"close", "find_forbidden", "is_behind"}
"""`find_forbidden` sends what it is given, and `is_behind` sends nothing."""


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[RuleProxy]:
    rules = [Rule(request, reply) for request, reply in ANSWERS.items()]
    with RuleProxy(tmp_path / "engine.sock", *rules, upstream="") as proxy:
        yield proxy


def record(proxy: RuleProxy, calls: dict[str, Callable[[DockerEngine], object]]) -> set[str]:
    proxy.asked.clear()
    for call in calls.values():
        with closing(DockerEngine.connect(proxy.url, 5.0)) as engine:
            call(engine)
    return {find_endpoint(request) for request in proxy.asked}


def test_all_calls_of_the_port_are_played() -> None:
    def list_calls(port: type) -> set[str]:
        return {name for name in vars(port) if not name.startswith("_")} - SILENT

    assert list_calls(EngineReader) == set(READING)
    assert list_calls(Engine) == set(ACTING)


def test_calls_of_monitor_and_analyzer_send_only_reading_requests(proxy: RuleProxy) -> None:
    expected = {endpoint for endpoint, use in ENDPOINTS.items() if is_reading(use)}
    assert record(proxy, READING | STATS) == expected
    assert all(endpoint.startswith("GET ") for endpoint in expected)


def test_table_has_each_request_and_no_other(proxy: RuleProxy) -> None:
    assert record(proxy, READING | STATS | ACTING) == set(ENDPOINTS)


def test_table_names_roles_and_each_endpoint_once() -> None:
    assert {role for use in ENGINE_USES for role in use.roles} <= set(ROLES_BY_NAME)
    assert len(ENDPOINTS) == sum(len(use.endpoints) for use in ENGINE_USES)


@pytest.mark.parametrize("forbidden", ENDPOINTS)
def test_each_forbidden_endpoint_is_found_alone(proxy: RuleProxy, forbidden: str) -> None:
    """Also `DELETE` with a query, which a proxy may refuse by itself."""
    refusal = told({"message": "no"}, 403)
    missing = told({"message": "No such container"}, 404)
    rules = [
        Rule(".", lambda request: refusal if find_endpoint(request) == forbidden else None),
        Rule("GET /version", ANSWERS["GET /version"]),
        Rule(".", missing),
    ]
    proxy.rules = rules
    with closing(DockerEngine.connect(proxy.url, 5.0)) as engine:
        assert engine.find_forbidden(ENDPOINTS) == [forbidden]


@pytest.mark.docker
@pytest.mark.parametrize("name", ["docker", "podman"])
def test_engine_without_a_proxy_forbids_nothing(request: pytest.FixtureRequest, name: str) -> None:
    url = request.getfixturevalue("podman_url") if name == "podman" else None
    endpoints = [each for each in ENDPOINTS if each != "POST /build/prune"]
    with closing(DockerEngine.connect(url)) as engine:
        assert engine.find_forbidden(endpoints) == []


def test_proxy_settings_name_each_section_once() -> None:
    assert make_proxy_settings(VERSION.endpoints) == ["VERSION=1"]
    assert make_proxy_settings(["GET /libpod/containers/ID/json", "POST /containers/ID/stop"]) == [
        "CONTAINERS=1",
        "POST=1",
    ]
