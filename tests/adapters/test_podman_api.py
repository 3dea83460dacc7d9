"""Podman's answers, translated to what Docker would say."""

import json
from io import BytesIO

import msgspec
import pytest
from docker.errors import APIError
from requests import Response

from hemostat.adapters.docker_engine import parse, podman_api
from hemostat.adapters.docker_engine.connection import inspect_container
from hemostat.core.labels.container_ref import shorten_image_name

ID = "1c" * 32


@pytest.mark.parametrize(
    ("image", "short_name"),
    [
        ("docker.io/library/redis:7", "redis:7"),
        ("docker.io/library/redis@sha256:1", "redis@sha256:1"),
        ("docker.io/grafana/grafana", "grafana/grafana"),
        ("localhost/shop:1", "localhost/shop:1"),
        ("quay.example/library/redis", "quay.example/library/redis"),
        ("library/redis", "library/redis"),
        ("redis", "redis"),
        ("", ""),
    ],
)
def test_image_has_dockers_short_name(image, short_name):
    assert shorten_image_name(image) == short_name
    row = {"Id": ID, "Names": ["/web"], "State": "running", "Status": "Up 5 minutes", "Image": image}
    assert parse.parse_row(row).ref.image == short_name


@pytest.mark.parametrize(
    ("version", "marks"),
    [
        ("4.3.1", False),
        ("4.6.2", False),
        ("4.7.0", True),
        ("4.10.1", True),
        ("5.8.6-dev", True),
        ("x", False),
    ],
)
def test_requested_stops_are_marked_since_podman_4_7(version, marks):
    assert podman_api.marks_stops({"Libpod-Api-Version": version}) is marks


def test_answer_without_podmans_version_has_no_marks():
    assert not podman_api.marks_stops({})


@pytest.mark.parametrize(
    ("error", "is_start_error"),
    [
        (f"container {ID}: container is running", False),
        (f"unable to start container {ID}: container {ID}: container is running", False),
        ('exec: "nosuch": executable file not found in $PATH', True),
        ("container is running", True),
        (f"container {ID}: container is running out of descriptors", True),
    ],
)
def test_a_superfluous_start_is_no_failed_start(error, is_start_error):
    state = {"Status": "exited", "ExitCode": 3, "Error": error}
    inspected = {"Id": ID, "Name": "/web", "State": state, "HostConfig": {}, "Config": {"Image": "x"}}
    assert bool(parse.parse_info(inspected).error) is is_start_error


@pytest.mark.parametrize(
    ("state", "policy", "code", "status"),
    [
        ("stopped", "no", 7, "exited"),
        ("stopped", "always", 0, "restarting"),
        ("stopped", "on-failure", 7, "restarting"),
        ("stopped", "on-failure", 0, "exited"),
        ("initialized", "always", 0, "created"),
        ("stopping", "always", 0, "stopping"),
        ("running", "always", 0, "running"),
    ],
)
def test_states_that_docker_lacks_have_dockers_nearest_name(state, policy, code, status):
    inspected = {
        "Id": ID,
        "Name": "/web",
        "State": {"Status": state, "ExitCode": code},
        "HostConfig": {"RestartPolicy": {"Name": policy}},
        "Config": {},
    }
    assert parse.parse_info(inspected).status == status


def test_ended_container_is_listed_as_exited_before_podmans_clean_up():
    row = {"Id": ID, "Names": ["/web"], "State": "stopped", "Status": "Exited (7) 1 second ago"}
    assert parse.parse_row(row).status == "exited"


def read_health_event(health: object) -> str | None:
    actor = {"ID": ID, "Attributes": {"name": "web", "image": "x"}}
    line = {"Action": "health_status", "Actor": actor, "timeNano": 1, "HealthStatus": health}
    event = parse.parse_event(parse.parse_line(json.dumps(line).encode()), podman=True)
    return None if event is None else event.action


@pytest.mark.parametrize(
    ("health", "action"), [("unhealthy", "unhealthy"), ("healthy", "healthy"), ("starting", None), ("", None)]
)
def test_health_event_has_its_status_beside_the_attributes(health, action):
    assert read_health_event(health) == action


@pytest.mark.parametrize("health", [7, None, {}])
def test_health_event_without_a_status_of_text_is_malformed(health):
    with pytest.raises(msgspec.ValidationError):
        read_health_event(health)


class Answers:
    """An engine's answers by path."""

    def __init__(self, server: str, own: dict | APIError) -> None:
        self.paths: list[str] = []
        self._server = server
        self._own = own

    def __call__(self, path: str, _: str) -> Response:
        self.paths.append(path)
        is_own = path.startswith("/libpod/")
        if is_own and isinstance(self._own, APIError):
            raise self._own
        answer = Response()
        answer.headers["Server"] = self._server
        state = {"Status": "running"}
        docker = {"Id": ID, "Name": "/shop-infra", "State": state, "HostConfig": {}, "Config": {}}
        answer.raw = BytesIO(json.dumps(self._own if is_own else docker).encode())
        return answer


@pytest.mark.parametrize(
    ("own", "is_infra"),
    [
        ({"IsInfra": True}, True),
        ({"IsInfra": False, "IsService": True}, True),
        ({"IsInfra": False, "IsService": False}, False),
        ({}, False),
        (APIError("forbidden"), False),
    ],
)
def test_infra_container_is_known_by_podmans_own_field_not_by_its_name(own, is_infra):
    inspected = inspect_container(Answers("Libpod/5.4.2 (linux)", own), ID)
    assert parse.parse_info(inspected).is_infra is is_infra


def test_docker_is_not_asked_for_podmans_own_fields():
    answers = Answers("Docker/28.5.2 (linux)", {"IsInfra": True})
    assert not parse.parse_info(inspect_container(answers, ID)).is_infra
    assert answers.paths == [f"/containers/{ID}/json"]
