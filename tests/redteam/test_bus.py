"""A local user who runs a Redis for HemoStat to find, or prepares the paths where HemoStat keeps its own."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from hemostat.adapters.notify.apprise import Apprise
from hemostat.adapters.notify.healthchecks_ping import HealthchecksPing
from hemostat.adapters.notify.webhook import Webhook
from hemostat.adapters.redis import EmbeddedRedis, connect
from hemostat.adapters.redis.names import open_connection
from hemostat.config import Redis, Settings
from hemostat.core.notify.message import single
from hemostat.errors import HemoStatError
from tests.support.engine_fixtures import eventually
from tests.support.lab import command
from tests.support.notifications import HEALED
from tests.support.required import missing

pytestmark = pytest.mark.redis
STRANGER = 65534
PORT = 6379


@pytest.fixture
def hemostat(state_dir):
    env = {"HEMOSTAT_STATE_DIR": str(state_dir / "state"), "HEMOSTAT_CONFIG": os.devnull}
    return lambda *arguments, **more: command.run(*arguments, env={**os.environ, **env, **more})


def checks(hemostat, **more):
    return {each["name"]: each for each in json.loads(hemostat("doctor", "--json", **more).stdout)["checks"]}


@contextmanager
def redis_of_nobody(*options: str) -> Iterator[None]:
    """A Redis that another local user runs."""
    if os.geteuid() or not shutil.which("setpriv"):
        missing("only root can start a process as another user, by setpriv")
    server = shutil.which("redis-server") or missing("there is no redis-server on PATH")
    become = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
    with subprocess.Popen(
        [*become, server, "--save", "", *options], stdout=subprocess.DEVNULL, cwd="/tmp"
    ) as run:
        try:
            yield
        finally:
            run.kill()


def answers() -> bool:
    with closing(socket.socket()) as tried:
        return tried.connect_ex(("127.0.0.1", PORT)) == 0


def test_redis_of_another_user_on_localhost_is_not_used(hemostat):
    if answers():
        missing(f"something listens on port {PORT} already")
    with redis_of_nobody("--port", str(PORT), "--bind", "127.0.0.1"):
        eventually(answers)
        status = hemostat("status")
        found = checks(hemostat)["Redis"]
        with closing(connect(f"redis://127.0.0.1:{PORT}/0")) as client:
            assert client.raw.dbsize() == 0
    assert status.returncode == 3
    assert "Redis is not running" in status.stderr
    assert "HemoStat will start" in found["message"]
    assert f"a Redis of user nobody on localhost:{PORT} is not used" in found["message"]
    assert "redis.url" in found["hint"]


@pytest.fixture
def stranger() -> Iterator[Path]:
    """A directory that another user has created, where all users may create one."""
    with tempfile.TemporaryDirectory(prefix="hs-test-") as parent:
        Path(parent).chmod(0o1777)
        own = Path(parent, "theirs")
        own.mkdir(mode=0o755)
        if os.geteuid():
            missing("only root can give files away")
        os.chown(own, STRANGER, STRANGER)
        yield own


def test_socket_in_another_users_directory_is_not_used(hemostat, stranger):
    path = stranger / "redis.sock"
    with redis_of_nobody("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "777"):
        eventually(path.exists)
        told = [hemostat(*each, HEMOSTAT_STATE_DIR=str(stranger)) for each in COMMANDS]
        found = checks(hemostat, HEMOSTAT_STATE_DIR=str(stranger))
    for each in told:
        assert each.returncode == 2, each
        assert each.stderr.count("\n") == 1
        assert f"the directory {stranger} belongs to user nobody" in each.stderr
    assert found["Redis"]["level"] == found["state directory"]["level"] == "failure"
    assert "belongs to user nobody" in found["state directory"]["message"]


COMMANDS = (
    ("all",),
    ("monitor",),
    ("alert",),
    ("status",),
    ("pause",),
    ("order", "stop", "x", "--yes"),
    ("history",),
)


def test_socket_of_another_user_is_not_used(hemostat, state_dir):
    (state := state_dir / "state").mkdir(mode=0o700)
    path = state / "redis.sock"
    state_dir.chmod(0o755)
    state.chmod(0o777)
    with redis_of_nobody("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"):
        eventually(path.exists)
        state.chmod(0o700)
        told = hemostat("status")
    assert told.returncode == 2
    assert f"{path} belongs to user nobody" in told.stderr


@pytest.mark.parametrize("name", ["redis.lock", "redis.life", "all.lock", "redis.sock"])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_symlink_in_the_state_directory_is_not_followed(hemostat, state_dir, name, link):
    (state := state_dir / "state").mkdir(mode=0o700)
    (target := state_dir / "precious").write_text("precious")
    link(target, state / name)
    told = hemostat("all")
    assert told.returncode == 2
    assert f"{state / name} " in told.stderr
    assert target.read_text() == "precious"


@pytest.mark.parametrize("mode", [0o770, 0o1777])
def test_writable_state_directory_is_not_used(hemostat, state_dir, mode):
    (state := state_dir / "state").mkdir()
    state.chmod(mode)
    told = hemostat("all")
    assert told.returncode == 2
    assert f"chmod go-w {state}" in told.stderr
    assert list(state.iterdir()) == []


def test_state_directory_behind_a_foreign_symlink_is_not_used(hemostat, state_dir, stranger):
    (target := state_dir / "state").mkdir(mode=0o700)
    (link := stranger.parent / "link").symlink_to(target)
    os.chown(link, STRANGER, STRANGER, follow_symlinks=False)
    told = hemostat("all", HEMOSTAT_STATE_DIR=str(link / "below"))
    assert told.returncode == 2
    assert list(target.iterdir()) == []


def test_long_state_directory_path_uses_no_other_directory(state_dir):
    deep = state_dir / ("d" * 100) / ("e" * 100)
    before = {*Path(tempfile.gettempdir()).glob("hemostat-*")}
    embedded = EmbeddedRedis(deep)
    embedded.ensure_running()
    try:
        assert (deep / "redis.sock").is_socket()
        assert {*Path(tempfile.gettempdir()).glob("hemostat-*")} <= before
    finally:
        eventually(embedded.shut_down_if_unused)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "call", ["redis", "completion", "redis without a host", "webhook", "apprise", "ping"]
)
def test_listener_on_the_other_address_of_localhost_is_not_used(monkeypatch, call):
    """A service on 127.0.0.1 alone, a stranger on ::1: a client of both addresses sends its password."""
    try:
        stranger = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        missing("this machine has no ::1")
    with stranger:
        port = stranger.getsockname()[1]
        stranger.setblocking(False)
        both = [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in ADDRESSES]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *_, **__: both if host == "localhost" else both[1:]
        )
        with pytest.raises(HemoStatError):
            CALLS[call](port)
        with pytest.raises(BlockingIOError):
            stranger.accept()


def ping_redis(url):
    with closing(connect(url, username="x", password="x" * 9)) as client, client.call() as raw:
        raw.ping()


def complete_from_redis(port):
    settings = Settings(redis=Redis(url=f"redis://localhost:{port}/0", username="x", password="x" * 9))
    open_connection(settings, 1.0)


MESSAGE = single(HEALED, {})
CALLS = {
    "redis": lambda port: ping_redis(f"redis://localhost:{port}/0"),
    "completion": complete_from_redis,
    "redis without a host": lambda port: ping_redis(f"redis://:{port}/0"),
    "webhook": lambda port: Webhook(f"http://localhost:{port}/secret").send(MESSAGE),
    "apprise": lambda port: Apprise("x", f"json://localhost:{port}/secret").send(MESSAGE),
    "ping": lambda port: HealthchecksPing(f"http://localhost:{port}/secret", signals=False).ping_success(),
}


ADDRESSES = ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"))
