"""The configuration table `trust`: which labels are believed if they refer to other containers.

The creator of a container sets its labels, including those of Compose. Under `own`, labels count for their
own container. Their statements about other containers count only with evidence that the creator of another
container cannot choose: a network of the Compose project, or Compose's hash of a service's configuration,
which only the service's replicas have.
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
"""Labels with the files from which Compose created a container."""


class TrustSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `trust`."""

    labels: Literal["own", "compose"] = "own"
    """`own`: labels count only for their own container. `compose`: all labels of Compose are believed, for
    hosts whose containers all belong to the same people."""

    @property
    def believes_all(self) -> bool:
        return self.labels == "compose"


TRUST_OWN: Final = TrustSettings()
TRUST_COMPOSE: Final = TrustSettings(labels="compose")


def get_config_hash(container: Container) -> str:
    """Compose's hash of the container's configuration; empty for a container that Compose did not create."""
    return next((container.labels[name] for name in CONFIG_HASH_LABELS if container.labels.get(name)), "")


def get_replica_group(container: Container, trust: TrustSettings) -> str | None:
    """The identity of a Compose service that only its replicas share: PROJECT/SERVICE, under `own` followed
    by a digest of configuration and image. None for a container that is not a replica."""
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
    """Whether the container can replace others of the group. A container that never ran cannot."""
    return info.started_at > 0 and get_replica_group(info.ref, trust) == group


def is_vouched(
    one: Container, other: Container, *, networks: frozenset[str], other_networks: frozenset[str]
) -> bool:
    """Whether `other` belongs to the Compose project of `one`, so that its labels may affect `one`.
    `networks` and `other_networks` are the names of their networks, without the engine's own."""
    if not is_same_project(one, other):
        return False
    if own := {each for each in networks if _is_of_project(each, one.project or "")}:
        return bool(own & other_networks)
    return has_same_origin(one, other) and (not networks or bool(networks & other_networks))


def is_same_project(one: Container, other: Container) -> bool:
    """Whether the labels claim the same project. A container created by Compose has a hash."""
    is_same_name = bool(one.project) and one.project == other.project
    return is_same_name and (not get_config_hash(one) or bool(get_config_hash(other)))


def has_same_origin(one: Container, other: Container) -> bool:
    """Whether both claim that Compose created them from the same files."""
    origins = [[each.labels.get(name, "") for name in ORIGIN_LABELS] for each in (one, other)]
    return (
        bool(get_config_hash(one) and get_config_hash(other)) and all(origins[0]) and origins[0] == origins[1]
    )


def identify_voucher(one: Container) -> tuple[object, ...]:
    """The properties of a container that decide, together with its networks, which containers it believes.
    Equal values mean equal decisions."""
    return one.project, bool(get_config_hash(one)), tuple(one.labels.get(name, "") for name in ORIGIN_LABELS)


def _is_of_project(network: str, project: str) -> bool:
    """Whether the network has a name that Compose gives to the project's networks."""
    return network == project or network.startswith(f"{project}_")
