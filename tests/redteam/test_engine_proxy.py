"""What the proxy of docker-compose.yml lets a role ask of the engine: it is root, and two roles read what
strangers write."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import docker
import pytest

from hemostat.streams import ROLES_BY_NAME
from tests.docs.made import ROOT
from tests.support.engine_fixtures import eventually
from tests.support.lab.command import environ, run, start
from tests.support.required import program
from tests.support.rule_proxy import ENGINE, Rule, RuleProxy
from tests.support.rule_proxy import told as answer_json

CONFIGURATION = ROOT / "docs/engine-proxy/haproxy.cfg"
UNIT = ROOT / "docs/systemd/hemostat-engine-proxy.service"
ID = "0" * 64
WATCHING = [
    "GET /version", "GET /v1.41/info", "GET /v1.41/events?since=1", "GET /v1.41/containers/json?all=1",
    "GET /v1.41/containers/web-1/json", f"GET /v1.24/containers/{ID}/logs?stdout=1", "GET /containers/a/top",
    "GET /v1.41/containers/a_b.c/stats?stream=0",
]  # fmt: skip
ACTING = [
    *(f"POST /v1.41/containers/web/{verb}" for verb in ("start", "stop?t=3", "restart", "update", "exec")),
    "POST /v1.41/exec/0a1b/start", "GET /v1.41/exec/0a1b/json", "GET /v1.41/system/df",
    "DELETE /v1.41/containers/a?v=False&link=False&force=False", "DELETE /v1.41/images/sha256:0a?force=0",
    "DELETE /v1.41/volumes/v", "POST /v1.41/build/prune",
]  # fmt: skip
HOSTILE = [
    "POST /v1.41/containers/create", "POST /containers/create?name=x",
    "GET /v1.41/containers/a/archive?path=/etc", "PUT /v1.41/containers/a/archive?path=/",
    "GET /v1.41/containers/a/export", "GET /v1.41/containers/a/attach/ws",
    "POST /v1.41/containers/a/attach", "POST /v1.41/containers/a/rename?name=b",
    "POST /v1.41/containers/a/kill", "POST /v1.41/images/create?fromImage=x", "POST /v1.41/build",
    "POST /v1.41/commit", "POST /v1.41/session", "POST /v1.41/plugins/pull", "POST /v1.41/swarm/init",
    "GET /v1.41/secrets", "GET /v1.41/configs", "POST /v1.41/networks/create", "POST /v1.41/volumes/create",
    "GET /v1.41/images/json", "GET /v1.41/volumes",
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


def serve(stack: ExitStack, place: Path, engine: str) -> dict[str, Path]:
    ways = {name: place / name / "docker.sock" for name in ("read", "act")}
    for path in ways.values():
        path.parent.mkdir()
    text = (
        CONFIGURATION.read_text("utf-8")
        .replace("/run/hemostat", str(place))
        .replace("/var/run/docker.sock", engine)
    )
    (place / "haproxy.cfg").write_text(text)
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


def status(path: Path, request: str) -> int:
    with closing(socket.socket(socket.AF_UNIX)) as asked:
        asked.settimeout(30)
        asked.connect(str(path))
        asked.sendall(f"{request} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n".encode())
        return int(asked.recv(64).split()[1])


@pytest.mark.parametrize("request_line", WATCHING)
@pytest.mark.parametrize("way", ["read", "act"])
def test_every_role_may_watch(answers, way, request_line):
    assert status(answers[way], request_line) == 200


@pytest.mark.parametrize("request_line", ACTING)
def test_only_the_responder_may_act(answers, request_line):
    assert status(answers["act"], request_line) == 200
    assert status(answers["read"], request_line) == 403


@pytest.mark.parametrize("request_line", HOSTILE)
@pytest.mark.parametrize("way", ["read", "act"])
def test_endpoints_that_escalate_are_forbidden(answers, way, request_line):
    assert status(answers[way], request_line) in {400, 403}


def is_watching(status: str) -> bool:
    """Whether all roles run and the monitor knows a container: what is down before is left to people."""
    shown = json.loads(status)
    return len(shown["roles"]) == len(ROLES_BY_NAME) and bool(shown["containers"])


@pytest.mark.docker
@pytest.mark.redis
def test_crash_is_healed_through_the_proxy_alone(sockets, state_dir, make_container, docker_engine):
    container = make_container(labels={"hemostat.test.proxy": "1"})
    common = environ(state_dir, HOST="proxy", MONITOR_ONLY="hemostat.test.proxy=1", RESPONDER_VERIFY_FOR="1s")
    ways = {"monitor": "read", "analyzer": "read", "responder": "act", "alert": "read"}
    envs = {way: common | {"HEMOSTAT_ENGINE_URL": f"unix://{path}"} for way, path in sockets.items()}
    with ExitStack() as stack:
        for name, role in ROLES_BY_NAME.items():
            process = start(role.command, env=envs[ways[name]], stderr=subprocess.DEVNULL)
            stack.enter_context(process)
            stack.callback(process.terminate)
        eventually(lambda: is_watching(run("status", "--json", env=common).stdout), seconds=60.0)
        docker_engine.exec(container, ["sh", "-c", "echo exit 9 >/tmp/exit"])
        ended = ("events", "--type", "remediation_complete")
        eventually(lambda: "healed" in run(*ended, env=common).stdout, seconds=60.0)
        doctor = {way: run("doctor", env=env).stdout for way, env in envs.items()}
    assert docker_engine.inspect(container).is_running
    assert "all calls that HemoStat makes are allowed" in doctor["act"]
    assert "no action can run" in doctor["read"]


@pytest.mark.docker
def test_roles_send_only_permitted_requests(sockets):
    for way, path in sockets.items():
        client = docker.APIClient(base_url=f"unix://{path}", version="auto")
        with closing(client), pytest.raises(docker.errors.APIError, match="403"):
            client.create_container("none", host_config=client.create_host_config(privileged=True))
        assert way
