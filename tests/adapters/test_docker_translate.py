"""The engine's JSON in our words."""

import json
import os
from typing import Any

import msgspec
import pytest
import requests
from docker.errors import APIError, DockerException, NotFound

from hemostat.adapters.docker_engine import parse
from hemostat.adapters.docker_engine.failures import translate_failure
from hemostat.core.detection.healthcheck_output import build_check_evidence
from hemostat.core.model import HealthCheck
from hemostat.errors import EngineError, EngineTimeoutError, EngineUnreachableError, NoSuchContainerError

URL = "unix:///run/engine.sock"


def line(action: str, **attributes: str) -> bytes:
    actor = {"ID": "c1", "Attributes": {"name": "web", "image": "nginx", "maintainer": "x", **attributes}}
    return json.dumps(
        {"Type": "container", "Action": action, "Actor": actor, "timeNano": 1_700_000_000_123_456_789}
    ).encode()


def heard(action: str, **attributes: str):
    return parse.parse_event(parse.parse_line(line(action, **attributes)))


def inspected(**parts: dict[str, Any]) -> dict[str, Any]:
    state = {"Status": "running", "StartedAt": "2023-11-14T22:13:20.123456789Z", **parts.get("state", {})}
    config = {"Image": "nginx", "Labels": None, **parts.get("config", {})}
    return {"Id": "c1", "Name": "/web", "State": state, "HostConfig": parts.get("host", {}), "Config": config}


def test_die_event_has_its_exit_code_and_microseconds() -> None:
    event = heard("die", exitCode="137")
    assert (event.action, event.exit_code, event.time) == ("die", 137, 1_700_000_000.123456)
    assert (event.container.id, event.container.name, event.container.image) == ("c1", "web", "nginx")


@pytest.mark.parametrize("nanos", [-1, 2**63, 10**400])
def test_event_with_an_impossible_time_is_malformed(nanos: int) -> None:
    told = json.dumps({"Type": "container", "Action": "die", "Actor": {"ID": "c1"}, "timeNano": nanos})
    with pytest.raises(msgspec.ValidationError):
        parse.parse_line(told.encode())


def test_labels_of_other_software_are_dropped() -> None:
    event = heard("start", **{"hemostat.cpu": "90", "password": "x"})
    assert event.container.labels == {"hemostat.cpu": "90"}


def test_label_that_selects_the_containers_is_dropped() -> None:
    labels = {"hemostat.team": "red", "hemostat.cpu": "90"}
    assert parse.parse_info(inspected(config={"Labels": labels}), "hemostat.team").ref.labels == {
        "hemostat.cpu": "90"
    }


@pytest.mark.parametrize(
    ("said", "attributes", "action"),
    [
        ("health_status: unhealthy", {}, "unhealthy"),
        ("health_status: healthy", {}, "healthy"),
        ("health_status", {"health_status": "unhealthy"}, "unhealthy"),
        ("died", {}, "die"),
        ("remove", {}, "destroy"),
        ("oom", {}, "oom"),
    ],
)
def test_action_names_of_docker_and_podman_are_read(
    said: str, attributes: dict[str, str], action: str
) -> None:
    assert heard(said, **attributes).action == action


@pytest.mark.parametrize(
    "said", ["exec_start: sh", "exec_die", "attach", "top", "health_status: starting", ""]
)
def test_irrelevant_events_are_ignored(said: str) -> None:
    assert heard(said) is None


@pytest.mark.parametrize(
    ("text", "signal"),
    [("15", 15), ("SIGTERM", 15), ("KILL", 9), ("RTMIN+3", 37), ("SIGRTMAX-14", 50), ("x", None), ("", None)],
)
def test_signal_is_read_by_number_or_name(text: str, signal: int | None) -> None:
    assert heard("kill", signal=text).signal == signal


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"Action": "die"}', b"\xff\xfe", b"null"])
def test_line_without_an_event_raises_a_decode_error(raw: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        parse.parse_line(raw)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000.0),
        ("2023-11-14T22:13:20.5Z", 1_700_000_000.5),
        ("2023-11-14T22:13:20.123456789Z", 1_700_000_000.123456),
        ("2023-11-15T00:13:20.25+02:00", 1_700_000_000.25),
        ("0001-01-01T00:00:00Z", 0.0),
        ("0001-01-01T00:00:00+02:00", 0.0),
        ("", 0.0),
        (None, 0.0),
    ],
)
def test_timestamps_are_read_in_every_form(text: str | None, seconds: float) -> None:
    assert parse.parse_seconds(text) == seconds


@pytest.mark.parametrize(
    ("host", "cores"),
    [
        ({"NanoCpus": 1_500_000_000}, 1.5),
        ({"CpuQuota": 50_000, "CpuPeriod": 100_000}, 0.5),
        ({"CpuQuota": 25_000}, 0.25),
        ({"CpuQuota": -1, "CpuPeriod": 100_000}, None),
        ({"NanoCpus": 0, "CpuQuota": 0}, None),
        ({}, None),
    ],
)
def test_cpu_limit_is_in_cores_whichever_option_set_it(host: dict[str, int], cores: float | None) -> None:
    assert parse.parse_info(inspected(host=host)).cpu_limit == cores


def test_plain_container_has_default_details() -> None:
    info = parse.parse_info(inspected(host={"Memory": 0, "RestartPolicy": {"Name": ""}}))
    assert (info.memory_limit, info.restart_policy, info.health, info.ref.labels) == (None, "no", None, {})
    assert (info.ref.name, info.started_at, info.finished_at) == ("web", 1_700_000_000.123456, 0.0)


def test_secret_in_health_output_is_masked_before_the_cut() -> None:
    address = f"postgres://app:{'Hx7q9Zw2k' * 40}@db/app"
    log = [{"Output": f"cannot connect to {address}", "ExitCode": 1}]
    info = parse.parse_info(inspected(state={"Health": {"Status": "unhealthy", "Log": log}}))
    (told,) = build_check_evidence(info, never_passed=False)
    assert "Hx7q9Zw2k" not in str(told.value)


def test_health_has_the_last_output_and_failing_streak() -> None:
    log = [{"Output": "well"}, {"Output": "\nrefused " + "x" * 5000}]
    info = parse.parse_info(
        inspected(state={"Health": {"Status": "unhealthy", "FailingStreak": 4, "Log": log}})
    )
    assert info.failing_streak == 4
    assert info.health_output == ("refused " + "x" * 5000)[:4096]


@pytest.mark.parametrize("health", [{}, {"Status": "starting", "FailingStreak": 0, "Log": None}, {"Log": []}])
def test_health_check_that_has_not_run_has_no_output(health: dict[str, Any]) -> None:
    info = parse.parse_info(inspected(state={"Health": health}))
    assert (info.failing_streak, info.health_output) == (0, "")


@pytest.mark.parametrize(("said", "limit"), [(100, 100), (0, None), (-1, None), (None, None)])
def test_limit_of_processes_is_read(said: int | None, limit: int | None) -> None:
    assert parse.parse_info(inspected(host={"PidsLimit": said})).pids_limit == limit


def test_stop_signal_is_read() -> None:
    assert parse.parse_info(inspected(config={"StopSignal": "SIGQUIT"})).stop_signal == 3
    assert parse.parse_info(inspected()).stop_signal is None


def test_stop_timeout_is_read() -> None:
    assert parse.parse_info(inspected(config={"StopTimeout": 90})).stop_timeout == 90
    assert parse.parse_info(inspected()).stop_timeout is None


@pytest.mark.parametrize(
    ("networks", "address"),
    [
        ({"none": {"IPAddress": ""}, "web": {"IPAddress": "172.18.0.2"}}, "172.18.0.2"),
        ({"host": {"IPAddress": ""}}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_address_is_the_first_available_one(networks: dict[str, Any] | None, address: str) -> None:
    told = {**inspected(), "NetworkSettings": {"Networks": networks}}
    assert parse.parse_info(told).address == address


def test_creation_time_and_log_driver_are_read() -> None:
    made = {**inspected(), "Created": "2023-11-14T22:13:20Z", "LogPath": "/var/lib/docker/c1-json.log"}
    info = parse.parse_info(made)
    assert (info.created_at, info.log_path) == (1_700_000_000.0, "/var/lib/docker/c1-json.log")


def test_addresses_gateways_and_published_ports_are_read() -> None:
    told = inspected() | {
        "NetworkSettings": {
            "Networks": {"a": {"IPAddress": "10.0.0.2", "Gateway": "10.0.0.1", "GlobalIPv6Address": ""}},
            "Ports": {
                "80/tcp": [{"HostIp": "", "HostPort": "8080"}],
                "53/udp": [{"HostPort": "53"}],
                "9/tcp": None,
            },
        }
    }
    info = parse.parse_info(told)
    assert (info.addresses, info.gateways, info.published) == (("10.0.0.2",), ("10.0.0.1",), (8080,))


def test_failing_streak_starts_at_its_first_failure() -> None:
    log = [
        {"Start": f"2023-11-14T22:13:{second}Z", "ExitCode": code}
        for second, code in ((10, 1), (15, 0), (20, 1), (25, -1))
    ]
    info = parse.parse_info(inspected(state={"Health": {"Status": "unhealthy", "Log": log}}))
    assert (info.failing_since, info.checked_at) == (1_700_000_000.0, 1_700_000_005.0)
    passing = parse.parse_info(inspected(state={"Health": {"Status": "healthy", "Log": log[:2]}}))
    assert (passing.failing_since, passing.checked_at) == (0.0, 1_699_999_995.0)


@pytest.mark.parametrize(
    ("configured", "check"),
    [
        ({}, None),
        ({"Test": ["NONE"]}, None),
        ({"Test": ["CMD", "true"]}, HealthCheck(interval=30, timeout=30, retries=3, start_period=0)),
        (
            {"Test": ["CMD-SHELL", "true"], "Interval": 10**9, "Timeout": 2 * 10**9, "Retries": 5}
            | {"StartPeriod": 180 * 10**9},
            HealthCheck(interval=1, timeout=2, retries=5, start_period=180),
        ),
    ],
)
def test_health_check_has_the_engines_default_options(
    configured: dict[str, Any], check: HealthCheck | None
) -> None:
    assert parse.parse_info(inspected(config={"Healthcheck": configured})).check == check


@pytest.mark.parametrize(("status", "health"), [("", None), ("none", None), ("unhealthy", "unhealthy")])
def test_container_without_health_check_has_no_health(status: str, health: str | None) -> None:
    assert parse.parse_info(inspected(state={"Health": {"Status": status}})).health == health


@pytest.mark.parametrize(
    ("host", "body"),
    [
        ({}, {"NanoCpus": 500_000_000, "Memory": 200, "MemorySwap": 0}),
        ({"NanoCpus": 1}, {"NanoCpus": 500_000_000, "Memory": 200, "MemorySwap": 0}),
        ({"CpuQuota": 1, "CpuPeriod": 50_000}, {"CpuQuota": 25_000, "Memory": 200, "MemorySwap": 0}),
        ({"Memory": 100, "MemorySwap": 100}, {"NanoCpus": 500_000_000, "Memory": 200, "MemorySwap": 200}),
        ({"Memory": 100, "MemorySwap": 150}, {"NanoCpus": 500_000_000, "Memory": 200, "MemorySwap": 250}),
        ({"Memory": 100, "MemorySwap": -1}, {"NanoCpus": 500_000_000, "Memory": 200, "MemorySwap": -1}),
    ],
)
def test_update_uses_the_units_of_the_containers_options(host: dict[str, int], body: dict[str, int]) -> None:
    assert parse.make_limits(host, 0.5, 200) == body


def test_update_of_one_limit_keeps_the_other() -> None:
    assert parse.make_limits({}, 2.0, None) == {"NanoCpus": 2_000_000_000}
    assert parse.make_limits({"Memory": 100}, None, 200) == {"Memory": 200, "MemorySwap": 0}


def api_error(kind: type[APIError], status: int, explanation: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    return kind("refused", response=response, explanation=explanation)


@pytest.mark.parametrize(
    ("error", "kind", "transient"),
    [
        (api_error(NotFound, 404, "No such container: web"), NoSuchContainerError, False),
        (api_error(NotFound, 404, "network x not found"), EngineError, False),
        (api_error(APIError, 409, "container web\n is not running"), EngineError, False),
        (api_error(APIError, 500, "runc failed"), EngineError, False),
        (api_error(APIError, 503, "shutting down"), EngineError, True),
        (api_error(APIError, 409, "a prune operation is already running"), EngineError, True),
        (requests.ReadTimeout("read timed out"), EngineTimeoutError, True),
        (requests.ConnectionError("reset"), EngineUnreachableError, True),
        (requests.ConnectTimeout("timed out"), EngineUnreachableError, True),
        (DockerException("Install paramiko"), EngineUnreachableError, False),
    ],
)
def test_failures_map_to_distinct_errors(error: Exception, kind: type[EngineError], transient: bool) -> None:
    found = translate_failure(error, "restart web", URL)
    assert (type(found), found.transient) == (kind, transient)
    assert "\n" not in str(found)


def test_error_contains_the_engines_explanation() -> None:
    found = translate_failure(api_error(APIError, 500, "OCI runtime:\n no such file"), "start web", URL)
    assert str(found) == "start web: OCI runtime: no such file"


def wrapped(number: int) -> Exception:
    """A system error as the SDK hands it on: under another's."""
    error = requests.ConnectionError("Connection aborted.")
    error.__context__ = OSError(number, os.strerror(number))
    return error


def test_missing_permission_differs_from_a_missing_engine() -> None:
    denied = translate_failure(wrapped(13), "connect", URL)
    assert "permission denied" in denied.message
    assert "docker group" in denied.hint
    assert not denied.transient
    absent = translate_failure(wrapped(2), "connect", URL)
    assert "No such file or directory" in absent.message
    assert "dockerd" in absent.hint
    assert absent.transient
    assert denied.exit_code == absent.exit_code == 3


@pytest.mark.parametrize(
    ("status", "health", "exit_code", "age"),
    [
        ("Up Less than a second", None, None, 1),
        ("Up 1 second", None, None, 2),
        ("Up 59 seconds (health: starting)", "starting", None, 60),
        ("Up About a minute (healthy)", "healthy", None, 120),
        ("Up 5 minutes (unhealthy)", "unhealthy", None, 360),
        ("Up About an hour (Paused)", None, None, 7200),
        ("Up 3 weeks", None, None, 4 * 7 * 86400),
        ("Exited (137) 2 hours ago", None, 137, 3 * 3600),
        ("Exited (0) About a minute ago", None, 0, 120),
        ("Restarting (1) 3 seconds ago", None, 1, 4),
        ("Created", None, None, None),
        ("Dead", None, None, None),
        ("Removal In Progress", None, None, None),
        ("", None, None, None),
        ("Hoch seit (gestern)", None, None, None),
    ],
)
def test_list_row_has_health_exit_code_and_maximum_age(
    status: str, health: str | None, exit_code: int | None, age: float | None
) -> None:
    row = {"Id": "c1", "Names": ["/other/db", "/web"], "Image": "nginx", "Labels": None, "State": "running"}
    found = parse.parse_row({**row, "Status": status})
    assert (found.health, found.exit_code, found.age) == (health, exit_code, age)
    assert (found.ref.name, found.status) == ("web", "running")
