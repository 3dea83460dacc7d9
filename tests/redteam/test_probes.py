"""A container with an address that is not its own: a user chooses the addresses of a network."""

import secrets
import socket

import docker
import pytest

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.adapters.sampling.probe import probe
from hemostat.core.detection.probe import HOST_ADDRESS_ERROR, ProbeRoute, find_route, is_unreachable
from hemostat.core.labels.values import ProbeTarget
from tests.redteam.scene import Scene

pytestmark = pytest.mark.docker
WITHOUT_ROUTE = {"com.docker.network.bridge.inhibit_ipv4": "true"}


def test_probe_does_not_query_the_metadata_service_of_a_cloud(docker_engine: DockerEngine, scene: Scene):
    container = scene.make("web", network=True, labels={"hemostat.probe": "http://:80/latest/meta-data"})
    pools = [docker.types.IPAMPool(subnet="169.254.169.0/24")]
    network = scene.client.networks.create(
        f"red-{secrets.token_hex(4)}", options=WITHOUT_ROUTE, ipam=docker.types.IPAMConfig(pool_configs=pools)
    )
    try:
        container.reload()
        (own,) = container.attrs["NetworkSettings"]["Networks"]
        scene.client.networks.get(own).disconnect(container)
        network.connect(container, ipv4_address="169.254.169.254")
        info = docker_engine.inspect(container.id)
        assert info.address == "169.254.169.254"
        assert find_route(info, {}) == ProbeRoute()
    finally:
        container.remove(force=True)
        network.remove()


def test_probe_does_not_connect_to_an_address_of_the_host(docker_engine: DockerEngine, scene: Scene):
    (gateway,) = docker_engine.inspect(scene.make("web", network=True).id).gateways
    with socket.create_server((gateway, 0)) as service:
        service.settimeout(0.5)
        error = probe(ProbeTarget("tcp", service.getsockname()[1]), gateway, 1.0)
        assert error == HOST_ADDRESS_ERROR
        assert is_unreachable(error)
        with pytest.raises(TimeoutError):
            service.accept()
