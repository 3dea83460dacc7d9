"""An engine that is reached through a real sshd on the loopback interface."""

import os
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hemostat.adapters.docker_engine import DockerEngine, ssh_failures, ssh_tunnel
from hemostat.adapters.docker_engine.shell import DockerShell
from hemostat.core.model import Connected, Disconnected
from hemostat.core.settings.ssh_address import SshAddress
from hemostat.errors import EngineUnreachableError
from tests.support.engine_fixtures import eventually
from tests.support.lab.ssh_server import SshServer, is_alive, is_present
from tests.support.required import program
from tests.support.rule_proxy import Rule, RuleProxy, stream, told

VERSION = Rule("GET /version", told({"ApiVersion": "1.41", "Version": "20.10.24"}))
REMOTE = [
    Rule("GET /containers/json", told([])),
    Rule("GET /info", told({"Name": "web1", "NCPU": 4, "MemTotal": 1 << 30, "CgroupVersion": "2"})),
    VERSION,
]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    """A running sshd, and the `ssh` that knows its keys on PATH."""
    yield from serve(tmp_path, monkeypatch)


def serve(directory: Path, monkeypatch: pytest.MonkeyPatch, **options: str) -> Iterator[SshServer]:
    server = SshServer(directory, **options)
    monkeypatch.setenv("PATH", f"{server.programs}:{os.environ['PATH']}")
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[RuleProxy]:
    """An engine of canned answers at the other end."""
    with RuleProxy(tmp_path / "remote.sock", *REMOTE, upstream="") as proxy:
        yield proxy


@pytest.fixture
def url(server: SshServer, proxy: RuleProxy, tmp_path: Path) -> str:
    return f"{server.url}{tmp_path}/remote.sock"


def refusal(url: str) -> EngineUnreachableError:
    with pytest.raises(EngineUnreachableError) as raised:
        DockerEngine.connect(url, 5.0)
    assert "\n" not in str(raised.value)
    return raised.value


# --- a connection -----------------------------------------------------------------------------------------


def test_engine_is_reached_by_ssh(url: str) -> None:
    with closing(DockerEngine.connect(url)) as engine:
        version = engine.version()
    assert (version.name, version.cpus, version.address) == ("web1", 4, url)
    assert version.risk == ""


def test_engine_of_docker_host_is_reached_by_ssh(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", url)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")  # says nothing about ssh
    DockerEngine.connect().close()


def test_socket_is_of_this_user_alone_and_removed_at_the_end(
    url: str, server: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="hs-test-", dir="/tmp") as parent:
        monkeypatch.setattr(tempfile, "tempdir", parent)
        engine = DockerEngine.connect(url)
        (directory,) = Path(parent).iterdir()
        assert directory.stat().st_mode & 0o777 == 0o700
        assert (directory / "engine.sock").stat().st_mode & 0o077 == 0
        engine.close()
        assert not directory.exists()
    assert not is_alive(server.list_uses()[0])


def test_other_forwardings_of_the_configuration_do_not_prevent_the_tunnel(
    url: str, server: SshServer, tmp_path: Path
) -> None:
    with (tmp_path / "ssh_config").open("a") as file:
        file.write(f"LocalForward {server.port} 127.0.0.1:9\nLogLevel QUIET\nControlMaster auto\n")
    DockerEngine.connect(url).close()


def test_tunnel_ends_with_a_process_that_is_killed(url: str, server: SshServer) -> None:
    code = (
        "import sys, time\nfrom hemostat.adapters.docker_engine import DockerEngine\n"
        "engine = DockerEngine.connect(sys.argv[1])\nprint('open', flush=True)\ntime.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, url]
    with tempfile.TemporaryDirectory(prefix="hs-test-", dir="/tmp") as parent:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": parent}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            assert is_alive(server.list_uses()[0])
            process.kill()
        eventually(lambda: not is_alive(server.list_uses()[0]))


# --- losses -----------------------------------------------------------------------------------------------


def test_tunnel_is_started_again_when_ssh_was_killed(url: str, server: SshServer) -> None:
    with closing(DockerEngine.connect(url)) as engine:
        kill_ssh(server)
        eventually(lambda: answers(engine))
        assert len(server.list_uses()) == 2


def kill_ssh(server: SshServer) -> None:
    process = server.list_uses()[-1]
    os.kill(process, signal.SIGKILL)
    eventually(lambda: not is_present(process))


def answers(engine: DockerEngine) -> bool:
    try:
        return engine.list_containers() == []
    except EngineUnreachableError:
        return False


def test_engine_answers_again_after_sshd_was_stopped(url: str, server: SshServer) -> None:
    with closing(DockerEngine.connect(url)) as engine:
        server.stop()
        eventually(lambda: "Connection refused" in failure(engine))
        server.start()
        eventually(lambda: answers(engine))


def failure(engine: DockerEngine) -> str:
    with pytest.raises(EngineUnreachableError) as raised:
        engine.list_containers()
    assert raised.value.transient
    return str(raised.value)


def test_events_continue_over_a_new_tunnel(url: str, server: SshServer, proxy: RuleProxy) -> None:
    proxy.rules = [Rule("GET /events", stream()), *REMOTE]
    engine = DockerEngine.connect(url)
    with closing(engine):
        events = engine.events()
        assert isinstance(next(events), Connected)
        kill_ssh(server)
        assert isinstance(next(events), Disconnected)
        eventually(lambda: isinstance(next(events), Connected))


def test_refused_login_is_not_repeated_at_once(url: str, server: SshServer) -> None:
    with closing(DockerEngine.connect(url)) as engine:
        server.renew_user_key()
        kill_ssh(server)
        eventually(lambda: "accepts no key" in failure_of_any_kind(engine))
        for _ in range(20):
            assert "accepts no key" in failure_of_any_kind(engine)
        assert len(server.list_uses()) <= 4


def failure_of_any_kind(engine: DockerEngine) -> str:
    with pytest.raises(EngineUnreachableError) as raised:
        engine.list_containers()
    return str(raised.value)


# --- refusals ---------------------------------------------------------------------------------------------


def is_left_to_a_person(error: EngineUnreachableError) -> bool:
    return not error.transient and error.curable and error.exit_code == 3


def test_unknown_host_key_is_refused_with_the_way_to_add_it(url: str, server: SshServer) -> None:
    server.trust_host(is_trusted=False)
    error = refusal(url)
    assert "the host's key is unknown" in error.message
    assert f"add it by: ssh -p {server.port} {server.user}@127.0.0.1" in error.hint
    assert is_left_to_a_person(error)


def test_changed_host_key_is_refused(url: str, server: SshServer) -> None:
    server.stop()
    server.renew_host_key()
    server.start()
    error = refusal(url)
    assert "the host's key has changed" in error.message
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in error.hint
    assert is_left_to_a_person(error)


def test_key_that_the_host_does_not_accept_is_named(url: str, server: SshServer) -> None:
    server.renew_user_key()
    error = refusal(url)
    assert "the host accepts no key of this user" in error.message
    assert is_left_to_a_person(error)


def test_password_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for server in serve(tmp_path, monkeypatch, PasswordAuthentication="yes"):
        server.renew_user_key()
        error = refusal(server.url)
        assert "ssh asks for a password" in error.message
        assert "HemoStat needs a key or an agent" in error.hint
        assert is_left_to_a_person(error)


def test_refused_connection_is_transient(url: str, server: SshServer) -> None:
    server.stop()
    error = refusal(url)
    assert f"no connection to {url}" in error.message
    assert "Connection refused" in error.message
    assert error.transient


def test_missing_socket_of_the_host_is_named(server: SshServer, tmp_path: Path) -> None:
    error = refusal(f"{server.url}{tmp_path}/none.sock")
    assert f"the host has no socket {tmp_path}/none.sock" in error.message
    assert "ssh://HOST/run/podman/podman.sock" in error.hint
    assert is_left_to_a_person(error)


def test_file_in_place_of_the_socket_of_the_host_is_named(server: SshServer, tmp_path: Path) -> None:
    (tmp_path / "file.sock").touch()
    assert "is not a socket" in refusal(f"{server.url}{tmp_path}/file.sock").message


def test_socket_without_a_listener_is_transient(url: str, proxy: RuleProxy, tmp_path: Path) -> None:
    path = tmp_path / "remote.sock"
    proxy.close()
    code = f"import socket; socket.socket(socket.AF_UNIX).bind({str(path)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    error = refusal(url)
    assert f"no connection to {path} there" in error.message
    assert "is dockerd running there?" in error.hint
    assert error.transient


def test_missing_right_to_the_socket_of_the_host_is_named() -> None:
    error = ssh_failures.explain_socket_check(ssh_failures.NO_PERMISSION, SshAddress("far"))
    assert "permission denied on /var/run/docker.sock there" in error.message
    assert "docker group" in error.hint


# --- a hostile host ---------------------------------------------------------------------------------------


def test_endless_output_of_the_host_is_not_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_tunnel, "CHECK_SECONDS", 2.0)
    for server in serve(tmp_path, monkeypatch, ForceCommand="yes"):
        tracemalloc.start()
        error = refusal(f"{server.url}{tmp_path}/none.sock")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert "no Docker Engine answers" in error.message
        assert peak < 16 << 20


def test_agent_and_display_of_the_user_are_not_forwarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, seen = tmp_path / "agent", tmp_path / "seen"
    command = f"echo agent=$SSH_AUTH_SOCK display=$DISPLAY >{seen}"
    monkeypatch.setenv("DISPLAY", ":7")
    with subprocess.Popen([program("ssh-agent", "openssh-client"), "-D", "-a", str(agent)]) as process:
        eventually(agent.exists)
        for server in serve(tmp_path, monkeypatch, ForceCommand=command, X11Forwarding="yes"):
            config = tmp_path / "ssh_config"
            options = config.read_text().replace("IdentityAgent none", f"IdentityAgent {agent}")
            config.write_text(f"{options}ForwardAgent yes\nForwardX11 yes\n")
            refusal(f"{server.url}{tmp_path}/none.sock")
        process.terminate()
    assert seen.read_text() == "agent= display=\n"


# --- other refusals ---------------------------------------------------------------------------------------


def test_missing_ssh_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refusal("ssh://far")
    assert "ssh is not installed here: install openssh-client" in str(error)
    assert not error.transient


def test_texts_of_a_host_are_bounded_and_without_control_characters() -> None:
    error = ssh_failures.explain_end(["banner", "\x1b[31m" + "x" * 5000, ""], SshAddress("far"))
    assert len(str(error)) < 600
    assert str(error).isprintable()


def test_unreadable_address_is_refused_without_its_password() -> None:
    error = refusal("ssh://me:hunter2@far")
    assert "hunter2" not in str(error)
    assert "a password is not possible" in error.message


# --- the docker command -----------------------------------------------------------------------------------


def test_shell_uses_the_same_tunnel_options(
    url: str, server: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = server.programs / "docker"
    docker.write_text('#!/bin/sh\necho "$@" >&2\nexit 1\n')
    docker.chmod(0o700)
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    obstacle = DockerShell(url).find_obstacle("a" * 64, "web")
    assert obstacle.startswith("--host unix:///")
    assert "engine.sock inspect" in obstacle


def test_shell_reports_why_the_host_is_not_reached(url: str, server: SshServer) -> None:
    docker = server.programs / "docker"
    docker.write_text("#!/bin/sh\n")
    docker.chmod(0o700)
    server.trust_host(is_trusted=False)
    assert "the host's key is unknown" in DockerShell(url).find_obstacle("a" * 64, "web")


# --- the real engine --------------------------------------------------------------------------------------


@pytest.mark.docker
def test_containers_of_a_real_engine_are_restarted_and_followed_by_ssh(
    server: SshServer, make_container: Callable[..., str]
) -> None:
    with closing(DockerEngine.connect(server.url)) as engine:
        container = make_container()
        before = engine.inspect(container)
        engine.restart(container, timeout=5)
        assert engine.inspect(container).started_at > before.started_at
        assert engine.exec(container, ["echo", "over ssh"]) == (0, "over ssh\n")
        eventually(lambda: engine.version().local)
