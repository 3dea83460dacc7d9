"""What the proxy of docker-compose.yml lets a role ask of the engine: it is root, and two roles read what
strangers write."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import docker
import pytest

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.cli.doctor.engine_checks import check_engine_access
from hemostat.cli.doctor.machine import Machine
from hemostat.config import Settings
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action
from hemostat.ports.engine_access import ENGINE_USES, EngineUse, is_reading
from hemostat.streams import ROLES_BY_NAME
from tests.docs.engine_proxy import ROOT as ROOT_USES
from tests.docs.engine_proxy import rules
from tests.docs.made import ROOT
from tests.support.engine_fixtures import eventually
from tests.support.engine_requests import find_endpoint
from tests.support.lab.command import environ, run, start
from tests.support.required import program
from tests.support.rule_proxy import ENGINE, Rule, RuleProxy
from tests.support.rule_proxy import told as answer_json

CONFIGURATION = ROOT / "docs/engine-proxy/haproxy.cfg"
UNIT = ROOT / "docs/systemd/hemostat-engine-proxy.service"
ID = "0" * 64
EXAMPLES = {
    "GET /events": "GET /events?since=1",
    "GET /containers/ID/json": "GET /containers/web-1/json",
    "GET /containers/ID/stats": "GET /containers/a_b.c/stats?stream=0",
    "POST /containers/ID/stop": "POST /containers/web/stop?t=3",
    "GET /exec/ID/json": "GET /exec/0a1b/json",
    "GET /images/ID/json": "GET /images/registry:5000/team/web:1@sha256:0a/json",
    "DELETE /containers/ID": "DELETE /containers/a?v=False&link=False&force=False",
    "DELETE /images/ID": "DELETE /images/sha256:0a?force=0",
    "DELETE /containers/ID?v=1": "DELETE /containers/a?v=True&force=True",
}
"""Requests that are written in a particular way, by endpoint."""
HOSTILE = [
    "POST /v1.41/containers/create", "POST /containers/create?name=x",
    "GET /v1.41/containers/a/archive?path=/etc", "PUT /v1.41/containers/a/archive?path=/",
    "GET /v1.41/containers/a/export", "GET /v1.41/containers/a/attach/ws",
    "POST /v1.41/containers/a/attach", "POST /v1.41/containers/a/rename?name=b",
    "POST /v1.41/containers/a/kill", "POST /v1.41/images/create?fromImage=x", "POST /v1.41/build",
    "POST /v1.41/commit", "POST /v1.41/session", "POST /v1.41/plugins/pull", "POST /v1.41/swarm/init",
    "GET /v1.41/secrets", "GET /v1.41/configs", "POST /v1.41/networks/create", "POST /v1.41/volumes/create",
    "GET /v1.41/images/a/json", "GET /v1.41/volumes/v", "GET /v1.41/networks", "GET /v1.41/tasks",
    "GET /v1.41/libpod/containers/a/json", "GET /v4.0.0/libpod/containers/json",
    "POST /v4.0.0/libpod/containers/a/restart", "GET /v4.0.0/libpod/containers/a/json/../export",
    # The start of a container could give it the host's root in versions before 1.24.
    "POST /v1.20/containers/a/start", "POST /v1.9/containers/a/start", "POST /v1.023/containers/a/start",
    # Ways to write a path that the engine may read as another.
    "POST //v1.41/containers/a/start/../../create", "GET /v1.41/containers/../images/json",
    "GET /v1.41/containers/a/json/../archive", "GET /v1.41/containers/a%2farchive/json",
    "POST /v1.41/containers/create/", "POST /v1.41/Containers/create", "GET /v1.41/containers//json",
    "GET /v1.41/containers/json/", "GET /containers/a/json%00", "HEAD /v1.41/images/json",
    "DELETE /v1.41/containers/a?force=1", "DELETE /v1.41/containers/a?v=1",
    "DELETE /v1.41/volumes/v?force=T", "DELETE /v1.41/containers/a?force=0&force=1",
    "DELETE /v1.41/containers/a?%66orce=1", "DELETE /v1.41/networks/n",
    "DELETE /v1.41/containers/a?x=1;force=1", "DELETE /v1.41/images/a?FORCE=yes",
]  # fmt: skip


@pytest.fixture
def sockets(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Of the configuration that is shipped, on paths of the test's own, in front of the real engine."""
    with ExitStack() as stack:
        yield serve(stack, tmp_path, ENGINE)


def serve(
    stack: ExitStack, place: Path, engine: str, change: Callable[[str], str] = lambda text: text
) -> dict[str, Path]:
    ways = {name: place / name / "docker.sock" for name in ("read", "act")}
    for path in ways.values():
        path.parent.mkdir()
    text = (
        CONFIGURATION.read_text("utf-8")
        .replace("/run/hemostat", str(place))
        .replace("/var/run/docker.sock", engine)
    )
    (place / "haproxy.cfg").write_text(change(text))
    confined = (
        [sys.executable, "-m", "tests.support.unit_sandbox", str(UNIT)]
        if shutil.which("systemd-analyze")
        else []
    )
    command = [program("haproxy"), "-db", "-q", "-f", str(place / "haproxy.cfg")]
    proxy = stack.enter_context(subprocess.Popen([*confined, *command], cwd=ROOT))
    stack.callback(proxy.terminate)
    eventually(lambda: all(path.exists() for path in ways.values()))
    return ways


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    place = tmp_path_factory.mktemp("proxy")
    with RuleProxy(place / "engine", Rule("", answer_json({})), upstream=""), ExitStack() as stack:
        yield serve(stack, place, str(place / "engine"))


def make_requests(endpoint: str) -> list[str]:
    """The endpoint with an id in place of `ID`, with each version of the API that HemoStat may use."""
    method, path = EXAMPLES.get(endpoint, endpoint.replace("ID", ID)).split(" ")
    versions = ["/v4.0.0"] if path.startswith("/libpod/") else ["", "/v1.24", "/v1.41", "/v1.52"]
    return [f"{method} {version}{path}" for version in versions]


def status(path: Path, request: str, headers: str = "Connection: close\r\n") -> int:
    with closing(socket.socket(socket.AF_UNIX)) as asked:
        asked.settimeout(30)
        asked.connect(str(path))
        asked.sendall(f"{request} HTTP/1.1\r\nHost: docker\r\n{headers}\r\n".encode())
        return int(asked.recv(64).split()[1])


@pytest.mark.parametrize("use", ENGINE_USES, ids=lambda use: use.name)
def test_each_socket_allows_what_its_roles_need_and_no_more(answers, use):
    for request in (each for endpoint in use.endpoints for each in make_requests(endpoint)):
        assert status(answers["read"], request) == (200 if is_reading(use) else 403)
        assert status(answers["act"], request) == (403 if use.gives_root else 200)


def test_replicas_are_allowed_by_lines_without_their_comment(tmp_path):
    with RuleProxy(tmp_path / "engine", Rule("", answer_json({})), upstream=""), ExitStack() as stack:
        ways = serve(stack, tmp_path, str(tmp_path / "engine"), uncomment)
        for use in ROOT_USES:
            for request in (each for endpoint in use.endpoints for each in make_requests(endpoint)):
                assert status(ways["act"], request) == 200
                assert status(ways["read"], request) == 403


def uncomment(text: str) -> str:
    return text.replace("    # http-request allow", "    http-request allow")


def test_doctor_names_a_refused_use_with_its_role_and_loss(tmp_path):
    """HAProxy refuses one use after the other, each by a socket of its own."""
    version = answer_json({"ApiVersion": "1.41", "Version": "4.9", "Components": [{"Name": "Podman Engine"}]})
    missing = answer_json({"message": "No such container"}, 404)
    canned = Rule("/version", version), Rule("/info", answer_json({})), Rule("", missing)
    limits = ResponderSettings(actions=tuple(Action), cleanup_host=True)
    others = {use: [each for each in ENGINE_USES if each is not use] for use in ENGINE_USES}
    frontends = make_frontends(tmp_path, others)
    with RuleProxy(tmp_path / "engine", *canned, upstream=""), ExitStack() as stack:
        serve(stack, tmp_path, str(tmp_path / "engine"), lambda text: text + frontends)
        for number, use in enumerate(others):
            machine = Machine(lambda: SimpleNamespace(settings=Settings(responder=limits), path=None), {})
            refused = DockerEngine.connect(f"unix://{tmp_path}/{number}.sock")
            stack.callback(refused.close)
            machine.engine = lambda refused=refused: refused
            found = check_engine_access(machine)
            assert found.level == ("warning" if use.gives_root else "failure")
            for other in ENGINE_USES:
                assert (other.loss.replace("`", "") in found.message) is (other is use)
            assert all(endpoint in found.message for endpoint in use.endpoints)
            assert all(role in found.message for role in use.roles)


def make_frontends(place: Path, uses: dict[EngineUse, list[EngineUse]]) -> str:
    frontends = [
        f"""
frontend without{number}
    bind unix@{place}/{number}.sock mode 660
    acl is_forced query -m reg (v|force)=1
{"".join(rules(others))}
    http-request deny
    default_backend engine
"""
        for number, others in enumerate(uses.values())
    ]
    return "".join(frontends)


@pytest.mark.parametrize("request_line", HOSTILE)
@pytest.mark.parametrize("way", ["read", "act"])
def test_endpoints_that_escalate_are_forbidden(answers, way, request_line):
    assert status(answers[way], request_line) in {400, 403}


@pytest.mark.parametrize("protocol", ["h2c", "tcp", "websocket"])
@pytest.mark.parametrize(
    ("way", "request_line"), [("read", "GET /version"), ("act", f"POST /exec/{ID}/start")]
)
def test_no_connection_becomes_a_tunnel(tmp_path, way, request_line, protocol):
    """The requests in it would reach the engine unchecked."""
    switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    upgrade = f"Connection: Upgrade\r\nUpgrade: {protocol}\r\nContent-Length: 0\r\n"
    with RuleProxy(tmp_path / "engine", Rule("", switched), upstream="") as engine, ExitStack() as stack:
        ways = serve(stack, tmp_path, str(tmp_path / "engine"))
        assert status(ways[way], request_line, upgrade) in {400, 403}
        assert engine.asked == []


def is_watching(status: str) -> bool:
    """Whether all roles run and the monitor knows a container: what is down before is left to people."""
    shown = json.loads(status)
    return len(shown["roles"]) == len(ROLES_BY_NAME) and bool(shown["containers"])


@pytest.mark.docker
@pytest.mark.redis
def test_crash_is_healed_by_requests_that_the_table_names_for_the_role(
    sockets, state_dir, tmp_path, make_container, docker_engine
):
    container = make_container(labels={"hemostat.test.proxy": "1"})
    common = environ(state_dir, HOST="proxy", MONITOR_ONLY="hemostat.test.proxy=1", RESPONDER_VERIFY_FOR="1s")
    ways = {"monitor": "read", "analyzer": "read", "responder": "act", "alert": "read"}
    envs = {way: common | {"HEMOSTAT_ENGINE_URL": f"unix://{path}"} for way, path in sockets.items()}
    with ExitStack() as stack:
        recorders = {
            name: stack.enter_context(RuleProxy(tmp_path / name, upstream=str(sockets[way])))
            for name, way in ways.items()
        }
        for name, role in ROLES_BY_NAME.items():
            env = common | {"HEMOSTAT_ENGINE_URL": recorders[name].url}
            process = start(role.command, env=env, stderr=subprocess.DEVNULL)
            stack.enter_context(process)
            stack.callback(process.terminate)
        eventually(lambda: is_watching(run("status", "--json", env=common).stdout), seconds=60.0)
        docker_engine.exec(container, ["sh", "-c", "echo exit 9 >/tmp/exit"])
        ended = ("events", "--type", "remediation_complete")
        eventually(lambda: "healed" in run(*ended, env=common).stdout, seconds=60.0)
        doctor = {way: run("doctor", env=env).stdout for way, env in envs.items()}
    assert docker_engine.inspect(container).is_running
    sent = {
        (name, find_endpoint(request)) for name, recorder in recorders.items() for request in recorder.asked
    }
    assert {("monitor", "GET /events"), ("responder", "POST /containers/ID/start")} <= sent
    assert sent <= {(role, each) for use in ENGINE_USES for role in use.roles for each in use.endpoints}
    assert "all calls that HemoStat makes are allowed" in doctor["act"]
    assert "no action can run" in doctor["read"]


@pytest.mark.docker
def test_roles_send_only_permitted_requests(sockets):
    for way, path in sockets.items():
        client = docker.APIClient(base_url=f"unix://{path}", version="auto")
        with closing(client), pytest.raises(docker.errors.APIError, match="403"):
            client.create_container("none", host_config=client.create_host_config(privileged=True))
        assert way
