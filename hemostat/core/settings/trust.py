"""What is believed of labels by which a container refers to others: the configuration table `trust`.

Whoever makes a container sets its labels, those of Compose too. Under `own` they speak for that container
alone. What they say of others counts where something vouches for it that the maker of another container
cannot choose: a network of the Compose project, or Compose's hash of a service's configuration, which only
its replicas bear.
"""

from typing import Final, Literal

import msgspec

from hemostat.core.model import ContainerInfo
from hemostat.events import Container, digest

CONFIG_HASH_LABELS: Final = ("com.docker.compose.config-hash", "io.podman.compose.config-hash")
ORIGIN_LABELS: Final = (
    "com.docker.compose.project.working_dir",
    "com.docker.compose.project.config_files",
)
"""Labels that tell from which files Compose made a container."""


class TrustSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `trust`."""

    labels: Literal["own", "compose"] = "own"
    """`own`: labels speak for their own container only. `compose`: whatever labels of Compose say is
    believed, for hosts all of whose containers belong to the same people."""

    @property
    def believes_all(self) -> bool:
        return self.labels == "compose"


TRUST_OWN: Final = TrustSettings()
TRUST_COMPOSE: Final = TrustSettings(labels="compose")


def get_config_hash(container: Container) -> str:
    """Compose's hash of the configuration that the container was made from; empty where Compose made none."""
    return next((container.labels[name] for name in CONFIG_HASH_LABELS if container.labels.get(name)), "")


def get_replica_group(container: Container, trust: TrustSettings) -> str | None:
    """What the replicas of a Compose service have in common, and nothing else: PROJECT/SERVICE, under `own`
    followed by a digest of configuration and image. None for a container that is no replica."""
    if not container.project or not container.service:
        return None
    name = f"{container.project}/{container.service}"
    if trust.believes_all:
        return name
    config = get_config_hash(container)
    if not config:
        return None
    return f"{name}#{digest(msgspec.json.encode([name, config, container.image]), 8)}"


def is_replica(info: ContainerInfo, group: str, trust: TrustSettings) -> bool:
    """Whether the container stands in for others of the group. One that never ran does not."""
    return info.started_at > 0 and get_replica_group(info.ref, trust) == group


def is_vouched(one: Container, other: Container, *, networks: frozenset[str], others: frozenset[str]) -> bool:
    """Whether `other` is of the Compose project of `one`, so that its labels may matter to `one`. `networks`
    and `others` are the names of the networks on which they are, without the engine's own."""
    if not is_same_project(one, other):
        return False
    if own := {each for each in networks if _is_of_project(each, one.project or "")}:
        return bool(own & others)
    return has_same_origin(one, other) and (not networks or bool(networks & others))


def is_same_project(one: Container, other: Container) -> bool:
    """By what their labels claim. A container of Compose itself has a hash."""
    same = bool(one.project) and one.project == other.project
    return same and (not get_config_hash(one) or bool(get_config_hash(other)))


def has_same_origin(one: Container, other: Container) -> bool:
    """Whether both say that Compose made them from the same files."""
    origins = [[each.labels.get(name, "") for name in ORIGIN_LABELS] for each in (one, other)]
    return (
        bool(get_config_hash(one) and get_config_hash(other)) and all(origins[0]) and origins[0] == origins[1]
    )


def identify_voucher(one: Container) -> tuple[object, ...]:
    """What of a container decides, with its networks, whom it believes: the same for the same."""
    return one.project, bool(get_config_hash(one)), tuple(one.labels.get(name, "") for name in ORIGIN_LABELS)


def _is_of_project(network: str, project: str) -> bool:
    """As Compose names the networks of a project."""
    return network == project or network.startswith(f"{project}_")
