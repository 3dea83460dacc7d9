"""Podman's answers, translated to what Docker would say."""

import pytest

from hemostat.adapters.docker_engine import parse, podman_api
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
