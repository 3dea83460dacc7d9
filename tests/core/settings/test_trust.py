"""Labels of one container affect others only where something else vouches for them."""

from typing import Any

import pytest

from hemostat.core.dependencies.graph import DependencyGraph
from hemostat.core.dependencies.relations import Relations
from hemostat.core.dependencies.shared_networks import find_detached
from hemostat.core.model import ConnectionPeers, ContainerInfo
from hemostat.core.settings.trust import TRUST_COMPOSE, TRUST_OWN, TrustSettings, get_replica_group
from hemostat.events import Container
from tests.support.samples import composed

NEEDS = "com.docker.compose.depends_on"
NET = ("shop_default",)
JOB = "job:service_completed_successfully:false"
FORGED_ORIGIN = {
    "com.docker.compose.config-hash": "0" * 64,
    "com.docker.compose.project.working_dir": "/srv/shop",
    "com.docker.compose.project.config_files": "docker-compose.yml",
}


def container(name: str, labels: dict[str, str] | None = None, **state: Any) -> ContainerInfo:
    fields = {"status": "running", "started_at": 1.0, "network_mode": "bridge", **state}
    ref = Container(id=f"{name:0<64}", name=name, image="app:1", labels=labels or {})
    return ContainerInfo(ref=ref, **fields)


def real(service: str, needs: str = "", **state: Any) -> ContainerInfo:
    """Made by Compose, on its project's network."""
    labels = composed(service, **({NEEDS: needs} if needs else {}))
    return container(f"shop-{service}-1", labels, **{"networks": NET, **state})


def forged(service: str, labels: dict[str, str] | None = None, **state: Any) -> ContainerInfo:
    claim = {"com.docker.compose.project": "shop", "com.docker.compose.service": service}
    return container(f"evil-{service}", {**claim, **(labels or {})}, **state)


def topology(*infos: ContainerInfo, trust: TrustSettings = TRUST_OWN) -> DependencyGraph:
    return DependencyGraph.build(infos, trust=trust)


def root(of: ContainerInfo, *others: ContainerInfo, trust: TrustSettings = TRUST_OWN) -> str | None:
    found = topology(of, *others, trust=trust).find_root(of.ref.id)
    return None if found is None else found.ref.name


DOWN = {"status": "exited", "exit_code": 1, "finished_at": 5.0}


# --- replicas -------------------------------------------------------------------------------------------


def test_replicas_share_project_service_configuration_and_image():
    one, other = (
        Container(id="1", name="a", labels=composed()),
        Container(id="2", name="b", labels=composed()),
    )
    assert get_replica_group(one, TRUST_OWN) == get_replica_group(other, TRUST_OWN)
    assert get_replica_group(one, TRUST_COMPOSE) == "shop/web"
    assert get_replica_group(Container(id="3", name="c"), TRUST_COMPOSE) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"com.docker.compose.config-hash": ""},
        {"com.docker.compose.config-hash": "0" * 64},
        {"com.docker.compose.project": "shop2"},
        {"com.docker.compose.service": "db"},
    ],
)
def test_other_labels_do_not_make_a_replica(changes):
    own = get_replica_group(Container(id="1", name="a", labels=composed()), TRUST_OWN)
    assert get_replica_group(Container(id="2", name="b", labels={**composed(), **changes}), TRUST_OWN) != own


def test_config_hash_of_podman_compose_is_accepted():
    labels = {**composed(), "com.docker.compose.config-hash": "", "io.podman.compose.config-hash": "1"}
    assert get_replica_group(Container(id="1", name="a", labels=labels), TRUST_OWN) is not None


# --- what a container waits for -------------------------------------------------------------------------


@pytest.mark.parametrize("trust", [TRUST_OWN, TRUST_COMPOSE])
def test_compose_container_waits_for_its_dependencies(trust):
    assert root(real("web", "db"), real("db", **DOWN), trust=trust) == "shop-db-1"


@pytest.mark.parametrize("network", [{"networks": ()}, {"networks": ("custom",)}])
def test_dependency_needs_no_project_network(network):
    assert root(real("web", "db", **network), real("db", **DOWN, **network)) == "shop-db-1"


def test_dependency_on_an_init_container_needs_no_network():
    init = real("init", **DOWN, networks=(), network_mode="none")
    assert root(real("web", "init"), init) == "shop-init-1"


def test_container_in_a_members_network_is_a_member():
    db = real("db")
    exporter = real("exporter", **DOWN, networks=(), network_mode=f"container:{db.ref.id}")
    assert root(real("web", "exporter"), db, exporter) == "shop-exporter-1"


def test_labels_set_by_hand_affect_only_their_container():
    """Somebody who plays Compose with labels alone: nothing vouches for anything."""
    claim = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web", NEEDS: "db"}
    assert root(container("web", claim), forged("db", **DOWN)) == "evil-db"


@pytest.mark.parametrize(
    ("labels", "state"),
    [
        ({}, {}),
        (FORGED_ORIGIN, {}),
        ({}, {"networks": ("proxy",)}),
        (FORGED_ORIGIN, {"networks": ("shop",)}),
        ({"com.docker.compose.container-number": "1"}, {"network_mode": "host"}),
    ],
)
def test_forged_service_neither_holds_nor_releases(labels, state):
    web, db = real("web", "db"), real("db")
    assert root(web, db, forged("db", labels, **state, **DOWN)) is None
    down = real("db", **DOWN)
    assert root(web, down, forged("db", labels, **state)) == "shop-db-1", "nor is the need met by it"
    assert root(real("web", "gone"), forged("gone", {}, **state, **DOWN)) is None


# --- what others say of a container ---------------------------------------------------------------------


@pytest.mark.parametrize("labels", [{NEEDS: JOB}, {NEEDS: JOB, **FORGED_ORIGIN}, {NEEDS: f"{JOB},{JOB}"}])
@pytest.mark.parametrize("state", [{}, {"networks": ("proxy",)}, {"networks": ("shop_default2",)}])
def test_stranger_cannot_mark_a_container_as_a_job(labels, state):
    job = real("job")
    assert topology(job, forged("app", labels, **state)).list_job_dependents(job.ref.id) == ()


def test_project_member_can_mark_another_as_a_job():
    job, app = real("job"), real("app", JOB)
    assert topology(job, app).list_job_dependents(job.ref.id) == (app,)


def test_trusted_labels_let_any_project_member_do_so():
    job, app = real("job"), forged("app", {NEEDS: JOB})
    assert topology(job, app, trust=TRUST_COMPOSE).list_job_dependents(job.ref.id) == (app,)


def test_dependents_of_the_project_precede_strangers():
    victim = real("db")
    evil = [container(f"a{n}x", {"hemostat.depends_on": victim.ref.name}) for n in range(30)]
    named = topology(victim, *evil, real("web", "db")).find_downstream(victim.ref.id)
    assert named[0].ref.name == "shop-web-1"
    assert len(named) == 31


def test_stopped_dependent_does_not_hold_its_dependency():
    victim = real("db")
    evil = container("evil", {"hemostat.depends_on": victim.ref.name}, **DOWN)
    claim = forged("db", {"hemostat.depends_on": victim.ref.name}, **DOWN)
    assert root(victim, evil, claim) is None


def test_stranger_does_not_join_a_cycle():
    """Containers that need each other are not blamed for each other: one that a stranger closes is none."""
    db = real("db", "cache", **DOWN)
    closing = forged("cache", {"hemostat.depends_on": "shop-web-1"}, **DOWN)
    assert root(real("web", "db"), db, real("cache"), closing) == "shop-db-1"


# --- names ----------------------------------------------------------------------------------------------


def test_name_equal_to_another_id_is_not_matched():
    vpn = container("abcdef")
    app = container("app", network_mode=f"container:{vpn.ref.id}")
    evil = ContainerInfo(
        ref=Container(id="e" * 64, name=vpn.ref.id), status="exited", exit_code=1, started_at=9.0
    )
    assert root(app, vpn, evil) is None
    assert find_detached(evil, [vpn, app]) == []
    owner = ContainerInfo(ref=vpn.ref, status="running", started_at=9.0)
    assert find_detached(owner, [app, evil]) == [app]


# --- connections ----------------------------------------------------------------------------------------


def observed(
    client: ContainerInfo, server: ContainerInfo, trust: TrustSettings = TRUST_OWN, *, seen_at: str = ""
) -> str:
    """The root of the client's failure, once its connection was seen."""
    relations = Relations(trust)
    for info in (client, server):
        relations.update(info)
    address = server.addresses[0]
    if (seen_at or client.ref.id) == client.ref.id:
        relations.record_connections(
            ConnectionPeers(container_id=client.ref.id, servers=((address, 80),)), 100.0
        )
    else:
        relations.record_connections(
            ConnectionPeers(container_id=server.ref.id, clients=client.addresses), 100.0
        )
    found = relations.graph.find_root(client.ref.id)
    return "" if found is None else found.ref.name


CLIENT, SERVER = {"addresses": ("10.0.0.2",)}, {"addresses": ("10.0.0.3",), **DOWN}


@pytest.mark.parametrize(
    ("client", "server"),
    [
        (container("proxy", **CLIENT), container("evil", **SERVER)),
        (container("proxy", networks=("a",), **CLIENT), container("evil", networks=("b",), **SERVER)),
        (real("proxy", **CLIENT), container("evil", networks=NET, **SERVER)),
        (real("proxy", **CLIENT), forged("app", networks=("proxy",), **SERVER)),
        (container("proxy", networks=NET, **CLIENT), real("app", **SERVER)),
    ],
)
def test_stranger_does_not_hold_connected_containers(client, server):
    assert observed(client, server) == ""
    assert observed(client, server, TRUST_COMPOSE) == server.ref.name


def test_connection_within_a_project_is_a_dependency():
    assert observed(real("web", **CLIENT), real("db", **SERVER)) == "shop-db-1"
    plain = container("web", networks=("n",), **CLIENT), container("db", networks=("n",), **SERVER)
    assert observed(*plain) == "db"


def test_only_the_opener_of_a_connection_depends():
    """A container with its own network can make it look as if any container had connected to it."""
    client, server = real("web", **CLIENT), real("db", **SERVER)
    assert observed(client, server, seen_at=server.ref.id) == ""
    assert observed(client, server, TRUST_COMPOSE, seen_at=server.ref.id) == "shop-db-1"
