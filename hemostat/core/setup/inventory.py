"""Counts what an engine's containers have: health checks, policies, projects, other healers, databases."""

from collections.abc import Sequence
from itertools import permutations
from typing import Final

import msgspec

from hemostat.core.dependencies.declared import find_networks, list_declared_names
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.trust import is_vouched
from hemostat.core.setup.healers import find_healer, find_running_healers, has_autoheal_label, is_database
from hemostat.core.text import is_container_name

MAX_COMPARED_CONTAINERS: Final = 200
"""Containers of one project whose dependencies are compared with each other."""


class HealerContainer(msgspec.Struct, frozen=True, kw_only=True):
    """A running container of another program that acts on containers by itself."""

    container: str
    program: str


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine has. The numbers count running containers. `restarted_by_engine` have a restart policy.
    `databases` are names. `needs_trust`: all containers are of one Compose project, and a dependency in it
    is not believed by default."""

    containers: int
    running: int
    with_health_check: int
    restarted_by_engine: int
    with_autoheal_label: int
    projects: tuple[str, ...]
    databases: tuple[str, ...]
    healers: tuple[HealerContainer, ...]
    needs_trust: bool


def take_inventory(containers: Sequence[ContainerInfo]) -> Inventory:
    """`containers`: all of the engine, stopped ones included."""
    running = [info for info in containers if info.is_running]
    return Inventory(
        containers=len(containers),
        running=len(running),
        with_health_check=sum(info.check is not None for info in running),
        restarted_by_engine=sum(info.restart_policy != "no" for info in running),
        with_autoheal_label=sum(has_autoheal_label(info.ref) for info in running),
        projects=tuple(sorted({info.ref.project for info in running if info.ref.project})),
        databases=tuple(
            sorted(
                info.ref.name
                for info in running
                if is_database(info.ref.image) and is_container_name(info.ref.name)
            )
        ),
        healers=tuple(
            HealerContainer(container=each.container, program=str(each.healer))
            for each in find_running_healers(info.ref for info in running)
        ),
        needs_trust=_needs_trust(containers),
    )


def _needs_trust(containers: Sequence[ContainerInfo]) -> bool:
    """Return whether labels of Compose must be believed for the dependencies of the only project to count.
    With a container of another project, or of none, other people may have created it."""
    own = [info for info in containers if find_healer(info.ref.image) is None]
    if len({info.ref.project for info in own}) != 1 or not own[0].ref.project:
        return False
    networks = find_networks({info.ref.id: info for info in own})
    return any(
        other.ref.service in list_declared_names(one.ref)
        and not is_vouched(
            one.ref, other.ref, networks=networks[one.ref.id], other_networks=networks[other.ref.id]
        )
        for one, other in permutations(own[:MAX_COMPARED_CONTAINERS], 2)
    )
