"""Who depends on whom, and so whose failure it really is.

A container needs what compose's `depends_on` names, the container whose network it shares, and what its label
`hemostat.depends_on` names. A need is a group, the replicas of a service: it is down only when none of them
is well. One that must only complete is down when it ended with a failure.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, Self

from hemostat.core.model import ContainerInfo

LABEL: Final = "hemostat.depends_on"
COMPOSE: Final = "com.docker.compose.depends_on"
ONE_OFF: Final = "com.docker.compose.oneoff"
COMPLETED: Final = "service_completed_successfully"
SHARED: Final = "container:"
SHORT: Final = 12
"""Digits of an id as `docker ps` shows it."""


class Need(NamedTuple):
    """`members` are container ids, by name. `completes`: they are only to end well."""

    members: tuple[str, ...]
    completes: bool = False


class Topology:
    """The containers of one host at one moment."""

    def __init__(self, infos: dict[str, ContainerInfo], needs: Mapping[str, tuple[Need, ...]]) -> None:
        self._infos = infos
        self._needs = needs
        self._dependents: defaultdict[str, list[str]] = defaultdict(list)
        for container, groups in needs.items():
            for group in groups:
                for member in group.members:
                    self._dependents[member].append(container)

    @classmethod
    def of(cls, infos: Iterable[ContainerInfo]) -> Self:
        ordered = sorted(infos, key=_order)
        names = _Names(ordered)
        return cls({info.ref.id: info for info in ordered}, {i.ref.id: names.needs(i) for i in ordered})

    def root(self, container_id: str, ill: Collection[str] = ()) -> ContainerInfo | None:
        """The deepest container that is down, reached from this one through needs that are down; None where
        all its needs are well. `ill` are the ids of those that run and are not to be relied on (yet).
        Containers that need each other are not blamed for each other's failures: none would be healed."""
        depths = self._descend(container_id, ill)
        circle = self._above(container_id)
        blamed = [other for other in depths if other not in circle]
        ends = [other for other in blamed if not any(self._failed(other, ill))] or blamed
        return min((self._infos[e] for e in ends), key=lambda i: (-depths[i.ref.id], _order(i)), default=None)

    def update(self, info: ContainerInfo) -> None:
        """A container that is known, as it is now. What it needs never changes while it exists."""
        self._infos[info.ref.id] = info

    def upstream(self, container_id: str) -> set[str]:
        """The ids of all that it depends on, directly or not."""
        seen: set[str] = set()
        waiting = [container_id]
        while waiting:
            needs = self._needs.get(waiting.pop(), ())
            fresh = {member for need in needs for member in need.members} - seen - {container_id}
            seen |= fresh
            waiting += fresh
        return seen

    def downstream(self, container_id: str) -> tuple[ContainerInfo, ...]:
        """All that depend on it, directly or not, by name."""
        return tuple(sorted((self._infos[other] for other in self._above(container_id)), key=_order))

    def _descend(self, container_id: str, ill: Collection[str]) -> dict[str, int]:
        """How many steps away each container is that is reached through failed needs."""
        depths, layer = {container_id: 0}, [container_id]
        while layer:
            below = {
                member: None for upper in layer for member in self._failed(upper, ill) if member not in depths
            }
            depths.update(dict.fromkeys(below, depths[layer[0]] + 1))
            layer = list(below)
        del depths[container_id]
        return depths

    def _failed(self, container_id: str, ill: Collection[str]) -> Iterator[str]:
        """The members of its needs that are down."""
        for need in self._needs.get(container_id, ()):
            judge = aborted if need.completes else down
            sick = () if need.completes else ill
            if all(member in sick or judge(self._infos[member]) for member in need.members):
                yield from need.members

    def _above(self, container_id: str) -> set[str]:
        seen, waiting = {container_id}, [container_id]
        while waiting:
            fresh = set(self._dependents.get(waiting.pop(), ())) - seen
            seen |= fresh
            waiting += fresh
        return seen - {container_id}


def down(info: ContainerInfo) -> bool:
    """Whether it cannot be relied on now. A first failed health check is enough: it fails before those do
    that depend on it, and is called unhealthy only after them. One that starts is not there yet."""
    return not info.running or info.health in {"unhealthy", "starting"} or info.failing_streak > 0


def aborted(info: ContainerInfo) -> bool:
    return info.exit_code != 0 and info.status in {"exited", "dead", "restarting"}


class _Names:
    """Finds containers by what others call them."""

    def __init__(self, infos: Iterable[ContainerInfo]) -> None:
        refs = [info.ref for info in infos]
        self._ids = {ref.id[:SHORT]: ref.id for ref in refs}
        self._ids |= {name: ref.id for ref in refs for name in (ref.name, ref.id)}
        self._services: defaultdict[tuple[str | None, str | None], tuple[str, ...]] = defaultdict(tuple)
        for ref in refs:
            if ref.service is not None and ref.labels.get(ONE_OFF, "").lower() != "true":
                self._services[ref.project, ref.service] += (ref.id,)

    def needs(self, info: ContainerInfo) -> tuple[Need, ...]:
        ref = info.ref
        labels = ref.labels
        found = [self._compose(ref.project, words) for words in _words(labels.get(COMPOSE, ""))]
        if info.network_mode.startswith(SHARED):
            found.append(Need(self._container(info.network_mode.removeprefix(SHARED))))
        named = _words(labels.get(LABEL, ""))
        found += [Need(self._services.get((ref.project, word)) or self._container(word)) for word in named]
        others = (Need(tuple(m for m in need.members if m != ref.id), need.completes) for need in found)
        return tuple(need for need in others if need.members)

    def _compose(self, project: str | None, words: str) -> Need:
        """`db:service_healthy:true` is service, condition, and whether it is restarted together."""
        service, _, condition = words.partition(":")
        return Need(self._services.get((project, service), ()), condition.partition(":")[0] == COMPLETED)

    def _container(self, word: str) -> tuple[str, ...]:
        found = self._ids.get(word.removeprefix("/"))
        return () if found is None else (found,)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _order(info: ContainerInfo) -> tuple[str, str]:
    return info.ref.name, info.ref.id
