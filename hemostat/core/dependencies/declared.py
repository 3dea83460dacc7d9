"""Finds what each container needs: by its labels, by the network that it shares, and by its connections.

A label may name any container, and any container may claim to be the service that a label names. A claim
therefore counts only as far as something vouches for it (core.settings.trust). A container's own labels
decide only what it waits for itself. A container that is connected to most of those that it is linked to
serves them all, as a proxy or a metrics collector does: its failure has another cause.
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
"""Digits of an id that `docker ps` shows."""


class NeedDuration(Enum):
    """How long a member of a dependency is needed."""

    STARTED = "started"
    """The member may be a service, or a set-up container that ends."""
    RUNNING = "running"
    COMPLETED = "completed"


DURATION_BY_CONDITION: Final = {
    COMPLETED_CONDITION: NeedDuration.COMPLETED,
    HEALTHY_CONDITION: NeedDuration.RUNNING,
}
"""Conditions of Compose's `depends_on`. `service_started` does not say for how long."""
MAX_NEEDS: Final = 20
"""Dependencies of one container, for each of its labels."""

MIN_HUB_SERVICES: Final = 4
"""Minimum number of different services of a hub. A container that is connected to that many, and to half of
the other services of its project, counts as the dependent of none of them."""


class Dependency(NamedTuple):
    """`members` are container ids, by name. `is_observed`: connections show the undeclared dependency."""

    members: tuple[str, ...]
    until: NeedDuration = NeedDuration.STARTED
    is_observed: bool = False


class MissingDependency(NamedTuple):
    """A dependency that is not known: a compose service, or a container by its name or id."""

    project: str = ""
    service: str = ""
    name: str = ""


def find_missing_dependencies(
    infos: Iterable[ContainerInfo], asking: Collection[str]
) -> set[MissingDependency]:
    """Return the dependencies of the containers with these ids that are not among `infos`: they are not
    watched, or do not exist."""
    containers = list(infos)
    names = NameIndex(containers, TRUST_OWN)
    return {each for info in containers if info.ref.id in asking for each in names.find_missing(info)}


class NameIndex:
    """Finds containers by the names that others use for them."""

    def __init__(self, infos: Iterable[ContainerInfo], trust: TrustSettings) -> None:
        self._trust = trust
        self._infos = {info.ref.id: info for info in infos}
        self._networks = find_networks(self._infos)
        refs = [info.ref for info in self._infos.values()]
        # As in the engine: a name may look like an id, and a full id takes precedence.
        self._ids_by_name = {ref.id[:SHORT_ID_DIGITS]: ref.id for ref in refs}
        self._ids_by_name |= {ref.name: ref.id for ref in refs}
        self._ids_by_name |= {ref.id: ref.id for ref in refs}
        services: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for ref in refs:
            if ref.service is not None and not is_one_off(ref):
                services[ref.project or "", ref.service].append(ref.id)
        self._ids_by_service = {key: tuple(members) for key, members in services.items()}
        self._near: dict[tuple[object, ...], tuple[str, ...]] = {}
        """Trusted members of a service, by what decides the trust."""
        self._vouched_services: dict[tuple[object, ...], frozenset[str]] = {}

    def find_dependencies(
        self, info: ContainerInfo, connected: Collection[str] = ()
    ) -> tuple[Dependency, ...]:
        named_needs = dict.fromkeys(_iter_needs(info))
        declared = list(
            dict.fromkeys(Dependency(self._find_members(info, each), until) for each, until in named_needs)
        )
        known_ids = {member for need in declared for member in need.members} | {info.ref.id}
        linked = [each for each in connected if self.is_linked(info.ref.id, each)]
        counted = () if self._is_hub(info, linked) else (each for each in linked if each not in known_ids)
        linked_groups = {self._find_replicas(each) for each in counted}
        dependencies = [
            *declared,
            *(Dependency(group, NeedDuration.RUNNING, is_observed=True) for group in sorted(linked_groups)),
        ]
        needs_on_others = (
            each._replace(members=tuple(m for m in each.members if m != info.ref.id)) for each in dependencies
        )
        return tuple(need for need in needs_on_others if need.members)

    def find_missing(self, info: ContainerInfo) -> Iterator[MissingDependency]:
        for each, _ in _iter_needs(info):
            if (
                not self._ids_by_service.get((each.project, each.service))
                and self._find_by_name(each) is None
            ):
                yield each

    def is_vouched(self, one: str, other: str) -> bool:
        """Return whether the second container belongs to the first one's Compose project. Both are ids."""
        if self._trust.believes_all:
            return True
        return is_vouched(
            self._infos[one].ref,
            self._infos[other].ref,
            networks=self._networks[one],
            other_networks=self._networks[other],
        )

    def is_linked(self, one: str, other: str) -> bool:
        """Return whether the two are linked: by a Compose project, or, if neither has a project, by a network
        that a user created."""
        if one not in self._infos or other not in self._infos:
            return False
        plain = not (self._infos[one].ref.project or self._infos[other].ref.project)
        return self.is_vouched(one, other) or (plain and bool(self._networks[one] & self._networks[other]))

    def _is_hub(self, info: ContainerInfo, servers: Collection[str]) -> bool:
        """Return whether a container serves most services of its project, or several without a project.
        Others do not decide that: anybody on a shared network may create some."""
        services = {_get_service_key(self._infos[each].ref) for each in servers}
        if len(services) < MIN_HUB_SERVICES:
            return False
        others = self._find_vouched_services(info) - {_get_service_key(info.ref)}
        return len(services) * 2 >= len(others)

    def _find_vouched_services(self, info: ContainerInfo) -> frozenset[str]:
        """Return the services of all containers that something vouches for. Containers of one project share
        the result."""
        key = (identify_voucher(info.ref), self._networks[info.ref.id])
        if key not in self._vouched_services:
            own = info.ref.id
            vouched = (each.ref for each in self._infos.values() if self.is_vouched(own, each.ref.id))
            self._vouched_services[key] = frozenset(map(_get_service_key, vouched))
        return self._vouched_services[key]

    def _find_members(self, info: ContainerInfo, dependency: MissingDependency) -> tuple[str, ...]:
        """Return the members of a dependency. A name in the label is a service of the project if there is
        one, otherwise a container."""
        members = self._select_trusted(info, dependency)
        named_member = None if members else self._find_by_name(dependency)
        return members if named_member is None else (named_member,)

    def _find_by_name(self, dependency: MissingDependency) -> str | None:
        return self._ids_by_name.get(dependency.name.removeprefix("/"))

    def _select_trusted(self, info: ContainerInfo, dependency: MissingDependency) -> tuple[str, ...]:
        """Return the members of a service of the container's project that are what their labels say, as far
        as something vouches for it. Containers of one project share the result, because a user may create
        many of them."""
        service = dependency.project, dependency.service
        if service not in self._ids_by_service:
            return ()
        key = (*service, identify_voucher(info.ref), self._networks[info.ref.id])
        if key not in self._near:
            self._near[key] = self._find_believed(info, self._ids_by_service[service])
        return self._near[key]

    def _find_believed(self, info: ContainerInfo, members: tuple[str, ...]) -> tuple[str, ...]:
        """Return the trusted ones of these members. If Compose did not create the container itself, nothing
        could vouch for another one, and all members count."""
        if near := tuple(each for each in members if self.is_vouched(info.ref.id, each)):
            return near
        if near := tuple(each for each in members if has_same_origin(info.ref, self._infos[each].ref)):
            return near
        return () if get_config_hash(info.ref) else members

    def _find_replicas(self, container_id: str) -> tuple[str, ...]:
        """Return the container and the other replicas of its service."""
        return self._groups.get(container_id, (container_id,))

    @cached_property
    def _groups(self) -> dict[str, tuple[str, ...]]:
        """By the id of each replica: the replica and the others of its service."""
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for each in (each for members in self._ids_by_service.values() for each in members):
            if (group := get_replica_group(self._infos[each].ref, self._trust)) is not None:
                groups[group].append(each)
        member_groups = (tuple(members) for members in groups.values())
        return {each: members for members in member_groups for each in members}


def find_networks(infos: Mapping[str, ContainerInfo]) -> dict[str, frozenset[str]]:
    """Return each container's networks, by id. A shared network counts for all containers that share it."""
    return {key: frozenset(_find_network_owner(info, infos).networks) for key, info in infos.items()}


def _find_network_owner(info: ContainerInfo, infos: Mapping[str, ContainerInfo]) -> ContainerInfo:
    """Return the container whose network this one uses: itself, or the last in a chain of shared networks."""
    visited_ids: set[str] = set()
    while info.network_mode.startswith(SHARED_NETWORK_PREFIX) and info.ref.id not in visited_ids:
        visited_ids.add(info.ref.id)
        info = infos.get(info.network_mode.removeprefix(SHARED_NETWORK_PREFIX), info)
    return info


def list_declared_names(container: Container) -> list[str]:
    """Return the dependencies that the container's own labels declare: services of its Compose project, or
    containers by name."""
    return [need.service or need.name for need, _ in _iter_labelled_needs(container)]


def _get_service_key(ref: Container) -> str:
    """Return what all replicas of the container's service have in common; its name without a service."""
    return f"{ref.project}/{ref.service}" if ref.service else ref.name


def is_one_off(container: Container) -> bool:
    """Return whether `docker compose run` created the container: a job, and not a replica of its service."""
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
    for entry in _split_words(labels.get(COMPOSE_DEPENDS_ON_LABEL, "")):
        # `db:service_healthy:true`: service, condition, and whether the two restart together.
        service, _, condition = entry.partition(":")
        yield (
            MissingDependency(ref.project or "", service),
            DURATION_BY_CONDITION.get(condition.partition(":")[0], NeedDuration.STARTED),
        )
    for name in _read_names(labels.get(DEPENDS_ON.name, "")):
        yield MissingDependency(ref.project or "", name if ref.project else "", name), NeedDuration.STARTED


@lru_cache(maxsize=4096)
def _read_names(text: str) -> tuple[str, ...]:
    """Return the names in the label `hemostat.depends_on`. Cached: an error message for an unreadable value
    takes milliseconds, and each container is read again whenever another one is added."""
    return DEPENDS_ON.read_from({DEPENDS_ON.name: text}) or ()


def _split_words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()][:MAX_NEEDS]
