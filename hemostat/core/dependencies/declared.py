"""What each container needs: by its labels, by the network that it shares, and by its connections.

A label may name any container, and anybody may claim to be the service that it names. So who is meant is
decided by what vouches for it (core.settings.trust): a container's own labels decide only what it waits for
itself.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import Enum
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

from hemostat.core.labels.container_ref import COMPOSE_DEPENDS_ON_LABEL
from hemostat.core.labels.definitions import DEPENDS_ON
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.trust import (
    TRUST_OWN,
    TrustSettings,
    get_config_hash,
    get_replica_group,
    has_same_origin,
    identify_voucher,
    is_vouched,
)
from hemostat.events import Container

ONE_OFF_LABEL: Final = "com.docker.compose.oneoff"
COMPLETED_CONDITION: Final = "service_completed_successfully"
HEALTHY_CONDITION: Final = "service_healthy"
SHARED_NETWORK_PREFIX: Final = "container:"
SHORT_ID_DIGITS: Final = 12
"""Digits of an id as `docker ps` shows it."""


class NeedDuration(Enum):
    """How long one of a need's members is needed."""

    STARTED = "started"
    """It may be a service, or a set-up container that ends."""
    RUNNING = "running"
    COMPLETED = "completed"


DURATION_BY_CONDITION: Final = {
    COMPLETED_CONDITION: NeedDuration.COMPLETED,
    HEALTHY_CONDITION: NeedDuration.RUNNING,
}
"""Of compose's `depends_on`; `service_started` says nothing of how long."""
MAX_NEEDS: Final = 20
"""Of one container, by each of its labels."""


class Dependency(NamedTuple):
    """`members` are container ids, by name. `observed`: nobody declared it, the connections show it."""

    members: tuple[str, ...]
    until: NeedDuration = NeedDuration.STARTED
    observed: bool = False


class MissingDependency(NamedTuple):
    """A container that is needed and not known: a compose service, or a container by its name or id."""

    project: str = ""
    service: str = ""
    name: str = ""


def find_missing_dependencies(
    infos: Iterable[ContainerInfo], asking: Collection[str]
) -> set[MissingDependency]:
    """What the containers with these ids need and is not among `infos`: outside the watch, or not there."""
    known = list(infos)
    names = NameIndex(known, TRUST_OWN)
    return {each for info in known if info.ref.id in asking for each in names.absent(info)}


class NameIndex:
    """Finds containers by what others call them."""

    def __init__(self, infos: Iterable[ContainerInfo], trust: TrustSettings) -> None:
        self._trust = trust
        self._infos = {info.ref.id: info for info in infos}
        self._networks = find_networks(self._infos)
        refs = [info.ref for info in self._infos.values()]
        # As the engine has it: a name may look like an id, and a full id comes first.
        self._ids_by_name = {ref.id[:SHORT_ID_DIGITS]: ref.id for ref in refs}
        self._ids_by_name |= {ref.name: ref.id for ref in refs}
        self._ids_by_name |= {ref.id: ref.id for ref in refs}
        services: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for ref in refs:
            if ref.service is not None and not is_one_off(ref):
                services[ref.project or "", ref.service].append(ref.id)
        self._ids_by_service = {key: tuple(members) for key, members in services.items()}
        self._near: dict[tuple[object, ...], tuple[str, ...]] = {}
        """Members of a service that are believed, by what decides that."""

    def needs(self, info: ContainerInfo, connected: Collection[str] = ()) -> tuple[Dependency, ...]:
        named = dict.fromkeys(_iter_needs(info))
        declared = list(
            dict.fromkeys(Dependency(self._find_members(info, each), until) for each, until in named)
        )
        known = {member for need in declared for member in need.members} | {info.ref.id}
        linked = (each for each in connected if each not in known and self.is_linked(info.ref.id, each))
        seen = {self._find_replicas(each) for each in linked}
        found = [
            *declared,
            *(Dependency(group, NeedDuration.RUNNING, observed=True) for group in sorted(seen)),
        ]
        others = (each._replace(members=tuple(m for m in each.members if m != info.ref.id)) for each in found)
        return tuple(need for need in others if need.members)

    def absent(self, info: ContainerInfo) -> Iterator[MissingDependency]:
        for each, _ in _iter_needs(info):
            if (
                not self._ids_by_service.get((each.project, each.service))
                and self._find_by_name(each) is None
            ):
                yield each

    def is_vouched(self, one: str, other: str) -> bool:
        """Whether the second container belongs to the first one's Compose project, by their ids."""
        if self._trust.believes_all:
            return True
        return is_vouched(
            self._infos[one].ref,
            self._infos[other].ref,
            networks=self._networks[one],
            others=self._networks[other],
        )

    def is_linked(self, one: str, other: str) -> bool:
        """Whether the two have been put together: in a Compose project, or, where neither is of a project, on
        a network that somebody has made."""
        if one not in self._infos or other not in self._infos:
            return False
        plain = not (self._infos[one].ref.project or self._infos[other].ref.project)
        return self.is_vouched(one, other) or (plain and bool(self._networks[one] & self._networks[other]))

    def _find_members(self, info: ContainerInfo, wanted: MissingDependency) -> tuple[str, ...]:
        """A word of the label names a service of its project, else a container."""
        members = self._select_trusted(info, wanted)
        found = None if members else self._find_by_name(wanted)
        return members if found is None else (found,)

    def _find_by_name(self, wanted: MissingDependency) -> str | None:
        return self._ids_by_name.get(wanted.name.removeprefix("/"))

    def _select_trusted(self, info: ContainerInfo, wanted: MissingDependency) -> tuple[str, ...]:
        """The members of a service of its project that are what their labels say, as far as anything vouches
        for it. Containers of one project share the answer: anybody may make many of them."""
        service = wanted.project, wanted.service
        if service not in self._ids_by_service:
            return ()
        key = (*service, identify_voucher(info.ref), self._networks[info.ref.id])
        if key not in self._near:
            self._near[key] = self._find_believed(info, self._ids_by_service[service])
        return self._near[key]

    def _find_believed(self, info: ContainerInfo, members: tuple[str, ...]) -> tuple[str, ...]:
        """Where Compose has not made the container itself, nothing could vouch for another."""
        if near := tuple(each for each in members if self.is_vouched(info.ref.id, each)):
            return near
        if near := tuple(each for each in members if has_same_origin(info.ref, self._infos[each].ref)):
            return near
        return () if get_config_hash(info.ref) else members

    def _find_replicas(self, container_id: str) -> tuple[str, ...]:
        """It and the other replicas of its service."""
        return self._groups.get(container_id, (container_id,))

    @cached_property
    def _groups(self) -> dict[str, tuple[str, ...]]:
        """By the id of each replica, itself and the others of its service."""
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for each in (each for members in self._ids_by_service.values() for each in members):
            if (group := get_replica_group(self._infos[each].ref, self._trust)) is not None:
                groups[group].append(each)
        found = (tuple(members) for members in groups.values())
        return {each: members for members in found for each in members}


def find_networks(infos: Mapping[str, ContainerInfo]) -> dict[str, frozenset[str]]:
    """The networks on which each is, by id. One that shares another's is where that is."""
    return {key: frozenset(_find_network_owner(info, infos).networks) for key, info in infos.items()}


def _find_network_owner(info: ContainerInfo, infos: Mapping[str, ContainerInfo]) -> ContainerInfo:
    """The container in whose network it lives: itself, or the last of those that share one."""
    seen: set[str] = set()
    while info.network_mode.startswith(SHARED_NETWORK_PREFIX) and info.ref.id not in seen:
        seen.add(info.ref.id)
        info = infos.get(info.network_mode.removeprefix(SHARED_NETWORK_PREFIX), info)
    return info


def list_declared_names(container: Container) -> list[str]:
    """What its own labels say that it depends on: services of its Compose project, or containers by name."""
    return [need.service or need.name for need, _ in _iter_labelled_needs(container)]


def is_one_off(container: Container) -> bool:
    """Whether `docker compose run` made it: no replica of its service, and a job."""
    return container.labels.get(ONE_OFF_LABEL, "").lower() == "true"


def _iter_needs(info: ContainerInfo) -> Iterator[tuple[MissingDependency, NeedDuration]]:
    yield from _iter_labelled_needs(info.ref)
    if info.network_mode.startswith(SHARED_NETWORK_PREFIX):
        yield (
            MissingDependency(name=info.network_mode.removeprefix(SHARED_NETWORK_PREFIX)),
            NeedDuration.RUNNING,
        )


def _iter_labelled_needs(ref: Container) -> Iterator[tuple[MissingDependency, NeedDuration]]:
    labels = ref.labels
    for words in _split_words(labels.get(COMPOSE_DEPENDS_ON_LABEL, "")):
        # `db:service_healthy:true`: service, condition, and whether it is restarted together.
        service, _, condition = words.partition(":")
        yield (
            MissingDependency(ref.project or "", service),
            DURATION_BY_CONDITION.get(condition.partition(":")[0], NeedDuration.STARTED),
        )
    for word in _read_names(labels.get(DEPENDS_ON.name, "")):
        yield MissingDependency(ref.project or "", word if ref.project else "", word), NeedDuration.STARTED


@lru_cache(maxsize=4096)
def _read_names(text: str) -> tuple[str, ...]:
    """Of the label `hemostat.depends_on`. To say why a value cannot be read takes milliseconds, and each
    container is asked again whenever another one comes."""
    return DEPENDS_ON.of({DEPENDS_ON.name: text}) or ()


def _split_words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()][:MAX_NEEDS]
