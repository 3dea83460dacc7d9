"""Messages for operators when the engine, or a proxy in front of it, fails."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hemostat.adapters.docker_engine import DockerEngine, inspection, mounted_socket
from hemostat.adapters.docker_engine import event_stream as docker_stream
from hemostat.adapters.docker_engine.answers import MAX_ANSWER_BYTES, AnswerTooLongError
from hemostat.core.model import Connected, Disconnected
from hemostat.errors import (
    EngineError,
    EngineForbiddenError,
    EngineTimeoutError,
    EngineUnreachableError,
)
from tests.support.rule_proxy import Rule, RuleProxy, Silence, page, stream, told

VERSION = Rule("GET /version", told({"ApiVersion": "1.41", "Version": "20.10.24"}))
LONG = "OCI runtime create failed: " + "x" * 2000 + ": no such file or directory: unknown"


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[RuleProxy]:
    with RuleProxy(tmp_path / "engine.sock", VERSION, upstream="") as proxy:
        yield proxy


def connect(proxy: RuleProxy, *rules: Rule, timeout: float = 5.0) -> DockerEngine:
    proxy.rules = [*rules, VERSION]
    return DockerEngine.connect(proxy.url, timeout)


def is_one_short_line(error: EngineError) -> bool:
    text = str(error)
    return "\n" not in text and "<" not in text and len(text) < 600


@pytest.mark.parametrize("status", [401, 403, 405])
def test_proxy_refusal_names_the_endpoint_and_the_permission(proxy: RuleProxy, status: int) -> None:
    engine = connect(proxy, Rule("^POST ", page(status)))
    with pytest.raises(EngineForbiddenError, match="forbids POST /containers/ID/restart") as raised:
        engine.restart("web", timeout=1)
    assert not raised.value.transient
    assert "CONTAINERS=1, POST=1" in raised.value.hint
    assert f"HTTP {status}" in raised.value.message
    assert is_one_short_line(raised.value)


def test_plugin_refusal_contains_the_plugins_reason(proxy: RuleProxy) -> None:
    denied = told({"message": "authorization denied by plugin opa: read only"}, 403)
    engine = connect(proxy, Rule("POST /containers/.*/stop", denied))
    with pytest.raises(EngineForbiddenError, match="plugin opa: read only"):
        engine.stop("web", timeout=1)


@pytest.mark.parametrize("status", [500, 404, 418])
def test_html_error_page_is_reported_by_its_status(proxy: RuleProxy, status: int) -> None:
    engine = connect(proxy, Rule("GET /containers/web/json", page(status)))
    with pytest.raises(EngineError, match=f"inspect web: HTTP {status}") as raised:
        engine.inspect("web")
    assert is_one_short_line(raised.value)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_gateway_error_is_transient(proxy: RuleProxy, status: int) -> None:
    engine = connect(proxy)
    proxy.rules = [Rule(".", page(status))]
    for call in (lambda: engine.inspect("web"), lambda: DockerEngine.connect(proxy.url)):
        with pytest.raises(EngineUnreachableError, match=f"behind unix.*HTTP {status}") as raised:
            call()
        assert raised.value.transient
        assert is_one_short_line(raised.value)


def test_engine_without_swarm_is_not_asked_again(proxy: RuleProxy) -> None:
    refusal = told(
        {"message": 'This node is not a swarm manager. Use "docker swarm init" to connect it.'}, 503
    )
    engine = connect(proxy, Rule("GET /services/s1", refusal))
    with pytest.raises(EngineError, match="not a swarm manager") as raised:
        engine.read_service("s1")
    assert not raised.value.transient


CALLS = {
    "inspect": lambda engine: engine.inspect("web"),
    "start": lambda engine: engine.start("web"),
    "exec": lambda engine: engine.exec("web", ["true"]),
    "service": lambda engine: engine.read_service("s1"),
    "logs": lambda engine: engine.logs("web"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("status", [301, 303, 307])
def test_redirect_of_the_engine_is_not_followed(proxy: RuleProxy, call, status: int) -> None:
    elsewhere = "/v1.41/elsewhere"
    moved = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
    engine = connect(proxy, Rule("elsewhere", told({})), Rule("(containers|services)/", moved.encode()))
    with pytest.raises(EngineError, match=f"a redirect .HTTP {status}") as raised:
        call(engine)
    assert not raised.value.transient


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("status", [200, 500])
def test_response_above_the_limit_is_refused(proxy: RuleProxy, call, status: int) -> None:
    endless = told({"message": "x" * (MAX_ANSWER_BYTES + 1)}, status)
    engine = connect(proxy, Rule("(containers|services)/", endless))
    with pytest.raises(AnswerTooLongError, match="larger than 16 MiB"):
        call(engine)


def test_long_explanation_keeps_its_start_and_end(proxy: RuleProxy) -> None:
    engine = connect(proxy, Rule("POST .*/start", told({"message": LONG}, 500)))
    with pytest.raises(
        EngineError, match=r"^start web: OCI runtime.* … .*no such file or directory: unknown$"
    ):
        engine.start("web")


@pytest.mark.parametrize(
    "answered",
    [
        page(404),
        page(200),
        told({"hello": "world"}),
        told({"message": "not found"}, 404),
        b"SSH-2.0-OpenSSH\r\n",
    ],
    ids=["html-404", "html-200", "other-json", "json-404", "no-http"],
)
def test_other_server_at_the_port_is_not_an_engine(answered: bytes) -> None:
    with (
        RuleProxy(None, Rule(".", answered), upstream="") as proxy,
        pytest.raises(
            EngineUnreachableError, match=r"not a Docker Engine|no Docker Engine answers"
        ) as raised,
    ):
        DockerEngine.connect(proxy.url)
    assert not raised.value.transient
    assert raised.value.exit_code == 3
    assert is_one_short_line(raised.value)


def test_engine_that_requires_tls_is_named() -> None:
    wanted = told({"message": "Client sent an HTTP request to an HTTPS server."}, 400)
    with (
        RuleProxy(None, Rule(".", wanted), upstream="") as proxy,
        pytest.raises(EngineUnreachableError, match=r"requires TLS.*DOCKER_TLS_VERIFY"),
    ):
        DockerEngine.connect(proxy.url)


def test_tls_to_an_engine_without_tls_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "")
    with RuleProxy(None, VERSION, upstream="") as proxy:
        url = proxy.url.replace("tcp:", "https:")
        with pytest.raises(EngineUnreachableError, match="does not use TLS") as raised:
            DockerEngine.connect(url)
    assert is_one_short_line(raised.value)


def test_engine_with_an_old_api_is_named(proxy: RuleProxy) -> None:
    proxy.rules = [Rule("GET /version", told({"ApiVersion": "1.12", "Version": "1.0"}))]
    with pytest.raises(EngineUnreachableError, match=r"API is too old.*install Docker Engine"):
        DockerEngine.connect(proxy.url)


def test_call_without_response_is_reported_as_a_timeout(proxy: RuleProxy) -> None:
    engine = connect(proxy, Rule("GET /containers/web/logs", Silence()), timeout=0.1)
    with pytest.raises(EngineTimeoutError, match=r"logs of web: .*took too long") as raised:
        engine.logs("web")
    assert raised.value.transient


def test_forbidden_version_call_is_tolerated(proxy: RuleProxy) -> None:
    proxy.rules = [
        Rule("GET /version", page(403)),
        Rule("GET /containers/web/json", told({"message": "No such container: web"}, 404)),
    ]
    engine = DockerEngine.connect(proxy.url)
    with pytest.raises(EngineError, match="No such container"):
        engine.inspect("web")


@pytest.mark.parametrize("answer", [VERSION.answer, page(403)])
def test_ping_ends_while_containers_hang(proxy: RuleProxy, answer: bytes) -> None:
    engine = connect(proxy, Rule("GET /(containers|info)", Silence()), timeout=0.1)
    proxy.rules = [Rule("GET /version", answer), *proxy.rules]
    engine.ping()


def test_ping_of_a_silent_engine_is_an_error(proxy: RuleProxy) -> None:
    engine = connect(proxy, timeout=0.1)
    proxy.rules = [Rule("", Silence())]
    with pytest.raises(EngineTimeoutError):
        engine.ping()


# --- what may not be asked -------------------------------------------------------------------------------


@pytest.mark.parametrize("forbidden", ["GET /info", "GET /(info|version)"])
def test_forbidden_facts_of_the_engine_are_named(proxy: RuleProxy, forbidden: str) -> None:
    found = connect(proxy, Rule(forbidden, page(403))).version()
    assert (found.time, found.api) == (0.0, "1.41")
    assert all("forbids GET /" in each and "=1" in each and "<" not in each for each in found.forbidden)


# --- streams that fall silent ----------------------------------------------------------------------------


def event_line(action: str, nanos: int) -> bytes:
    told = {"Action": action, "Actor": {"ID": "c1", "Attributes": {"name": "web"}}, "timeNano": nanos}
    return json.dumps(told).encode() + b"\n"


@pytest.mark.parametrize("chunked", [True, False])
def test_stream_cut_within_a_line_is_renewed(
    proxy: RuleProxy, monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    monkeypatch.setattr(docker_stream, "SILENCE_SECONDS", 0.2)
    first, second = event_line("start", 10**18), event_line("die", 10**18 + 1)
    answers = iter([stream(first, second[:20], chunked=chunked), stream(first, second, chunked=chunked)])
    engine = connect(proxy, Rule("GET /events", lambda _: next(answers, Silence())))
    heard: list[object] = []
    events = engine.events()
    while len(heard) < 3:
        heard.append(next(events))
    assert [getattr(each, "action", "connected") for each in heard] == ["connected", "start", "die"]
    assert proxy.count("GET /events") == 2
    engine.close()


def test_proxy_that_never_responds_is_reported_as_lost(
    proxy: RuleProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_stream, "SILENCE_SECONDS", 0.1)
    engine = connect(proxy, Rule("GET /events", Silence()))
    lost = next(engine.events())
    assert isinstance(lost, Disconnected)
    assert "follow events: the Docker Engine at unix://" in lost.error
    assert "took too long" in lost.error
    engine.close()


def test_forbidden_events_endpoint_is_named(proxy: RuleProxy) -> None:
    engine = connect(proxy, Rule("GET /events", page(403)))
    lost = next(engine.events())
    assert isinstance(lost, Disconnected)
    assert "forbids GET /events" in lost.error
    assert "EVENTS=1" in lost.error
    assert "<" not in lost.error
    engine.close()


def test_tcp_connection_uses_keepalive() -> None:
    with RuleProxy(None, VERSION, Rule("GET /events", stream()), upstream="") as proxy:
        engine = DockerEngine.connect(proxy.url)
        events = engine.events()
        assert isinstance(next(events), Connected)
        (wire,) = engine._open_sockets._open
        assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 30
        engine.close()


# --- one container among others --------------------------------------------------------------------------


def inspected(name: str, **changes: object) -> bytes:
    state = {"Status": "running", "StartedAt": "2026-01-01T00:00:00Z"}
    found = {"Id": name, "Name": f"/{name}", "State": state, "HostConfig": {}, "Config": {"Image": "x"}}
    return told({**found, **changes})


def listed(*names: str) -> Rule:
    rows = [
        {"Id": name, "Names": [f"/{name}"], "State": "running", "Status": "Up 5 minutes"} for name in names
    ]
    return Rule("GET /containers/json", told(rows))


NO_SUCH = told({"message": "No such container: gone"}, 404)
FAULTS = {
    "500": told({"message": "layer does not exist"}, 500),
    "html": page(500),
    "no-config": inspected("bad", Config=None),
    "no-state": inspected("bad", State=None),
    "bad-time": inspected("bad", State={"Status": "running", "StartedAt": "yesterday"}),
    "no-json": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{half",
    "a-list": told([]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_container_with_a_failing_inspection_is_left_out(proxy: RuleProxy, fault: str) -> None:
    rules = [Rule(f"GET /containers/{name}/json", inspected(name)) for name in ("one", "two")]
    rules += [Rule("GET /containers/gone/json", NO_SUCH), Rule("GET /containers/bad/json", FAULTS[fault])]
    engine = connect(proxy, *rules, listed("one", "bad", "gone", "two"))
    assert [info.ref.name for info in engine.inspect_everything()] == ["one", "two"]
    answers = engine.inspect_all(["bad", "two"])
    bad = answers["bad"]
    assert isinstance(bad, EngineError)
    assert is_one_short_line(bad)
    assert bad.message.startswith("inspect bad: ")


def test_hanging_inspections_do_not_add_up(proxy: RuleProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "INSPECT_SECONDS", 0.3)
    names = [f"c{number}" for number in range(12)]
    rules = [Rule(f"GET /containers/{name}/json", inspected(name)) for name in names[::2]]
    engine = connect(proxy, *rules, Rule("GET /containers/c", Silence()), listed(*names))
    began = time.monotonic()
    assert [info.ref.name for info in engine.inspect_everything()] == names[::2]
    assert time.monotonic() - began < 1.5
    assert [type(answer) for answer in engine.inspect_all(names[1::2]).values()] == [EngineTimeoutError] * 6


def test_inspections_after_a_hanging_one_have_less_time(
    proxy: RuleProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "INSPECT_SECONDS", 600.0)
    monkeypatch.setattr(inspection, "BRIEF_SECONDS", 0.1)
    engine = connect(proxy, Rule("GET /containers/c", Silence()))
    names = [f"c{number}" for number in range(12)]
    answers = engine.inspect_all(names, brief=True)
    assert [type(answer) for answer in answers.values()] == [EngineTimeoutError] * len(names)


def test_malformed_row_is_skipped_alone(proxy: RuleProxy) -> None:
    rows = [{}, {"Id": "c1", "Names": None, "Labels": 7}, {"Id": "c2", "Names": ["/two"], "State": "running"}]
    engine = connect(proxy, Rule("GET /containers/json", told(rows)))
    assert [row.ref.name for row in engine.list_containers()] == ["two"]


def test_hanging_list_times_out(proxy: RuleProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "LIST_SECONDS", 0.1)
    engine = connect(proxy, Rule("GET /containers/json", Silence()))
    with pytest.raises(EngineTimeoutError, match="list containers"):
        engine.list_containers()


def test_network_members_are_listed_despite_a_hanging_one(
    proxy: RuleProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "INSPECT_SECONDS", 0.2)
    rows = [{"Id": name, "HostConfig": {"NetworkMode": "container:vpn"}} for name in ("stuck", "app")]
    rules = [Rule("GET /containers/app/json", inspected("app")), Rule("GET /containers/stuck", Silence())]
    engine = connect(proxy, *rules, Rule("GET /containers/json", told([*rows, {"Id": "vpn"}])))
    assert [info.ref.name for info in engine.list_attached()] == ["app"]


def test_unused_containers_are_listed_despite_a_hanging_one(
    proxy: RuleProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "INSPECT_SECONDS", 0.2)
    rows = [{"Id": name, "Names": [f"/{name}"], "State": "exited"} for name in ("stuck", "old")]
    rules = [
        Rule("GET /containers/old/json", inspected("old", State={"Status": "exited"})),
        Rule("GET /containers/stuck", Silence()),
    ]
    rules += [Rule("GET /images/json", told([])), Rule("GET /volumes", told({"Volumes": None}))]
    rules += [Rule("GET /containers/json", told(rows)), Rule("GET /system/df", told({"Containers": rows}))]
    engine = connect(proxy, *rules)
    assert [each.name for each in engine.list_reclaimable()] == ["old"]


def test_disk_usage_is_enough_where_a_proxy_forbids_the_lists(proxy):
    used = {"Images": [{"Id": "sha256:1", "RepoTags": None, "Containers": 0, "Size": 9}]}
    rules = [Rule("GET /images/json", page(403)), Rule("GET /containers/json", told([]))]
    engine = connect(proxy, *rules, Rule("GET /system/df", told(used)))
    assert [each.size for each in engine.list_reclaimable()] == [9]


# --- the socket in a container --------------------------------------------------------------------------


def test_directory_in_place_of_the_socket_is_named(tmp_path: Path) -> None:
    (tmp_path / "docker.sock").mkdir()
    with pytest.raises(EngineUnreachableError, match=r"is a directory, not a socket.*recreate the container"):
        DockerEngine.connect(f"unix://{tmp_path}/docker.sock")


def test_file_in_place_of_the_socket_is_named(tmp_path: Path) -> None:
    (tmp_path / "docker.sock").write_text("")
    with pytest.raises(EngineUnreachableError, match="is a file, not a socket"):
        DockerEngine.connect(f"unix://{tmp_path}/docker.sock")


@pytest.fixture
def deserted(tmp_path: Path) -> Path:
    """A socket without a listening process."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    return path


def test_socket_without_listener_suggests_dockerd(deserted: Path) -> None:
    with pytest.raises(EngineUnreachableError, match=r"Connection refused.*is dockerd running"):
        DockerEngine.connect(f"unix://{deserted}")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("/run/docker.sock//deleted", "is outdated"),
        ("/run/docker.sock", "no process listens on the socket mounted at"),
    ],
)
def test_mounted_socket_is_recognised(deserted: Path, tmp_path: Path, source: str, said: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 0:21 / /sys rw,nosuid - sysfs sysfs rw\n"
        f"36 22 0:25 {source} {deserted} rw,relatime - tmpfs tmpfs rw\n"
    )
    cause, hint = mounted_socket.explain_socket(f"unix://{deserted}", mounts) or ("", "")
    assert said in cause
    assert "mount its directory instead of the socket, or recreate this container" in hint


def test_socket_beside_mounts_is_not_a_mount(deserted: Path, tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 22 0:25 /run {deserted.parent} rw - tmpfs tmpfs rw\nshort line\n")
    assert mounted_socket.explain_socket(f"unix://{deserted}", mounts) is None
