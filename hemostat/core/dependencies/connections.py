"""Finds undeclared dependencies, from the TCP connections observed between containers.

A container that has opened a connection to another one counts as its dependent, only for the choice of a root
cause and the order of restarts. Whether it is a hub, which depends on none, is decided in declared.py.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from hemostat.core.dependencies.declared import SHARED_NETWORK_PREFIX
from hemostat.core.model import ConnectionPeers, ContainerInfo

CONNECTION_TTL_SECONDS: Final = 1800.0
"""Seconds for which a connection counts after it was last observed. Pools open and close connections."""
MAX_PEERS: Final = 100
"""Addresses of one container that are considered."""

Edge = tuple[str, str]
"""Ids of the container that opened the connection, and of the one that accepted it."""


def find_edges(peers: ConnectionPeers, infos: Iterable[ContainerInfo]) -> set[Edge]:
    """Return the edges that one container's connections show, also those through a published port of the
    host. Addresses that are neither a container's nor the host's on a container network are ignored."""
    candidates = [info for info in infos if has_own_network(info)]
    owners = {address: info.ref.id for info in candidates for address in info.addresses}
    gateways = {address for info in candidates for address in info.gateways}
    publishers = {port: info.ref.id for info in candidates for port in info.published if info.is_running}
    own = peers.container_id
    server_ids = (
        publishers.get(port) if each in gateways else owners.get(each)
        for each, port in peers.servers[:MAX_PEERS]
    )
    outgoing_edges = {(own, server_id) for server_id in server_ids if server_id is not None}
    incoming_edges = {(owners[each], own) for each in peers.clients[:MAX_PEERS] if each in owners}
    return {edge for edge in outgoing_edges | incoming_edges if edge[0] != edge[1]}


def has_own_network(info: ContainerInfo) -> bool:
    """Return whether the container has a network of its own, not the host's or another container's."""
    return info.network_mode != "host" and not info.network_mode.startswith(SHARED_NETWORK_PREFIX)


def find_dependencies(
    edge_times: Mapping[Edge, float], containers: Collection[str], now: float
) -> dict[str, frozenset[str]]:
    """Return the ids that each container has opened connections to, by container id. `edge_times`: when each
    connection was last observed (epoch seconds). `containers`: the ids of all containers."""
    servers_by_client: defaultdict[str, set[str]] = defaultdict(set)
    for (client, server), time in edge_times.items():
        if now - time <= CONNECTION_TTL_SECONDS and client in containers and server in containers:
            servers_by_client[client].add(server)
    return {client: frozenset(servers) for client, servers in servers_by_client.items()}
