"""Replicas of a compose service: what can be copied, and what compose itself says of the copies."""

import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.adapters.docker_engine.parse import parse_info
from hemostat.adapters.docker_engine.podman_api import LIBPOD_FIELD
from hemostat.adapters.docker_engine.replicas import make_copy_body
from hemostat.core.dependencies.graph import DependencyGraph
from hemostat.core.model import ContainerInfo
from hemostat.core.remediation.scaling import get_service_id
from hemostat.core.settings.trust import TRUST_OWN, get_replica_group
from hemostat.errors import NoSuchContainerError, NotApplicableError
from tests.fuzz.targets import INSPECTED, LISTED
from tests.support.engine_fixtures import IMAGE, SESSION, eventually
from tests.support.required import program
from tests.support.rule_proxy import Rule, RuleProxy, Silence, told

ID = "a" * 64
FILE = f"""
version: "3.8"
services:
  web:
    image: {IMAGE}
    command: sh -c 'hostname > /data/name; httpd -f -p 80 -h /data'
    init: true
    volumes: [/data]
    networks: [front, back]
    stop_grace_period: 1s
    labels: {{hemostat.test: "{SESSION}", hemostat.scale.max: "3"}}
networks: {{front: {{}}, back: {{}}}}
"""


# Compose 1 leaves no label of depends_on.
LINKED = f"""
version: "3.8"
x-any: &any
  image: {IMAGE}
  command: sleep 1000
  init: true
  stop_grace_period: 0s
  labels: {{hemostat.test: "{SESSION}"}}
services:
  web:
    <<: *any
    labels: {{hemostat.test: "{SESSION}", hemostat.depends_on: "db,init"}}
    networks: [front, back]
    scale: 2
  db: {{<<: *any, networks: [back]}}
  exporter: {{<<: *any, network_mode: "service:db", depends_on: [db]}}
  init: {{<<: *any, network_mode: none}}
  batch:
    <<: *any
    labels: {{hemostat.test: "{SESSION}", hemostat.depends_on: init}}
    network_mode: none
networks: {{front: {{}}, back: {{}}}}
"""


def inspected(**changes: Any) -> dict[str, Any]:
    labels = {"com.docker.compose.container-number": "1", "com.docker.compose.service": "web"}
    networks = {"shop": {"Aliases": ["web", ID[:12]], "IPAMConfig": None, **changes.pop("endpoint", {})}}
    return {
        "Id": ID,
        "Name": changes.pop("name", "/shop-web-1"),
        "Config": {"Hostname": ID[:12], "Labels": labels, "Image": "web:1", **changes.pop("config", {})},
        "HostConfig": {"NetworkMode": "shop", **changes.pop("host", {})},
        "NetworkSettings": {"Networks": networks},
    }


def test_copy_equals_its_model_except_for_identity():
    own = "b" * 64
    body = make_copy_body(inspected(host={"Binds": [f"{own}:/data", "shop_files:/files", "/srv:/srv:ro"]}), 4)
    assert body["Image"] == "web:1"
    assert "Hostname" not in body
    assert body["Labels"]["com.docker.compose.container-number"] == "4"
    assert body["Labels"]["hemostat.replica"] == "true"
    assert body["HostConfig"]["Binds"] == ["shop_files:/files", "/srv:/srv:ro"]
    assert body["NetworkingConfig"] == {"EndpointsConfig": {"shop": {"Aliases": ["web"]}}}


@pytest.mark.parametrize(
    ("swappiness", "podman", "copied"),
    [(0, True, None), (None, True, None), (30, True, 30), (0, False, 0), (30, False, 30)],
)
def test_swappiness_that_podman_reports_as_unset_is_not_copied(swappiness, podman, copied):
    model = inspected(host={"MemorySwappiness": swappiness}) | ({LIBPOD_FIELD: {}} if podman else {})
    assert make_copy_body(model, 2)["HostConfig"].get("MemorySwappiness") == copied


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": "/shop"}, "a fixed name"),
        ({"host": {"NetworkMode": "host"}}, "network of the host"),
        ({"host": {"NetworkMode": "container:abc"}}, "of another container"),
        (
            {"host": {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}},
            "port 8080 of the host",
        ),
        ({"endpoint": {"IPAMConfig": {"IPv4Address": "10.0.0.2"}}}, "a fixed address"),
        ({"config": {"MacAddress": "02:42:ac:11:00:02"}}, "a fixed address"),
    ],
)
def test_container_with_exclusive_resources_is_not_copied(changes, why):
    with pytest.raises(NotApplicableError, match=why):
        make_copy_body(inspected(**changes), 2)


@pytest.mark.parametrize("port", ["", "0", "8000-8010"])
def test_container_with_an_ephemeral_port_is_copied(port):
    bindings = {"80/tcp": [{"HostIp": "", "HostPort": port}], "81/tcp": None}
    assert (
        make_copy_body(inspected(host={"PortBindings": bindings}), 2)["HostConfig"]["PortBindings"]
        == bindings
    )


Compose = Callable[..., str]


@pytest.fixture
def compose(
    docker_engine: DockerEngine, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[str, Compose]]:
    """A project that is up, its name, and compose's own command on it."""
    program("docker-compose")
    project, file = f"hstest{secrets.token_hex(4)}", tmp_path / "docker-compose.yml"
    file.write_text(getattr(request, "param", FILE))

    def run(*words: str) -> str:
        command = ["docker-compose", "-p", project, "-f", str(file), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    try:
        run("up", "-d")
        yield project, run
    finally:
        run("down", "--volumes", "--timeout", "1")


@pytest.mark.docker
def test_compose_owns_and_removes_the_replicas(docker_engine: DockerEngine, compose: tuple[str, Compose]):
    project, run = compose
    service = f"compose:{project}/web"
    docker_engine.set_replicas(service, 3)
    assert docker_engine.read_service(service).replicas == 3
    assert len(run("ps", "-q", "web").split()) == 3
    peers = docker_engine.find({"label": f"com.docker.compose.project={project}"})
    for info in peers:
        # A volume that nobody named is each one's own.
        wait_for_file(docker_engine, info.ref.id, info.ref.id[:12])
        assert docker_engine.read_details(info.ref.id).networks == (f"{project}_back", f"{project}_front")
    told = docker_engine.exec(peers[0].ref.id, ["nslookup", "web"])[1]
    assert all(info.address in told for info in peers), told
    volumes = [docker("inspect", "-f", "{{range .Mounts}}{{.Name}}{{end}}", info.ref.id) for info in peers]
    assert len(set(volumes)) == 3
    run("up", "-d")
    assert docker_engine.read_service(service).replicas == 1
    left = zip(volumes, peers, strict=True)
    # Compose leaves the volumes of what it takes away.
    docker("volume", "rm", *(volume for volume, info in left if is_gone(docker_engine, info)))


@pytest.mark.parametrize(
    "answer", [Silence(), told({}), told(["x" * (1 << 20)] * 17)], ids=["silent", "empty", "long"]
)
def test_forged_container_does_not_prevent_the_scaling_of_a_service(answer, tmp_path, monkeypatch):
    """Its labels name project and service, and its inspection hangs or cannot be read."""
    monkeypatch.setattr("hemostat.adapters.docker_engine.inspection.INSPECT_SECONDS", 0.5)
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
    own = {**labels, "com.docker.compose.config-hash": "c" * 64, "com.docker.compose.container-number": "1"}
    inspected = {
        **INSPECTED,
        "Name": "/shop_web_1",
        "Config": {"Image": "nginx", "Labels": own},
        "HostConfig": {"NetworkMode": "shop_default"},
    }
    rows = [{**LISTED, "Id": ID, "Labels": labels}, {**LISTED, "Id": INSPECTED["Id"], "Labels": own}]
    rules = [
        Rule("GET /version", told({"ApiVersion": "1.41"})),
        Rule("GET /containers/json", told(rows)),
        Rule(f"GET /containers/{ID}/json", answer),
        Rule(f"GET /containers/{INSPECTED['Id']}/json", told(inspected)),
    ]
    service = get_service_id(parse_info(inspected).ref, TRUST_OWN)
    with (
        RuleProxy(tmp_path / "engine.sock", *rules, upstream="") as proxy,
        closing(DockerEngine.connect(proxy.url, 5.0)) as engine,
    ):
        assert engine.read_service(str(service)).members == (INSPECTED["Id"],)


@pytest.mark.docker
@pytest.mark.parametrize("compose", [LINKED], indirect=True)
def test_forged_containers_are_not_members_of_a_compose_service(
    docker_engine: DockerEngine, compose: tuple[str, Compose]
):
    """By what a real Compose and a real engine tell of them, without believing labels alone."""
    project, _ = compose
    of_service = {"com.docker.compose.project": project, "com.docker.compose.service": "db"}
    flags = [f"--label={name}={value}" for name, value in of_service.items()]
    evil = docker("run", "-d", f"--label=hemostat.test={SESSION}", *flags, IMAGE, "sleep", "1000")
    try:
        infos = docker_engine.find({"label": f"com.docker.compose.project={project}"})
    finally:
        docker("rm", "-f", evil)
    by_id = {info.ref.id: info.ref for info in infos}
    topology = DependencyGraph.build(infos)
    needs = {
        info.ref.service: sorted(by_id[each].service or "" for each in topology.find_upstream(info.ref.id))
        for info in infos
        if info.ref.id != evil
    }
    assert needs == {"web": ["db", "init"], "db": [], "exporter": ["db"], "init": [], "batch": ["init"]}
    assert evil not in {each for info in infos for each in topology.find_upstream(info.ref.id)}
    groups = [get_replica_group(info.ref, TRUST_OWN) for info in infos if info.ref.service == "web"]
    assert len(groups) == 2
    assert len(set(groups)) == 1
    assert get_replica_group(by_id[evil], TRUST_OWN) is None


def is_gone(engine: DockerEngine, info: ContainerInfo) -> bool:
    try:
        engine.inspect(info.ref.id)
    except NoSuchContainerError:
        return True
    return False


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


def wait_for_file(engine: DockerEngine, container: str, text: str) -> None:
    eventually(lambda: engine.exec(container, ["cat", "/data/name"])[1].strip() == text)
