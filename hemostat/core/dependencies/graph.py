"""Who depends on whom, and so whose failure it really is.

A container needs what Compose's `depends_on` names, the container whose network it shares, what its label
`hemostat.depends_on` names, and what it was seen to be connected to (core.dependencies.declared). A need is a
group, the replicas of a service: it is unmet only when none of them is well (core.dependencies.state). One
that must only complete is unmet when it ended with a failure.
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
"""Members of needs that are judged to find one root: a container may name many, and those many more."""


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
    def of(
        cls,
        infos: Iterable[ContainerInfo],
        connections: Mapping[str, Collection[str]] = {},
        trust: TrustSettings = TRUST_OWN,
    ) -> Self:
        """`connections`: by the id of a container, the ids of those that it was seen to be connected to."""
        ordered = sorted(infos, key=_get_sort_key)
        names = NameIndex(ordered, trust)
        needs = {i.ref.id: names.needs(i, connections.get(i.ref.id, ())) for i in ordered}
        return cls({info.ref.id: info for info in ordered}, needs, names)

    def root(self, container_id: str, observations: Observations = NOTHING_OBSERVED) -> ContainerInfo | None:
        """The deepest container that is down, reached from this one through needs that are unmet; None where
        all its needs are met. Containers that need each other are not blamed for each other's failures: none
        would be healed."""
        depths, faulty = self._measure_depths(container_id, observations)
        circle = self._walk_downstream(container_id)
        blamed = [other for other in depths if other not in circle]
        ends = [other for other in blamed if not faulty.get(other)] or blamed
        return min(
            (self._infos[e] for e in ends), key=lambda i: (-depths[i.ref.id], _get_sort_key(i)), default=None
        )

    def is_declared(self, container_id: str, root_id: str) -> bool:
        """Whether declared needs alone lead from the one to the other."""
        return root_id != container_id and root_id in self._walk_upstream(container_id, declared=True)

    def is_linked(self, container_id: str, root_id: str) -> bool:
        """Whether the two have been put together, and not by labels of one of them alone."""
        return self._name_index.is_linked(container_id, root_id)

    def must_wait(self, container_id: str, root_id: str) -> bool:
        """Whether the one waits for the other as long as that takes: its own labels ask for it, or the two
        are of one project."""
        return self.is_declared(container_id, root_id) or self._name_index.is_vouched(container_id, root_id)

    def must_complete(self, container_id: str) -> tuple[ContainerInfo, ...]:
        """The containers for which this one is a job that must end well before they start, by name. Others
        than those of its project do not decide what becomes of it."""
        return tuple(
            self._infos[other]
            for other in sorted(self._dependents.get(container_id, ()))
            if self._name_index.is_vouched(container_id, other)
            for need in self._needs[other]
            if need.until is NeedDuration.COMPLETED and container_id in need.members
        )

    def update(self, info: ContainerInfo) -> None:
        """A container that is known, as it is now. What it needs never changes while it exists."""
        self._infos[info.ref.id] = info

    def upstream(self, container_id: str) -> set[str]:
        """The ids of all that it depends on, directly or not."""
        return set(self._walk_upstream(container_id, declared=False)) - {container_id}

    def nearest(self, container_id: str, most: int) -> list[str]:
        """The ids of at most so many of them, those that it needs itself first."""
        found = self._walk_upstream(container_id, declared=False)
        return list(islice((each for each in found if each != container_id), most))

    def _walk_upstream(self, container_id: str, *, declared: bool) -> Iterator[str]:
        """The nearest first, itself among them."""
        seen, layer = {container_id}, [container_id]
        while layer:
            yield from layer
            needs = (n for each in layer for n in self._needs.get(each, ()) if not (declared and n.observed))
            layer = [each for each in dict.fromkeys(m for n in needs for m in n.members) if each not in seen]
            seen.update(layer)

    def downstream(self, container_id: str) -> tuple[ContainerInfo, ...]:
        """All that depend on it, directly or not, by name: first those of its project, for anybody may say
        that he depends on it."""
        others = (self._infos[other] for other in self._walk_downstream(container_id))
        return tuple(
            sorted(others, key=lambda i: (not self.is_linked(container_id, i.ref.id), _get_sort_key(i)))
        )

    def _measure_depths(
        self, container_id: str, observations: Observations
    ) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
        """How many steps away each container is that is reached through unmet needs; and of those that were
        looked at, the members of their unmet needs. Those beyond MAX_CONDITIONS are taken for ends."""
        depths, layer, left = {container_id: 0}, [container_id], MAX_CONDITIONS
        faulty: dict[str, tuple[str, ...]] = {}
        while layer:
            for upper in layer:
                if left > 0:
                    left -= sum(len(need.members) for need in self._needs.get(upper, ()))
                    faulty[upper] = tuple(self._find_faulty(upper, observations))
            found = (member for upper in layer for member in faulty.get(upper, ()))
            below = dict.fromkeys(member for member in found if member not in depths)
            depths.update(dict.fromkeys(below, depths[layer[0]] + 1))
            layer = list(below)
        del depths[container_id]
        return depths, faulty

    def _find_faulty(self, container_id: str, observations: Observations) -> Iterator[str]:
        """The members of its unmet needs that are down or ill."""
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
        seen, waiting = {container_id}, [container_id]
        while waiting:
            fresh = set(self._dependents.get(waiting.pop(), ())) - seen
            seen |= fresh
            waiting += fresh
        return seen - {container_id}


def _get_sort_key(info: ContainerInfo) -> tuple[str, str]:
    return info.ref.name, info.ref.id
