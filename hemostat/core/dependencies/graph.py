"""The graph of dependencies between containers, from which the root cause of a failure is found.

A container needs what Compose's `depends_on` names, the container whose network it shares, what its label
`hemostat.depends_on` names, and what it was observed to be connected to (core.dependencies.declared). A
dependency is a group, the replicas of a service: it is unmet only if none of them is up or done
(core.dependencies.state). A dependency that must only complete is unmet if it ended with a failure.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, Self

from hemostat.core.dependencies.declared import Dependency, NameIndex, NeedDuration
from hemostat.core.dependencies.state import (
    FAULTY_STATES,
    MET_STATES,
    NOTHING_OBSERVED,
    DependencyState,
    Observations,
    has_failed,
    judge_dependency,
)
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.trust import TRUST_OWN, TrustSettings

MAX_CONDITIONS: Final = 2000
"""Members of dependencies that are judged to find one root cause. A container may name many, and each of
those many more."""


class DependencyGraph:
    """The containers of one host at one moment."""

    def __init__(
        self, infos: dict[str, ContainerInfo], needs: Mapping[str, tuple[Dependency, ...]], names: NameIndex
    ) -> None:
        self._infos = infos
        self._name_index = names
        self._needs = needs
        self._dependents: defaultdict[str, list[str]] = defaultdict(list)
        for container, groups in needs.items():
            for group in groups:
                for member in group.members:
                    self._dependents[member].append(container)

    @classmethod
    def build(
        cls,
        infos: Iterable[ContainerInfo],
        connections: Mapping[str, Collection[str]] = {},
        trust: TrustSettings = TRUST_OWN,
    ) -> Self:
        """Build the graph. `connections`: by container id, the ids that the container was observed to be
        connected to."""
        ordered = sorted(infos, key=_get_sort_key)
        names = NameIndex(ordered, trust)
        needs = {i.ref.id: names.find_dependencies(i, connections.get(i.ref.id, ())) for i in ordered}
        return cls({info.ref.id: info for info in ordered}, needs, names)

    def find_root(
        self, container_id: str, observations: Observations = NOTHING_OBSERVED
    ) -> ContainerInfo | None:
        """Return the deepest container that is down, reached from this one through unmet dependencies; None
        if all dependencies are met. Containers that need each other are not blamed for each other's failures,
        because then none of them would be restarted."""
        depths, faulty = self._measure_depths(container_id, observations)
        circle = self._walk_downstream(container_id)
        blamed = [candidate for candidate in depths if candidate not in circle]
        root_ids = [candidate for candidate in blamed if not faulty.get(candidate)] or blamed
        return min(
            (self._infos[e] for e in root_ids),
            key=lambda i: (-depths[i.ref.id], _get_sort_key(i)),
            default=None,
        )

    def is_declared(self, container_id: str, root_id: str) -> bool:
        """Return whether declared dependencies alone lead from `container_id` to `root_id`."""
        return root_id != container_id and root_id in self._walk_upstream(container_id, declared=True)

    def is_linked(self, container_id: str, root_id: str) -> bool:
        """Return whether the two are linked, and not by the labels of one of them alone."""
        return self._name_index.is_linked(container_id, root_id)

    def must_wait(self, container_id: str, root_id: str) -> bool:
        """Return whether the container waits for the root without a time limit: its own labels ask for that,
        or both are of one project."""
        return self.is_declared(container_id, root_id) or self._name_index.is_vouched(container_id, root_id)

    def list_job_dependents(self, container_id: str) -> tuple[ContainerInfo, ...]:
        """Return the containers that start only after this one has completed, by name. Only containers of its
        project count: others must not decide how it is treated."""
        return tuple(
            self._infos[dependent_id]
            for dependent_id in sorted(self._dependents.get(container_id, ()))
            if self._name_index.is_vouched(container_id, dependent_id)
            for need in self._needs[dependent_id]
            if need.until is NeedDuration.COMPLETED and container_id in need.members
        )

    def update(self, info: ContainerInfo) -> None:
        """Update a known container. Its dependencies never change while it exists."""
        self._infos[info.ref.id] = info

    def find_upstream(self, container_id: str) -> set[str]:
        """Return the ids of all direct and indirect dependencies."""
        return set(self._walk_upstream(container_id, declared=False)) - {container_id}

    def nearest(self, container_id: str, most: int) -> list[str]:
        """Return the ids of at most `most` dependencies, direct ones first."""
        upstream_ids = self._walk_upstream(container_id, declared=False)
        return list(islice((each for each in upstream_ids if each != container_id), most))

    def _walk_upstream(self, container_id: str, *, declared: bool) -> Iterator[str]:
        """Yield the container and its dependencies, the nearest first."""
        visited_ids, layer = {container_id}, [container_id]
        while layer:
            yield from layer
            needs = (
                n for each in layer for n in self._needs.get(each, ()) if not (declared and n.is_observed)
            )
            layer = [
                each for each in dict.fromkeys(m for n in needs for m in n.members) if each not in visited_ids
            ]
            visited_ids.update(layer)

    def find_downstream(self, container_id: str) -> tuple[ContainerInfo, ...]:
        """Return all direct and indirect dependents, by name. Those of its project come first, because any
        container may claim to depend on it."""
        infos = (self._infos[dependent_id] for dependent_id in self._walk_downstream(container_id))
        return tuple(
            sorted(infos, key=lambda i: (not self.is_linked(container_id, i.ref.id), _get_sort_key(i)))
        )

    def _measure_depths(
        self, container_id: str, observations: Observations
    ) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
        """Return the number of steps to each container that is reached through unmet dependencies, and for
        each container that was judged the members of its unmet dependencies. Containers beyond MAX_CONDITIONS
        count as ends."""
        depths, layer, conditions_left = {container_id: 0}, [container_id], MAX_CONDITIONS
        faulty: dict[str, tuple[str, ...]] = {}
        while layer:
            for upper in layer:
                if conditions_left > 0:
                    conditions_left -= sum(len(need.members) for need in self._needs.get(upper, ()))
                    faulty[upper] = tuple(self._find_faulty(upper, observations))
            faulty_members = (member for upper in layer for member in faulty.get(upper, ()))
            below = dict.fromkeys(member for member in faulty_members if member not in depths)
            depths.update(dict.fromkeys(below, depths[layer[0]] + 1))
            layer = list(below)
        del depths[container_id]
        return depths, faulty

    def _find_faulty(self, container_id: str, observations: Observations) -> Iterator[str]:
        """Yield the members of the container's unmet dependencies that are down or unhealthy."""
        for need in self._needs.get(container_id, ()):
            states = {
                each: self._judge_condition(container_id, need, each, observations) for each in need.members
            }
            if not MET_STATES.intersection(states.values()):
                yield from (member for member, state in states.items() if state in FAULTY_STATES)

    def _judge_condition(
        self, container_id: str, need: Dependency, member: str, observations: Observations
    ) -> DependencyState:
        info = self._infos[member]
        if need.until is NeedDuration.COMPLETED:
            return DependencyState.DOWN if has_failed(info) else DependencyState.DONE
        must_run = need.until is NeedDuration.RUNNING
        return judge_dependency(info, self._infos[container_id], observations, must_run=must_run)

    def _walk_downstream(self, container_id: str) -> set[str]:
        visited_ids, pending_ids = {container_id}, [container_id]
        while pending_ids:
            fresh = set(self._dependents.get(pending_ids.pop(), ())) - visited_ids
            visited_ids |= fresh
            pending_ids += fresh
        return visited_ids - {container_id}


def _get_sort_key(info: ContainerInfo) -> tuple[str, str]:
    return info.ref.name, info.ref.id
