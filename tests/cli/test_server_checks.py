"""What `hemostat doctor` says of Redis, of names and of other healers."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing

import pytest

from hemostat.adapters.redis import acl, connect, server
from hemostat.adapters.redis.reach import Reach, read_reach
from hemostat.adapters.redis.server import ServerFacts
from hemostat.cli.doctor import redis_access, redis_checks
from hemostat.cli.doctor.findings import Level, find_worst
from hemostat.cli.doctor.name_checks import judge_names
from hemostat.core.setup.healers import find_healer
from tests.support.engine_fixtures import eventually
from tests.support.samples import event, heartbeat

MIB = 1 << 20
WORD = "any"
GOOD = ServerFacts(version="7.2.4", policy="noeviction", append_only=True)


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, "ok", ""),
        ({"name": "Valkey", "version": "8.0.1"}, "ok", ""),
        ({"version": "6.2.0-rc1"}, "ok", ""),
        ({"version": "6.0.16"}, "failure", "Redis 6.0.16 is too old"),
        ({"version": "unstable"}, "warning", "is unknown"),
        ({"cluster": True}, "failure", "Cluster is not supported"),
        ({"master": "10.0.0.1:6379"}, "failure", "read-only replica of 10.0.0.1:6379"),
    ],
)
def test_server_checks_depend_on_its_configuration(changes, level, words):
    facts = ServerFacts(**{"version": "7.2.4", **changes})
    found = find_worst(redis_checks.judge_server(facts), "fine")
    assert found.level == level
    assert words in found.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policy": "allkeys-lru", "maximum": 3 * MIB, "evicted": 1200}, "1,200 keys are already evicted"),
        ({"policy": "volatile-lru"}, "as soon as maxmemory is set (volatile-lru)"),
        ({"maximum": 10 * MIB, "used": 9 * MIB}, "9.0 MiB of 10.0 MiB memory is used"),
        ({"append_only": False, "snapshots": False}, "loses all data at its restart"),
    ],
)
def test_server_that_may_lose_data_is_reported(changes, words):
    facts = ServerFacts(**{"policy": "noeviction", "append_only": True, **changes})
    found = find_worst(redis_checks.judge_keeping(facts), "fine")
    assert found.level is Level.WARNING
    assert words in found.message
    assert found.hint


def test_durable_server_is_described():
    assert redis_checks.judge_keeping(GOOD) == []
    assert (
        redis_checks.describe_keeping(GOOD)
        == "0 B without a limit, noeviction, persistence: append-only file"
    )


@pytest.fixture
def own_server(tmp_path):
    """A server whose configuration may be changed."""
    if not shutil.which("redis-server"):
        pytest.skip("there is no redis-server on PATH")
    path = tmp_path / "r.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--maxmemory-policy", "allkeys-lru"]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL, cwd=tmp_path)
    while not path.exists():
        time.sleep(0.01)
    yield f"unix://{path}"
    process.kill()
    process.wait()


@pytest.mark.redis
def test_checks_do_not_change_the_server(own_server):
    with closing(connect(own_server)) as client:
        client.raw.set("hemostat:x", 1)
        facts = server.read_facts(client)
        assert (facts.policy, facts.append_only, facts.snapshots) == ("allkeys-lru", False, False)
        assert server.find_refused_commands(client) == []
        assert client.raw.keys() == [b"hemostat:x"]


@pytest.mark.redis
def test_doctor_reports_an_evicting_replica(hemostat, environ, own_server):
    environ.setenv("HEMOSTAT_REDIS_URL", own_server)
    with closing(connect(own_server)) as client:
        client.raw.config_set("maxmemory", 3 * MIB)
        client.raw.execute_command("REPLICAOF", "127.0.0.1", "1")
    found = {each["name"]: each for each in hemostat("doctor", "--json").json["checks"]}
    assert found["Redis"]["level"] == "failure"
    assert "it is a read-only replica of 127.0.0.1:1" in found["Redis"]["message"]
    assert found["Redis memory"]["level"] == "warning"
    assert "it evicts keys at 3.0 MiB (allkeys-lru)" in found["Redis memory"]["message"]
    assert found["Redis commands"]["level"] == "ok"


@pytest.mark.redis
def test_missing_command_right_is_reported(own_server):
    with closing(connect(own_server)) as admin:
        admin.raw.execute_command(
            *[
                "ACL",
                "SETUSER",
                "me",
                "on",
                f">{WORD}",
                "~*",
                "&*",
                "+@all",
                "-xautoclaim",
                "-@dangerous",
                "-@admin",
            ]
        )
    with closing(connect(own_server, username="me", password=WORD)) as client:
        assert server.read_facts(client) is None
        assert server.find_refused_commands(client) == ["xautoclaim"]


@pytest.mark.redis
def test_users_of_the_acl_file_have_all_rights(own_server):
    with closing(connect(own_server)) as admin:
        for line in acl.format_acl({}).splitlines()[1:]:
            _, name, *rules = line.split(" ", 2)
            words = [word for word in _rules(rules[0]) if word != "resetpass"]
            admin.raw.execute_command("ACL", "SETUSER", name, *words, "nopass")
    for name in acl.list_grants():
        with closing(connect(own_server, username=name, password=WORD)) as client:
            assert server.find_refused_commands(client) == [], name


def _rules(text):
    """Words, a selector in parentheses as one."""
    words, depth, word = [], 0, ""
    for char in text + " ":
        depth += (char == "(") - (char == ")")
        if char == " " and not depth:
            words.append(word)
            word = ""
        else:
            word += char
    return [word for word in words if word]


def test_every_command_of_a_role_is_checkable():
    used = {name for grants in acl.list_grants().values() for grant in grants for name in grant.commands}
    assert used - server.COMMAND_FORMS.keys() <= {"subscribe", "unsubscribe", "exec"}


def beat(role, host="h", instance="h-1", at=0.0):
    return event(heartbeat(role, instance=instance), at, host=host)


@pytest.mark.parametrize(
    ("beats", "own", "words"),
    [
        ([beat("monitor"), beat("responder")], "h", None),
        ([], "h", None),
        ([beat("monitor"), beat("monitor", instance="h-2", at=30.0)], "h", None),
        ([beat("monitor"), beat("monitor", instance="g-1")], "h", "2 monitors report for the host h: g-1"),
        (
            [beat("monitor"), beat("responder", host="g")],
            "h",
            "a monitor reports for h, but a responder runs for g",
        ),
        ([beat("monitor"), beat("responder"), beat("monitor", host="g")], "h", None),
        ([], "0123456789ab", "is a container id"),
    ],
)
def test_mismatched_host_names_are_reported(beats, own, words):
    found = judge_names(beats, own)
    assert (found.level, words or f"this host is {own}") == (
        Level.WARNING if words else Level.OK,
        words or found.message,
    )
    assert words is None or words in found.message


@pytest.mark.parametrize(
    "image",
    [
        "willfarrell/autoheal:1",
        "containrrr/watchtower",
        "registry.example.org/nicholas-fedor/watchtower@sha256:0",
        "monit",
        "localhost:5000/team/autoheal",
        "qmcgaw/deunhealth:v0.3.0",
        "ghcr.io/getarcaneapp/arcane:latest",
        "darthnorse/dockmon:latest",
    ],
)
def test_other_healing_tool_is_found_by_its_image(image):
    assert find_healer(image) is not None


@pytest.mark.parametrize(
    "image", ["monitor:1", "grafana/grafana", "app/watchtower-ui:2", "nginx", "game/arcane"]
)
def test_other_image_is_not_a_healing_tool(image):
    assert find_healer(image) is None


OWN = 10001
"""The user of HemoStat in these tests."""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"is_open": True, "addresses": ("127.0.0.1", "::1")}, "every local user can publish orders"),
        (
            {"is_open": True, "addresses": ("127.0.0.1", "10.0.0.5")},
            "every machine that can connect to 127.0.0.1, 10.0.0.5",
        ),
        ({"is_open": True, "addresses": ("*",)}, "every machine that can connect to *"),
        ({"is_open": True, "addresses": None}, "every machine that can connect"),
        ({"is_open": True, "addresses": (), "socket_mode": 0o777}, "socket mode 0777"),
        ({"is_open": True, "addresses": (), "open_directory": "/tmp"}, "can replace its socket in /tmp"),
        ({"is_open": False, "addresses": ("127.0.0.1",), "uid": 65534}, "user nobody runs it"),
        ({"is_open": False, "addresses": ("10.0.0.5",)}, "it listens without TLS on 10.0.0.5"),
    ],
)
def test_exposed_redis_is_reported_with_a_remedy(changes, words):
    found = find_worst(redis_access.judge_access(Reach(**changes), OWN), "fine")
    assert found.level is Level.WARNING
    assert words in found.message
    assert found.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"is_open": True, "addresses": (), "socket_mode": 0o700, "uid": OWN},
        {"is_open": True, "addresses": (), "uid": 999},
        {"is_open": False, "addresses": ("127.0.0.1",), "uid": 100},
        {"is_open": False, "addresses": ("10.0.0.5",), "is_encrypted": True},
        {"is_open": None, "addresses": None},
    ],
)
def test_private_redis_is_described(changes):
    assert redis_access.judge_access(Reach(**changes), OWN) == []
    assert redis_access.describe_access(Reach(**changes))


@pytest.mark.redis
def test_doctor_reports_a_world_writable_socket(hemostat, environ, own_server, tmp_path):
    environ.setenv("HEMOSTAT_REDIS_URL", own_server)
    reach = read_reach(connect(own_server))
    assert (reach.is_open, reach.addresses, reach.uid) == (True, (), os.geteuid())
    found = {each["name"]: each for each in hemostat("doctor", "--json").json["checks"]}
    assert found["Redis access"]["level"] == "ok"
    assert "by its socket only" in found["Redis access"]["message"]


@pytest.mark.redis
@pytest.mark.parametrize("password", ["", "geheim"])
def test_password_requirement_of_redis_is_checked(tmp_path, password):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--requirepass", password, "--save", ""]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL, cwd=tmp_path)
    try:
        with closing(connect(f"redis://127.0.0.1:{port}/0", password=password or None)) as client:
            eventually(lambda: read_reach(client).uid is not None)
            reach = read_reach(client)
    finally:
        process.kill()
        process.wait()
    assert reach == Reach(is_open=not password, addresses=("127.0.0.1",), uid=os.geteuid())
