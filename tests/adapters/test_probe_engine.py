"""Probes of real containers, at the address the engine gave them."""

import pytest

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.adapters.sampling.probe import probe
from hemostat.core.detection.probe import find_route
from hemostat.core.labels.definitions import PROBE
from hemostat.core.labels.values import ProbeTarget
from tests.support.engine_fixtures import eventually

pytestmark = pytest.mark.docker

SERVER = ("sh", "-c", "echo well > /tmp/health; exec httpd -f -p 8080 -h /tmp")
PATIENT = 10.0


@pytest.fixture
def server(make_container) -> str:
    return make_container(SERVER, labels={"hemostat.probe": "http://:8080/health"})


def asked(engine: DockerEngine, container: str) -> tuple[ProbeTarget, str]:
    """What the container's label asks to be probed, and its address."""
    info = engine.inspect(container)
    wanted, route = PROBE.read_from(info.ref.labels), find_route(info, {})
    assert wanted is not None
    assert route is not None
    return wanted, route.address


def test_probe_passes_when_the_container_responds(docker_engine, server):
    wanted, address = asked(docker_engine, server)
    eventually(lambda: probe(wanted, address, PATIENT) == "")
    assert probe(ProbeTarget("http", 8080, "/nothing"), address, PATIENT) == "status 404"
    assert probe(ProbeTarget("tcp", 8080), address, PATIENT) == ""
    assert probe(ProbeTarget("tcp", 8081), address, PATIENT) == "connection refused"


def test_probe_fails_when_the_container_hangs(docker_engine, make_container):
    """The kernel accepts the connection, and no process answers."""
    hung = make_container(
        (
            "sh",
            "-c",
            "trap 'exit 0' TERM; httpd -p 8080; kill -STOP $(pidof httpd); while :; do sleep 1; done",
        ),
        labels={"hemostat.probe": "http://:8080/"},
    )
    wanted, address = asked(docker_engine, hung)
    eventually(lambda: probe(wanted, address, 0.2) == "no answer within 0.2 s")
