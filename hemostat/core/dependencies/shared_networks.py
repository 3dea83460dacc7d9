"""Finds the containers that lost the network namespace they share when its owner was restarted.

A started container gets a new namespace. The containers that share it stay in the old one, which no longer
has a network, until they are restarted too.
"""

import re
from collections.abc import Iterable
from typing import Final

from hemostat.core.dependencies.declared import SHARED_NETWORK_PREFIX, SHORT_ID_DIGITS
from hemostat.core.dependencies.graph import DependencyGraph
from hemostat.core.model import ContainerInfo

FULL_ID_PATTERN: Final = re.compile(r"[0-9a-f]{64}")


def find_detached(owner: ContainerInfo, infos: Iterable[ContainerInfo]) -> list[ContainerInfo]:
    """Return the running containers that share the owner's network and started before the owner did, and so
    have lost it. Dependencies come before their dependents."""
    members = {info.ref.id: info for info in infos if info.ref.id != owner.ref.id}
    attached_infos: dict[str, ContainerInfo] = {}
    hosts = [owner]
    while hosts:
        names = _get_names(hosts.pop())
        hosts += (
            fresh := [
                i for i in members.values() if i.ref.id not in attached_infos and _shares_network(i, names)
            ]
        )
        attached_infos |= {info.ref.id: info for info in fresh}
    topology = DependencyGraph.build(members.values())
    detached_infos = [
        info for info in attached_infos.values() if info.is_running and info.started_at < owner.started_at
    ]
    return sorted(
        detached_infos,
        key=lambda i: (len(topology.find_upstream(i.ref.id) & attached_infos.keys()), i.ref.name),
    )


def _get_names(info: ContainerInfo) -> set[str]:
    """Return the names by which others may refer to the container. A name that looks like a full id is left
    out: the engine takes it for the container with that id."""
    names = {info.ref.id, info.ref.id[:SHORT_ID_DIGITS], info.ref.name}
    return {name for name in names if name == info.ref.id or not FULL_ID_PATTERN.fullmatch(name)}


def _shares_network(info: ContainerInfo, names: set[str]) -> bool:
    mode = info.network_mode
    return (
        mode.startswith(SHARED_NETWORK_PREFIX)
        and mode.removeprefix(SHARED_NETWORK_PREFIX).removeprefix("/") in names
    )
