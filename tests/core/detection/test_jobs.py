"""Which containers are jobs."""

import msgspec
import pytest

from hemostat.core.detection.jobs import explain_job, is_session
from hemostat.core.model import ContainerInfo, HealthCheck
from hemostat.events import Container

SERVICE = "com.docker.compose.service"


def container(name: str = "job", **labels: str) -> ContainerInfo:
    return ContainerInfo(ref=Container(id=name, name=name, labels=labels), status="exited")


@pytest.mark.parametrize(
    ("info", "needed_by", "clean_ends", "reason"),
    [
        (container(), (), 0, ""),
        (container(), (), 1, ""),
        (container(), (), 2, "it exited with code 0 2 times before"),
        (container(), (container("app"),), 0, "it must complete before app"),
        (container(**{"com.docker.compose.oneoff": "True"}), (), 0, "docker compose run started it"),
        (container(**{"com.docker.compose.oneoff": "False"}), (), 0, ""),
        (container(**{"hemostat.job": "false"}), (container("app"),), 5, ""),
    ],
)
def test_job_is_recognised_by_dependents_and_exit(info, needed_by, clean_ends, reason):
    assert explain_job(info, needed_by=needed_by, clean_ends=clean_ends) == reason


@pytest.mark.parametrize(
    ("labels", "state", "session"),
    [
        ({}, {"interactive": True}, True),
        ({}, {}, False),
        ({SERVICE: "shell", "com.docker.compose.oneoff": "True"}, {"interactive": True}, True),
        ({SERVICE: "web"}, {"interactive": True}, False),
        ({"hemostat.enable": "true"}, {"interactive": True}, False),
        ({}, {"interactive": True, "restart_policy": "always"}, False),
        ({}, {"interactive": True, "check": HealthCheck()}, False),
    ],
)
def test_interactive_container_is_a_session(labels, state, session):
    info = msgspec.structs.replace(container(**labels), **state)
    assert is_session(info) is session
