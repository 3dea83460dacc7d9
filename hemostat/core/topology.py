"""Who depends on whom, and so whose failure it really is.

A container needs what compose's `depends_on` names, the container whose network it shares, what its label
`hemostat.depends_on` names, and what it was seen to be connected to. A need is a group, the replicas of a
service: it is unmet only when none of them is well (core.dependency). One that must only complete is unmet
when it ended with a failure.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import Enum
from typing import Final, NamedTuple, Self

from hemostat.core.dependency import (
    FAULTY,
    MET,
    NOTHING_OBSERVED,
    Condition,
    Observations,
    condition,
    has_failed,
)
from hemostat.core.labels import DEPENDS_ON
from hemostat.core.model import ContainerInfo
from hemostat.core.reference import COMPOSE_NEEDS
from hemostat.events import Container

ONE_OFF: Final = "com.docker.compose.oneoff"
COMPLETED: Final = "service_completed_successfully"
HEALTHY: Final = "service_healthy"
SHARED: Final = "container:"
SHORT: Final = 12
"""Digits of an id as `docker ps` shows it."""


class Until(Enum):
    """How long one of a need's members is needed."""

    STARTED = "started"
    """It may be a service, or a set-up container that ends."""
    RUNNING = "running"
    COMPLETED = "completed"


CONDITIONS: Final = {COMPLETED: Until.COMPLETED, HEALTHY: Until.RUNNING}
"""Of compose's `depends_on`; `service_started` says nothing of how long."""
MAX_NEEDS: Final = 20
"""Of one container, by each of its labels."""


class Need(NamedTuple):
    """`members` are container ids, by name. `observed`: nobody declared it, the connections show it."""

    members: tuple[str, ...]
    until: Until = Until.STARTED
    observed: bool = False


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
    def of(cls, infos: Iterable[ContainerInfo], connections: Mapping[str, Collection[str]] = {}) -> Self:
        """`connections`: by the id of a container, the ids of those that it was seen to be connected to."""
        ordered = sorted(infos, key=_order)
        names = _Names(ordered)
        needs = {i.ref.id: names.needs(i, connections.get(i.ref.id, ())) for i in ordered}
        return cls({info.ref.id: info for info in ordered}, needs)

    def root(self, container_id: str, observations: Observations = NOTHING_OBSERVED) -> ContainerInfo | None:
        """The deepest container that is down, reached from this one through needs that are unmet; None where
        all its needs are met. Containers that need each other are not blamed for each other's failures: none
        would be healed."""
        depths = self._descend(container_id, observations)
        circle = self._above(container_id)
        blamed = [other for other in depths if other not in circle]
        ends = [other for other in blamed if not any(self._faulty(other, observations))] or blamed
        return min((self._infos[e] for e in ends), key=lambda i: (-depths[i.ref.id], _order(i)), default=None)

    def is_declared(self, container_id: str, root_id: str) -> bool:
        """Whether declared needs alone lead from the one to the other."""
        return root_id in self._upstream(container_id, declared=True)

    def must_complete(self, container_id: str) -> tuple[ContainerInfo, ...]:
        """The containers for which this one is a job that must end well before they start, by name."""
        return tuple(
            self._infos[other]
            for other in sorted(self._dependents.get(container_id, ()))
            for need in self._needs[other]
            if need.until is Until.COMPLETED and container_id in need.members
        )

    def update(self, info: ContainerInfo) -> None:
        """A container that is known, as it is now. What it needs never changes while it exists."""
        self._infos[info.ref.id] = info

    def upstream(self, container_id: str) -> set[str]:
        """The ids of all that it depends on, directly or not."""
        return self._upstream(container_id, declared=False)

    def _upstream(self, container_id: str, *, declared: bool) -> set[str]:
        seen: set[str] = set()
        waiting = [container_id]
        while waiting:
            needs = (n for n in self._needs.get(waiting.pop(), ()) if not (declared and n.observed))
            fresh = {member for need in needs for member in need.members} - seen - {container_id}
            seen |= fresh
            waiting += fresh
        return seen

    def downstream(self, container_id: str) -> tuple[ContainerInfo, ...]:
        """All that depend on it, directly or not, by name."""
        return tuple(sorted((self._infos[other] for other in self._above(container_id)), key=_order))

    def _descend(self, container_id: str, observations: Observations) -> dict[str, int]:
        """How many steps away each container is that is reached through unmet needs."""
        depths, layer = {container_id: 0}, [container_id]
        while layer:
            below = {
                member: None
                for upper in layer
                for member in self._faulty(upper, observations)
                if member not in depths
            }
            depths.update(dict.fromkeys(below, depths[layer[0]] + 1))
            layer = list(below)
        del depths[container_id]
        return depths

    def _faulty(self, container_id: str, observations: Observations) -> Iterator[str]:
        """The members of its unmet needs that are down or ill."""
        for need in self._needs.get(container_id, ()):
            states = {each: self._condition(container_id, need, each, observations) for each in need.members}
            if not MET.intersection(states.values()):
                yield from (member for member, state in states.items() if state in FAULTY)

    def _condition(self, container_id: str, need: Need, member: str, observations: Observations) -> Condition:
        info = self._infos[member]
        if need.until is Until.COMPLETED:
            return Condition.DOWN if has_failed(info) else Condition.DONE
        must_run = need.until is Until.RUNNING
        return condition(info, self._infos[container_id], observations, must_run=must_run)

    def _above(self, container_id: str) -> set[str]:
        seen, waiting = {container_id}, [container_id]
        while waiting:
            fresh = set(self._dependents.get(waiting.pop(), ())) - seen
            seen |= fresh
            waiting += fresh
        return seen - {container_id}


class Absent(NamedTuple):
    """A container that is needed and not known: a compose service, or a container by its name or id."""

    project: str = ""
    service: str = ""
    name: str = ""


def absent(infos: Iterable[ContainerInfo], asking: Collection[str]) -> set[Absent]:
    """What the containers with these ids need and is not among `infos`: outside the watch, or not there."""
    ordered = sorted(infos, key=_order)
    names = _Names(ordered)
    return {each for info in ordered if info.ref.id in asking for each in names.absent(info)}


class _Names:
    """Finds containers by what others call them."""

    def __init__(self, infos: Iterable[ContainerInfo]) -> None:
        refs = [info.ref for info in infos]
        self._service_of = {r.id: (r.project or "", r.service) for r in refs if r.service is not None}
        self._ids = {ref.id[:SHORT]: ref.id for ref in refs}
        self._ids |= {name: ref.id for ref in refs for name in (ref.name, ref.id)}
        self._services: defaultdict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
        for ref in refs:
            if ref.service is not None and not is_one_off(ref):
                self._services[ref.project or "", ref.service] += (ref.id,)

    def needs(self, info: ContainerInfo, connected: Collection[str] = ()) -> tuple[Need, ...]:
        declared = [Need(self._found(each), until) for each, until in _declared(info)]
        known = {member for need in declared for member in need.members} | {info.ref.id}
        seen = {self._group(each) for each in connected if each not in known and each in self._ids}
        found = [*declared, *(Need(group, Until.RUNNING, observed=True) for group in sorted(seen))]
        others = (each._replace(members=tuple(m for m in each.members if m != info.ref.id)) for each in found)
        return tuple(need for need in others if need.members)

    def absent(self, info: ContainerInfo) -> Iterator[Absent]:
        yield from (each for each, _ in _declared(info) if not self._found(each))

    def _found(self, wanted: Absent) -> tuple[str, ...]:
        """A word of the label names a service of its project, else a container."""
        members = self._services.get((wanted.project, wanted.service), ())
        found = None if members else self._ids.get(wanted.name.removeprefix("/"))
        return members if found is None else (found,)

    def _group(self, container_id: str) -> tuple[str, ...]:
        """It and the other replicas of its service."""
        service = self._service_of.get(container_id)
        return (self._services.get(service) if service else None) or (container_id,)


def declared_names(container: Container) -> list[str]:
    """What its own labels say that it depends on: services of its Compose project, or containers by name."""
    return [need.service or need.name for need, _ in _labelled(container)]


def is_one_off(container: Container) -> bool:
    """Whether `docker compose run` made it: no replica of its service, and a job."""
    return container.labels.get(ONE_OFF, "").lower() == "true"


def _declared(info: ContainerInfo) -> Iterator[tuple[Absent, Until]]:
    yield from _labelled(info.ref)
    if info.network_mode.startswith(SHARED):
        yield Absent(name=info.network_mode.removeprefix(SHARED)), Until.RUNNING


def _labelled(ref: Container) -> Iterator[tuple[Absent, Until]]:
    labels = ref.labels
    for words in _words(labels.get(COMPOSE_NEEDS, "")):
        # `db:service_healthy:true`: service, condition, and whether it is restarted together.
        service, _, condition = words.partition(":")
        yield Absent(ref.project or "", service), CONDITIONS.get(condition.partition(":")[0], Until.STARTED)
    for word in DEPENDS_ON.of(labels) or ():
        yield Absent(ref.project or "", word if ref.project else "", word), Until.STARTED


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()][:MAX_NEEDS]


def _order(info: ContainerInfo) -> tuple[str, str]:
    return info.ref.name, info.ref.id
