"""Dependencies that are not declared."""

from hemostat.core.dependencies.connections import CONNECTION_TTL_SECONDS, find_dependencies, find_edges
from hemostat.core.dependencies.relations import Relations
from hemostat.core.model import ConnectionPeers, ContainerInfo, PortBinding
from hemostat.events import Container

NOW = 5000.0


def container(name: str, *addresses: str, **state) -> ContainerInfo:
    fields = {"status": "running", "started_at": 1.0, "addresses": addresses, "networks": ("net",), **state}
    return ContainerInfo(ref=Container(id=name, name=name), **fields)


WEB, DB, CACHE = container("web", "10.0.0.2"), container("db", "10.0.0.3", "fd00::3"), container("cache")


def test_opener_of_a_connection_depends_on_the_acceptor():
    infos = [WEB, DB]
    assert find_edges(ConnectionPeers(container_id="web", servers=(("10.0.0.3", 5432),)), infos) == {
        ("web", "db")
    }
    assert find_edges(ConnectionPeers(container_id="web", servers=(("fd00::3", 5432),)), infos) == {
        ("web", "db")
    }
    assert find_edges(ConnectionPeers(container_id="db", clients=("10.0.0.2",)), infos) == {("web", "db")}


def test_external_and_own_addresses_are_no_dependency():
    assert (
        find_edges(
            ConnectionPeers(container_id="web", servers=(("1.2.3.4", 5432), ("10.0.0.2", 5432))), [WEB, DB]
        )
        == set()
    )


def test_published_port_leads_to_its_container():
    db = container("db", "10.0.0.3", gateways=("10.0.0.1",), bindings=(PortBinding(5432, "", 15432),))
    for address, port, expected in (
        ("10.0.0.1", 15432, {("web", "db")}),
        ("10.0.0.1", 22, set()),
        ("1.2.3.4", 15432, set()),
    ):
        assert (
            find_edges(ConnectionPeers(container_id="web", servers=((address, port),)), [WEB, db]) == expected
        )


def test_connection_in_a_shared_network_is_the_owners():
    sidecar = container("sidecar", "10.0.0.3", network_mode="container:db")
    assert find_edges(
        ConnectionPeers(container_id="web", servers=(("10.0.0.3", 5432),)), [WEB, DB, sidecar]
    ) == {("web", "db")}


def test_old_connection_expires():
    known, seen = {"web", "db"}, {("web", "db"): NOW}
    assert find_dependencies(seen, known, NOW + CONNECTION_TTL_SECONDS) == {"web": frozenset({"db"})}
    assert find_dependencies(seen, known, NOW + CONNECTION_TTL_SECONDS + 1) == {}


def test_connection_shows_an_undeclared_root_cause():
    relations = Relations()
    for info in (WEB, DB, CACHE):
        relations.update(info)
    relations.record_connections(ConnectionPeers(container_id="web", servers=(("10.0.0.3", 5432),)), NOW)
    relations.update(container("db", "10.0.0.3", status="exited", exit_code=1, finished_at=NOW))
    root = relations.graph.find_root("web")
    assert root is not None
    assert root.ref.name == "db"
    assert not relations.graph.is_declared("web", "db")
    assert relations.graph.find_root("cache") is None


def test_connections_of_a_removed_container_are_removed():
    relations = Relations()
    for info in (WEB, DB):
        relations.update(info)
    relations.record_connections(ConnectionPeers(container_id="db", clients=("10.0.0.2",)), NOW)
    relations.remove("db")
    relations.update(container("db", "10.0.0.9", status="exited", exit_code=1))
    relations.record_connections(ConnectionPeers(container_id="web"), NOW)
    assert relations.graph.find_root("web") is None
