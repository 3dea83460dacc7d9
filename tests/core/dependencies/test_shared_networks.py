"""Containers that lose their network when another one is restarted, and the order in which they get it
back."""

from hemostat.core.dependencies.shared_networks import find_detached
from hemostat.core.model import ContainerInfo
from hemostat.events import Container


def info(name: str, network: str = "bridge", *, started: float = 1.0, status: str = "running", **labels: str):
    ref = Container(id=name * 16, name=name, labels=labels)
    return ContainerInfo(ref=ref, status=status, network_mode=network, started_at=started)


OWNER = info("vpn", started=5.0)


def names(*infos: ContainerInfo, owner: ContainerInfo = OWNER) -> list[str]:
    return [found.ref.name for found in find_detached(owner, infos)]


def test_members_are_found_by_id_prefix_or_name_of_the_owner():
    by_id, by_short = info("a", f"container:{OWNER.ref.id}"), info("b", f"container:{OWNER.ref.id[:12]}")
    assert names(by_id, by_short, info("c", "container:vpn"), info("d", "container:/vpn")) == list("abcd")


def test_members_of_other_networks_are_not_listed():
    assert names(info("web"), info("a", "container:web"), info("b", "host"), OWNER) == []


def test_member_started_after_the_owner_is_attached():
    assert names(info("old", "container:vpn", started=4.0), info("new", "container:vpn", started=6.0)) == [
        "old"
    ]


def test_stopped_member_is_skipped():
    assert names(info("a", "container:vpn", status="exited"), info("b", "container:vpn")) == ["b"]


def test_dependencies_come_before_dependents():
    app = info("app", "container:vpn", **{"hemostat.depends_on": "cache,zdb"})
    cache = info("cache", "container:vpn", **{"hemostat.depends_on": "zdb"})
    assert names(app, cache, info("zdb", "container:vpn")) == ["zdb", "cache", "app"]


def test_member_of_a_member_follows_it():
    assert names(info("a", "container:b"), info("b", "container:vpn")) == ["b", "a"]


def test_cycle_of_members_ends():
    assert names(info("a", "container:b"), info("b", "container:a"), owner=info("a", started=5.0)) == ["b"]
