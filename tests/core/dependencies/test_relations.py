"""The containers that are requested in addition to the list follow from the known ones."""

import msgspec
import pytest

from hemostat.core.dependencies.declared import MIN_HUB_SERVICES, MissingDependency
from hemostat.core.dependencies.relations import Relations
from hemostat.core.model import ConnectionPeers, ContainerInfo
from hemostat.events import Container
from tests.support.samples import composed


def info(name: str, needs: str = "", status: str = "running") -> ContainerInfo:
    labels = {"hemostat.depends_on": needs} if needs else {}
    return ContainerInfo(ref=Container(id=name, name=name, labels=labels), status=status)


def test_absent_dependencies_follow_container_changes():
    relations, db = Relations(), {MissingDependency(name="db")}
    relations.update(info("web", "db"))
    assert relations.find_missing() == db
    relations.update(info("web", "db", status="exited"))
    assert relations.find_missing() == db
    relations.update(info("db"))
    assert relations.find_missing() == set()
    relations.remove("db")
    assert relations.find_missing() == db
    relations.update(info("web", "db"), watched=False)
    assert relations.find_missing() == set()


def test_state_change_triggers_no_new_lookup():
    relations = Relations()
    relations.update(info("web", "db"))
    before = relations.find_missing()
    relations.update(info("web", "db", status="exited"))
    assert relations.find_missing() is before


def test_watched_container_is_no_longer_external():
    relations = Relations()
    relations.update(info("web"), watched=False)
    assert relations.is_unwatched("web")
    relations.update(info("web"))
    assert not relations.is_unwatched("web")


def test_connection_in_a_shared_network_is_no_dependency():
    relations, net = Relations(), {"networks": ("n",)}
    web, db = msgspec.structs.replace(info("web"), **net), msgspec.structs.replace(info("db"), **net)
    db = msgspec.structs.replace(db, addresses=("10.0.0.2",))
    evil = msgspec.structs.replace(info("evil"), network_mode="container:web")
    seen = ConnectionPeers(container_id="web", servers=(("10.0.0.2", 5432),))
    for each in (web, db, evil):
        relations.update(each)
    relations.record_connections(seen, 1.0)
    assert relations.graph.find_upstream("web") == set()
    relations.remove("evil")
    relations.record_connections(seen, 2.0)
    assert relations.graph.find_upstream("web") == {"db"}


def test_replicas_of_one_service_make_no_hub_of_their_client():
    relations, addresses = Relations(), [f"10.0.0.{number}" for number in range(2, 2 + MIN_HUB_SERVICES)]
    web = Container(id="web", name="web", labels=composed("web"))
    relations.update(ContainerInfo(ref=web, status="running", networks=("n",)))
    for address in addresses:
        ref = Container(id=address, name=f"db-{address}", labels=composed("db"))
        relations.update(ContainerInfo(ref=ref, status="running", networks=("n",), addresses=(address,)))
    servers = tuple((address, 5432) for address in addresses)
    relations.record_connections(ConnectionPeers(container_id="web", servers=servers), 1.0)
    assert relations.graph.find_upstream("web") == set(addresses)


def make_shop(services: int) -> tuple[Relations, tuple[tuple[str, int], ...]]:
    """A proxy and the other services of its project, with their addresses."""
    relations, names = Relations(), [f"s{number}" for number in range(services)]
    for name in ("proxy", *names):
        ref = Container(id=name, name=name, labels=composed(name))
        fields = {"status": "running", "networks": ("shop_default",), "addresses": (f"10.0.0.{name}",)}
        relations.update(ContainerInfo(ref=ref, **fields))
    return relations, tuple((f"10.0.0.{name}", 80) for name in names)


@pytest.mark.parametrize(
    ("services", "connected", "hub"), [(6, 6, True), (8, 4, True), (9, 4, False), (3, 3, False)]
)
@pytest.mark.parametrize("strangers", [0, 50])
def test_containers_of_others_decide_no_hub(services, connected, hub, strangers):
    relations, servers = make_shop(services)
    for number in range(strangers):
        relations.update(msgspec.structs.replace(info(f"t{number}"), networks=("bridge_t",)))
    relations.record_connections(ConnectionPeers(container_id="proxy", servers=servers[:connected]), 1.0)
    assert len(relations.graph.find_upstream("proxy")) == (0 if hub else connected)


def test_number_of_containers_on_a_shared_network_decides_no_hub():
    """None has a project, so all of them are linked."""
    relations, names = Relations(), [f"s{number}" for number in range(MIN_HUB_SERVICES)]
    for name in ("proxy", *names, *(f"t{number}" for number in range(50))):
        fields = {"status": "running", "networks": ("shared",), "addresses": (f"10.0.0.{name}",)}
        relations.update(ContainerInfo(ref=Container(id=name, name=name), **fields))
    servers = tuple((f"10.0.0.{name}", 80) for name in names)
    relations.record_connections(ConnectionPeers(container_id="proxy", servers=servers), 1.0)
    assert not relations.graph.find_upstream("proxy")
    relations.remove("s0")
    assert relations.graph.find_upstream("proxy") == set(names) - {"s0"}
