"""What is known of a container's networks."""

from hemostat.core.dependencies.declared import find_networks
from hemostat.core.model import ContainerInfo
from hemostat.events import Container


def info(name: str, mode: str = "bridge", *networks: str) -> ContainerInfo:
    return ContainerInfo(
        ref=Container(id=name, name=name), status="running", network_mode=mode, networks=networks
    )


def test_container_that_shares_a_network_is_in_the_owners_networks():
    infos = (
        info("vpn", "bridge", "front"),
        info("web", "container:vpn"),
        info("log", "container:web"),
        info("lost", "container:gone"),
    )
    assert find_networks({each.ref.id: each for each in infos}) == {
        "vpn": {"front"},
        "web": {"front"},
        "log": {"front"},
        "lost": set(),
    }


def test_containers_that_share_the_networks_of_each_other_have_none():
    infos = (info("a", "container:b"), info("b", "container:a"))
    assert find_networks({each.ref.id: each for each in infos}) == {"a": set(), "b": set()}
