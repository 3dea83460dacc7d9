"""What HemoStat knows of a rootless engine and its containers, on a real Podman."""

import os
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from math import isnan

import docker
import pytest

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.adapters.sampling.docker_stats import StatsSampler
from hemostat.app.backends import EngineHost, OwnCountersSampler, make_host_probe
from hemostat.core.detection.probe import NO_ADDRESS_ERROR, ROOTLESS_ENGINE_ERROR, ProbeRoute, find_route
from hemostat.core.labels.values import ProbeTarget
from tests.support.engine_fixtures import IMAGE, Listener, engine_is_required, eventually
from tests.support.lab.image import provide_image
from tests.support.lab.rootless_podman import RootlessPodman

pytestmark = [pytest.mark.docker, pytest.mark.own_engine, pytest.mark.timeout(180)]

PROGRAMS = ("podman", "unshare", "nsenter", "slirp4netns")
TARGET = ProbeTarget("http", 80, "/busybox")
PROBE_SECONDS = 10.0


class Site:
    """A rootless Podman, and containers on it that serve their programs by HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = docker.APIClient(base_url=url, version="1.41")
        self.engine = DockerEngine.connect(url)

    def serve(self, port: int = 80, *, labels: Sequence[str] = (), **host: object) -> str:
        container = self.client.create_container(
            IMAGE,
            ["httpd", "-f", "-p", str(port), "-h", "/bin"],
            ports=[80],
            labels=list(labels),
            host_config=self.client.create_host_config(**host),
        )["Id"]
        self.client.start(container)
        return str(container)

    def find_route(self, container: str) -> ProbeRoute:
        route = find_route(self.engine.inspect(container), {})
        assert route is not None
        return route

    def close(self) -> None:
        for each in self.client.containers(all=True):
            self.client.remove_container(each["Id"], force=True)
        self.client.close()
        self.engine.close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    problem = f"tests on rootless Podman need root, {', '.join(PROGRAMS)}"
    if os.geteuid():
        pytest.skip(problem)
    if not all(map(shutil.which, PROGRAMS)):
        if engine_is_required():
            pytest.fail(problem)
        pytest.skip(problem)
    with closing(RootlessPodman()) as podman:
        provide_image(podman.url)
        with closing(Site(podman.url)) as site:
            yield site


def test_rootless_engine_of_this_machine_is_recognized(site):
    site.serve()
    version = site.engine.version()
    assert (version.rootless, version.is_podman, version.local) == (True, True, True)
    assert (version.reaches_host_network, version.reaches_container_networks) == (True, False)
    assert version.has_cgroups is (version.cgroup_version == "2")


def test_container_is_probed_through_its_published_port_alone(site):
    published, closed = site.serve(port_bindings={80: None}), site.serve()
    probe = make_host_probe(site.engine).probe
    eventually(lambda: probe(TARGET, site.find_route(published), PROBE_SECONDS) == "")
    missing = ProbeTarget("http", 80, "/nothing")
    assert probe(missing, site.find_route(published), PROBE_SECONDS) == "status 404"
    assert probe(TARGET, site.find_route(closed), PROBE_SECONDS) in {NO_ADDRESS_ERROR, ROOTLESS_ENGINE_ERROR}


def test_container_in_the_network_of_the_host_is_probed(site):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    route = site.find_route(site.serve(port, network_mode="host"))
    probe = make_host_probe(site.engine).probe
    eventually(lambda: probe(TARGET._replace(port=port), route, PROBE_SECONDS) == "")


def test_container_without_a_cgroup_is_not_measured(site):
    info = site.engine.inspect(site.serve())
    if site.engine.version().has_cgroups:
        pytest.skip("with cgroup v2, containers have cgroups")
    host = EngineHost(site.engine.locate)
    host.find_local()
    with closing(StatsSampler(site.engine.read_stats)) as stats:
        (sample,) = OwnCountersSampler(stats, host).sample([info], time.time())
    assert isnan(sample.cpu)
    assert sample.memory == 0


def test_events_are_selected_by_the_key_of_a_label(site):
    with closing(DockerEngine.connect(site.url, label="shop")) as engine:
        listener = Listener(engine)
        listener.wait_for_connections(1)
        other, selected = site.serve(), site.serve(labels=["shop"])
        listener.wait_for(selected, "start")
    assert listener.join()
    assert listener.actions(other) == []
