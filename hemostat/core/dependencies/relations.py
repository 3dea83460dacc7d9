"""Tracks the relations of a host's containers: their dependencies, and which of them a user has stopped.

Containers that are not watched are tracked too, because watched ones depend on them. No action is taken on
them.
"""

from collections.abc import Callable, Collection

from hemostat.core.dependencies.connections import Edge, find_dependencies, find_edges
from hemostat.core.dependencies.declared import (
    SHARED_NETWORK_PREFIX,
    MissingDependency,
    find_missing_dependencies,
)
from hemostat.core.dependencies.graph import DependencyGraph
from hemostat.core.dependencies.state import ENDED_STATUSES, Observations
from hemostat.core.model import ConnectionPeers, ContainerInfo
from hemostat.core.settings.trust import TRUST_OWN, TrustSettings


class Relations:
    def __init__(self, trust: TrustSettings = TRUST_OWN) -> None:
        self._trust = trust
        self.observed_since = 0.0
        """Since when the ends of containers have been observed (epoch seconds); 0 means always."""
        self._infos: dict[str, ContainerInfo] = {}
        self._unwatched_ids: set[str] = set()
        self._edges: dict[Edge, float] = {}
        """When each connection was last observed (epoch seconds)."""
        self._connections: dict[str, frozenset[str]] = {}
        self._graph: DependencyGraph | None = None
        self._missing: set[MissingDependency] | None = None

    def update(self, info: ContainerInfo, *, watched: bool = True) -> None:
        """Add a container, or update one, with its current state."""
        known_info = self._infos.get(info.ref.id)
        self._infos[info.ref.id] = info
        if watched == (info.ref.id in self._unwatched_ids):
            (self._unwatched_ids.discard if watched else self._unwatched_ids.add)(info.ref.id)
            self._missing = None
        if known_info is None or _get_relation_key(known_info) != _get_relation_key(info):
            self._graph = self._missing = None
        elif self._graph is not None:
            self._graph.update(info)

    def remove(self, container_id: str) -> None:
        if self._infos.pop(container_id, None) is not None:
            self._graph = self._missing = None
        self._unwatched_ids.discard(container_id)
        self._edges = {edge: at for edge, at in self._edges.items() if container_id not in edge}
        self._connections.pop(container_id, None)

    def get(self, container_id: str) -> ContainerInfo | None:
        return self._infos.get(container_id)

    def list_ids(self) -> set[str]:
        """Return the ids of all containers, watched or not."""
        return set(self._infos)

    def record_connections(self, peers: ConnectionPeers, now: float) -> None:
        """Record the connections that one container was observed to have."""
        edges = find_edges(peers, self._infos.values())
        if not self._trust.believes_all:
            # A container can fake incoming connections in its network: only those that it opens count.
            shared = self._is_network_shared(peers.container_id)
            edges = {edge for edge in edges if edge[0] == peers.container_id and not shared}
        self._edges |= dict.fromkeys(edges, now)
        connections = find_dependencies(self._edges, self._infos, now)
        if connections != self._connections:
            self._connections = connections
            self._graph = None

    def _is_network_shared(self, container_id: str) -> bool:
        """Return whether other containers use this one's network. Their connections look like its own."""
        mode = f"{SHARED_NETWORK_PREFIX}{container_id}"
        return any(info.network_mode == mode and info.is_running for info in self._infos.values())

    def is_unwatched(self, container_id: str) -> bool:
        """Return whether the container is known and not watched."""
        return container_id in self._unwatched_ids

    def find_missing(self) -> set[MissingDependency]:
        """Return the dependencies of watched containers that are not known."""
        if self._missing is None:
            asking = self._infos.keys() - self._unwatched_ids
            self._missing = find_missing_dependencies(self._infos.values(), asking=asking)
        return self._missing

    @property
    def graph(self) -> DependencyGraph:
        if self._graph is None:
            self._graph = DependencyGraph.build(self._infos.values(), self._connections, self._trust)
        return self._graph

    def find_upstream(self, container_id: str) -> list[ContainerInfo]:
        """Return all direct and indirect dependencies."""
        return [self._infos[each] for each in sorted(self.graph.find_upstream(container_id))]

    def nearest_upstream(self, container_id: str, most: int) -> list[ContainerInfo]:
        """Return at most `most` dependencies, direct ones first."""
        return [self._infos[each] for each in self.graph.nearest(container_id, most)]

    def collect_observations(
        self, recovering: Collection[str], was_stopped: Callable[[ContainerInfo], bool], now: float
    ) -> Observations:
        """Return what is known about the states of dependencies at `now` (epoch seconds). `recovering`: ids
        of containers that run and are not reliable yet."""
        ended_infos = [info for info in self._infos.values() if info.status in ENDED_STATUSES]
        return Observations(
            recovering_ids=recovering,
            stopped_ids={info.ref.id for info in ended_infos if was_stopped(info)},
            unobserved_ids={info.ref.id for info in ended_infos if self._is_unobserved(info)},
            unchecked_ids={info.ref.id for info in self._infos.values() if info.is_check_overdue(now)},
        )

    def _is_unobserved(self, info: ContainerInfo) -> bool:
        return info.ref.id in self._unwatched_ids or info.finished_at < self.observed_since


def _get_relation_key(info: ContainerInfo) -> tuple[object, ...]:
    """Return the properties that decide the container's relations."""
    return info.ref, info.network_mode, info.networks
